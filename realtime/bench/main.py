"""`nst-live bench`: how fast the net, the whole loop and its peers are here.

What is compared runs in rounds, A B C A B C …, so that noise hits all alike; the median over the rounds is told with
its spread, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.table import Table

from build_engines.tensorrt.cache import FOLDER_VARIABLE
from realtime.app.progress import tell
from realtime.app.readers import parse_count, parse_positive_number, parse_size
from realtime.app.settings import PREFIX
from realtime.backends import BACKENDS, Painter, choose_backend
from realtime.bench.files import file_rate
from realtime.bench.peers import PEERS, PeerUnavailableError
from realtime.frames import Frame, Pixels, Size
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs, Sink
from realtime.player.player import Player
from realtime.queues import QueuePolicy, SinkQueue
from realtime.session import DEFAULT_STEADINESS
from realtime.sinks.recorder import FileRecorder
from realtime.sources.camera import DEFAULT_CAMERA_SIZE
from realtime.sources.scene import SCENE_RATE, Scene
from realtime.sources.video_file import VideoFile
from realtime.stylize.pipeline import padded_size
from realtime.stylize.styles import DEFAULT_STYLE, LoadedStyle, load_styles, network_for
from realtime.stylize.stylizer import FrameStylizer
from styles.registry import USER_FOLDER_VARIABLE

ROUNDS = 5
# Where styles and engines lie, which a measurement has to know.
_PLACES = (USER_FOLDER_VARIABLE, FOLDER_VARIABLE)
_LOOP, _STEADY = "loop, null sink", "loop, steady"
# The bare net is fed with so many different pictures of the scene, in turn.
_PICTURES = 16

Contender = Callable[[float], float]
"""Runs for about so many seconds and returns the frames per second."""


@dataclass(frozen=True)
class Rate:
    """Frames per second over the rounds, and the median of the ratio to the bare net within each round.

    cpu_ms: what a frame costs all cores together, in the median. It says more than rates do on a machine in use:
    where the cores are the limit, rates are to each other as these are.
    """

    median: float
    lowest: float
    highest: float
    of_bare: float
    cpu_ms: float


@dataclass(frozen=True)
class Run:
    """What one contender did in one round."""

    fps: float
    cpu_ms: float


@dataclass(frozen=True)
class Report:
    """Everything measured at one size. Latencies are from capture to result at the live rate, in ms.

    `steady_cost`: the share of the frame rate that the dial --steady takes at its default, in the median of the rounds.
    """

    size: Size
    backend: str
    style: str
    rates: Mapping[str, Rate]
    steady_cost: float
    live_rate: float
    latency_ms: Mapping[str, float]
    first_frame_s: float
    peak_memory_mb: float
    failed: Mapping[str, str] = field(default_factory=dict)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    args = _parser().parse_args(argv)
    choice = choose_backend(args.backend)
    styles, chosen = load_styles(args.style, network_for(args.net, choice.backend.name))
    reports = []
    for size in [_size_of(args.input)] if args.input else args.size or [DEFAULT_CAMERA_SIZE]:
        with FrameStylizer(choice.backend) as stylizer:
            reports.append(_measure(stylizer, styles[chosen], size, args))
        _print(reports[-1])
    if args.json:
        facts = {"machine": machine(), "command": " ".join(["nst-live bench", *argv])}
        args.json.write_text(json.dumps({**facts, "reports": [asdict(report) for report in reports]}, indent=2) + "\n")
    return 0


def machine() -> dict[str, str]:
    """Returns what a figure needs beside it: processor, cores, system, versions."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        name = next(
            (line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), name
        )
    return {
        "cpu": name,
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def interleave(contenders: Mapping[str, Contender], rounds: int, seconds: float) -> dict[str, list[Run]]:
    """Returns what each contender did in each round, run in turn after one short warm-up each."""
    for contender in contenders.values():
        contender(min(0.3, seconds))
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(_timed(contender, seconds))
    return runs


def _timed(contender: Contender, seconds: float) -> Run:
    began_s, used_s = time.monotonic(), time.process_time()
    fps = contender(seconds)
    frames = fps * (time.monotonic() - began_s)
    return Run(fps, 1000 * (time.process_time() - used_s) / frames if frames else math.nan)


def _measure(stylizer: FrameStylizer, style: LoadedStyle, size: Size, args: argparse.Namespace) -> Report:
    first_frame_s = _first_frame_s(args, size)
    painter = stylizer.painter(style.net, size)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        contenders: dict[str, Contender] = {
            "bare net": lambda seconds: _bare_rate(painter, style, size, seconds),
            _LOOP: lambda seconds: _loop_rate(stylizer, style, _TimedScene(size, seconds), ()),
            _STEADY: lambda seconds: _loop_rate(stylizer, style, _TimedScene(size, seconds), (), steady=True),
            "loop, recording": lambda seconds: _recording_rate(stylizer, style, size, seconds, Path(folder)),
        }
        if args.input:
            for_files = stack.enter_context(FrameStylizer(stylizer.backend.for_files()))
            contenders |= _file_contenders(for_files, style, args.input, size)
        failed = {}
        for name in args.against:
            try:
                peer = stack.enter_context(PEERS[name](style.net, size))
                contenders[name] = lambda seconds, peer=peer: _bare_rate(peer, style, size, seconds)  # type: ignore[misc]
            except PeerUnavailableError as exc:
                failed[name] = str(exc)
        runs = interleave(contenders, args.rounds, args.seconds)
    latencies = _live_latencies_ms(stylizer, style, size, max(3.0, args.seconds))
    bare = runs["bare net"]
    return Report(
        size=size,
        backend=painter.description,
        style=style.name,
        rates={name: _rate(those, bare) for name, those in runs.items()},
        steady_cost=1 - _median_ratio(runs[_STEADY], runs[_LOOP]),
        live_rate=float(SCENE_RATE),
        latency_ms={f"p{share}": _percentile(latencies, share) for share in (50, 95, 99)},
        first_frame_s=first_frame_s,
        peak_memory_mb=_peak_memory_mb(),
        failed=failed,
    )


def _size_of(path: Path) -> Size:
    with VideoFile(path) as file:
        return file.size


def _file_contenders(stylizer: FrameStylizer, style: LoadedStyle, path: Path, size: Size) -> dict[str, Contender]:
    """Returns how files are painted with `--steady 0`: the net as opened for them alone, into nothing, into a file."""
    painter = stylizer.painter(style.net, size)
    return {
        "bare net for files": lambda seconds: _bare_rate(painter, style, size, seconds),
        "file, null encoder": lambda seconds: file_rate(stylizer, style, path, seconds, None),
        "file into a file": lambda seconds: file_rate(stylizer, style, path, seconds, Encoding()),
    }


def _rate(runs: Sequence[Run], bare: Sequence[Run]) -> Rate:
    fps = [run.fps for run in runs]
    cpu_ms = statistics.median(run.cpu_ms for run in runs)
    return Rate(statistics.median(fps), min(fps), max(fps), _median_ratio(runs, bare), cpu_ms)


def _median_ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    return statistics.median(run.fps / other.fps for run, other in zip(runs, others, strict=True))


def _bare_rate(painter: Painter, style: LoadedStyle, size: Size, seconds: float) -> float:
    """Calls the painter in a loop, as many frames in flight as it takes, on ready pictures of the scene."""
    pictures = _pictures(padded_size(style.net, size))
    done, in_flight = 0, 0
    started_s = time.monotonic()
    while time.monotonic() - started_s < seconds:
        while in_flight < painter.depth:
            painter.start(pictures[(done + in_flight) % len(pictures)], style.vector)
            in_flight += 1
        painter.finish()
        in_flight -= 1
        done += 1
    elapsed_s = time.monotonic() - started_s
    for _ in range(in_flight):
        painter.finish()
    return done / elapsed_s


_pictures_of_size: dict[Size, list[Pixels]] = {}


def _pictures(size: Size) -> list[Pixels]:
    if size not in _pictures_of_size:
        scene = Scene(*size)
        _pictures_of_size[size] = [scene.draw(index) for index in range(_PICTURES)]
    return _pictures_of_size[size]


@dataclass
class _TimedScene:
    """The bundled scene for so many seconds; `live` at its own rate like a camera, else as fast as it is read."""

    size: Size
    seconds: float
    live: bool = False
    rate: Fraction = SCENE_RATE

    def frames(self) -> Iterator[Frame]:
        pictures = _pictures(self.size)
        started_s, index = time.monotonic(), 0
        while (now_s := time.monotonic()) - started_s < self.seconds:
            due_s = started_s + index / float(self.rate)
            if self.live and now_s < due_s:
                time.sleep(due_s - now_s)
            # copied, as a real source makes a new picture each time
            yield Frame(pictures[index % len(pictures)].copy(), index, time.monotonic(), index / self.rate)
            index += 1

    def stop(self) -> None:
        """It waits for no picture."""


class _LatencySink:
    """Keeps how long each frame took from capture to result, in ms."""

    def __init__(self) -> None:
        self.latencies_ms: deque[float] = deque()

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a sink takes both
        self.latencies_ms.append(1000 * (time.monotonic() - frame.captured_at_s))


def _loop_rate(
    stylizer: FrameStylizer, style: LoadedStyle, scene: _TimedScene, sinks: Sequence[Sink], steady: bool = False
) -> float:
    controls = Controls.of_one_style(style, DEFAULT_STEADINESS if steady else 0.0)
    return Player(scene, stylizer, controls, outputs=PlayerOutputs(sinks=sinks)).run().fps


def _recording_rate(stylizer: FrameStylizer, style: LoadedStyle, size: Size, seconds: float, folder: Path) -> float:
    path = folder / "bench.mp4"
    with (
        FileRecorder(
            path, VideoTrack(size, SCENE_RATE, 1 / SCENE_RATE), encoding=Encoding(low_latency=True)
        ) as recorder,
        SinkQueue(recorder, "recorder", QueuePolicy(lossless=True, essential=True)) as queue,
    ):
        return _loop_rate(stylizer, style, _TimedScene(size, seconds), (queue,))


def _live_latencies_ms(stylizer: FrameStylizer, style: LoadedStyle, size: Size, seconds: float) -> Sequence[float]:
    sink = _LatencySink()
    _loop_rate(stylizer, style, _TimedScene(size, seconds, live=True), (sink,))
    return sorted(sink.latencies_ms)


def _percentile(ordered: Sequence[float], share: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


def _first_frame_s(args: argparse.Namespace, size: Size) -> float:
    """Times the whole command from its start to its first painted frame, in a process of its own."""
    command = [sys.executable, "-m", "realtime.app.main", "-i", "test", "--frames", "1", "--no-window"]
    command += ["--size", f"{size[0]}x{size[1]}", "--style", args.style, "--net", args.net, "--backend", args.backend]
    # what somebody has set for their own shows, an output or a stream, is no matter of a measurement
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name in _PLACES}
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "none.toml"
        settings.touch()
        started_s = time.monotonic()
        subprocess.run([*command, "--config", settings], check=True, stderr=subprocess.DEVNULL, env=environment)
        return time.monotonic() - started_s


def _peak_memory_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows has no such count
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _print(report: Report) -> None:
    table = Table(title=f"{report.size[0]}x{report.size[1]}, {report.style}, {report.backend}", title_justify="left")
    for heading in ("", "fps", "lowest … highest", "of bare net", "CPU ms/frame"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, rate in report.rates.items():
        spread = f"{rate.lowest:.1f} … {rate.highest:.1f}"
        table.add_row(name, f"{rate.median:.1f}", spread, f"{rate.of_bare:.2f}", f"{rate.cpu_ms:.1f}")
    Console().print(table)
    latency = ", ".join(f"{name} {value:.1f}" for name, value in report.latency_ms.items())
    tell(f"capture to result at {report.live_rate:g} fps: {latency} ms", sys.stdout)
    tell(f"--steady {DEFAULT_STEADINESS:g} takes {100 * report.steady_cost:.0f} % of the frame rate", sys.stdout)
    tell(f"first painted frame {report.first_frame_s:.2f} s after the command", sys.stdout)
    tell(f"peak memory of this process {report.peak_memory_mb:.0f} MB", sys.stdout)
    for name, reason in report.failed.items():
        tell(f"{name}: {reason}", sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-live bench", description="Measure the net, the whole loop and its peers."
    )
    parser.add_argument("--style", default=DEFAULT_STYLE, metavar="NAME|FILE")
    parser.add_argument("--net", default="auto", metavar="auto|full|fast")
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS))
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--size", type=parse_size, nargs="+", metavar="WxH", help="default: 640x480")
    what.add_argument(
        "-i", "--input", type=Path, metavar="FILE", help="measure at the size of a video file, and the file end to end"
    )
    parser.add_argument(
        "--rounds", type=parse_count, default=ROUNDS, metavar="N", help="how often in turn (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=parse_positive_number, default=2.0, metavar="S", help="per round (default: %(default)g)"
    )
    parser.add_argument(
        "--against", nargs="+", default=(), choices=tuple(PEERS), metavar="PEER", help=f"of {', '.join(PEERS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured into FILE")
    return parser
