"""A long show with a recording: does memory grow, are threads or files left? Type: python -m tests.realtime.soak"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from realtime.backends import Backend
from realtime.frames import Frame, Pixels
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs, Sink
from realtime.player.player import Player
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.recorder import FileRecorder
from realtime.sources.scene import SceneSource
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.stylizer import FrameStylizer
from styles.support.terminal import print_line

SIZE = (64, 48)
RATE = Fraction(30)
# What a show needs it has by then.
_SETTLED_SHARE = 0.1
_WARM_UP_FRAMES = 50


@dataclass(frozen=True)
class Usage:
    """What a process holds: resident memory in bytes, threads, open files."""

    memory: int
    threads: int
    files: int


def usage_now() -> Usage:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), len(os.listdir("/proc/self/fd")))  # noqa: PTH208


@dataclass(frozen=True)
class Soak:
    """What a long show held before its start, when it had settled, at most after that, and when it was over."""

    before: Usage
    settled: Usage
    most: Usage
    after: Usage
    recorded: int
    fps: float

    @property
    def growth(self) -> float:
        """By how much memory grew after the show had settled."""
        return self.most.memory / self.settled.memory - 1

    @property
    def leaks(self) -> bool:
        """Whether threads or files became more while it ran, or stayed when it was over."""
        grew = self.most.threads > self.settled.threads or self.most.files > self.settled.files
        return grew or self.after.threads > self.before.threads or self.after.files > self.before.files


class _Gauge:
    """A sink that looks at the process now and then, once so many frames have passed."""

    def __init__(self, frames: int, report: Callable[[str], None]) -> None:
        self.seen: list[Usage] = []
        self._frames, self._report, self._done = frames, report, 0

    def write(self, pixels: Pixels, frame: Frame) -> None:
        self._done += 1
        if self._done >= _SETTLED_SHARE * self._frames and self._done % max(1, self._frames // 200) == 0:
            self.seen.append(usage_now())
        if self._done % max(1, self._frames // 10) == 0:
            self._report(f"{self._done} frames: {usage_now()}")


def soak(backend: Backend, style: LoadedStyle, frames: int, path: Path, report: Callable[[str], None]) -> Soak:
    """Runs a show of the bundled scene as fast as it goes, into a recording, and returns what it held."""
    _run(backend, style, _WARM_UP_FRAMES, path)  # libraries start threads of their own, once
    before, gauge = usage_now(), _Gauge(frames, report)
    started_s = time.monotonic()
    recorded = _run(backend, style, frames, path, gauge)
    fps = frames / (time.monotonic() - started_s)
    most = Usage(*(max(getattr(each, name) for each in gauge.seen) for name in ("memory", "threads", "files")))
    return Soak(before, gauge.seen[0], most, usage_now(), recorded, fps)


def _run(backend: Backend, style: LoadedStyle, frames: int, path: Path, *sinks: Sink) -> int:
    """Returns how many frames of a show were recorded."""
    with (
        FrameStylizer(backend) as stylizer,
        FileRecorder(path, VideoTrack(SIZE, RATE, 1 / RATE), encoding=Encoding(low_latency=True)) as recorder,
        SinkQueue(recorder, "recorder", QueuePolicy(lossless=True, essential=True)) as queue,
    ):
        source = SceneSource(SIZE, RATE, frames)
        Player(source, stylizer, Controls.of_one_style(style), outputs=PlayerOutputs(sinks=[queue, *sinks])).run()
        queue.finish()
        return recorder.frame_count


def main() -> int:
    from realtime.backends import choose_backend
    from realtime.stylize.styles import load_styles, network_for

    parser = argparse.ArgumentParser(prog="python -m tests.realtime.soak", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--style", default="wreck", help="a style by name, or an .onnx file")
    parser.add_argument("--format", default="mkv", help="mkv, mp4, mov or webm (default: %(default)s)")
    args = parser.parse_args()
    choice = choose_backend("auto")
    styles, chosen = load_styles(args.style, network_for("auto", choice.backend.name))
    with tempfile.TemporaryDirectory() as folder:
        result = soak(choice.backend, styles[chosen], args.frames, Path(folder) / f"soak.{args.format}", print_line)
    print_line(
        f"{args.frames} frames at {result.fps:.0f} fps, memory {100 * result.growth:+.2f} % after the first tenth"
    )
    for name in ("before", "settled", "most", "after"):
        print_line(f"{name:<8} {getattr(result, name)}")
    return 0 if result.growth <= 0.02 and not result.leaks and result.recorded == args.frames else 1


if __name__ == "__main__":
    sys.exit(main())
