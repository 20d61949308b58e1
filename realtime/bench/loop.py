"""How fast the whole loop paints the bundled scene."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from realtime.frames import Frame, Pixels, Size
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs, Sink
from realtime.player.player import Player
from realtime.queues import QueuePolicy, SinkQueue
from realtime.session import DEFAULT_STEADINESS
from realtime.sinks.recorder import FileRecorder
from realtime.sources.scene import SCENE_RATE, Scene
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.stylizer import FrameStylizer

# This many different frames of the scene are painted in turn.
_SCENE_FRAMES = 16


@cache
def scene_frames(size: Size) -> Sequence[Pixels]:
    """Returns frames of the bundled scene, H x W x 3 uint8 RGB each."""
    scene = Scene(*size)
    return [scene.draw(index) for index in range(_SCENE_FRAMES)]


@dataclass
class TimedScene:
    """The bundled scene for a time.

    Args:
        size: width and height of its frames.
        seconds: when it ends.
        live: at its own rate like a camera; otherwise as fast as it is read.
        rate: frames per second.
    """

    size: Size
    seconds: float
    live: bool = False
    rate: Fraction = SCENE_RATE

    def frames(self) -> Iterator[Frame]:
        """Yields the frames."""
        drawn = scene_frames(self.size)
        started_s, index = time.monotonic(), 0
        while (now_s := time.monotonic()) - started_s < self.seconds:
            due_s = started_s + index / float(self.rate)
            if self.live and now_s < due_s:
                time.sleep(due_s - now_s)
            # copied, as a real source makes a new array each time
            yield Frame(drawn[index % len(drawn)].copy(), index, time.monotonic(), index / self.rate)
            index += 1

    def stop(self) -> None:
        """Nothing to do: no frame is waited for."""


class _LatencySink:
    """Keeps how long each frame took from capture to result, in ms."""

    def __init__(self) -> None:
        self.latencies_ms: deque[float] = deque()

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a sink takes both
        self.latencies_ms.append(1000 * (time.monotonic() - frame.captured_at_s))


def loop_rate(
    stylizer: FrameStylizer, style: LoadedStyle, scene: TimedScene, sinks: Sequence[Sink] = (), *, steady: bool = False
) -> float:
    """Returns the frames per second of the loop.

    Args:
        stylizer: paints.
        style: what is painted with.
        scene: what is painted.
        sinks: what it is written into.
        steady: with the stabilizer at its default.
    """
    controls = Controls.of_one_style(style, DEFAULT_STEADINESS if steady else 0.0)
    return Player(scene, stylizer, controls, outputs=PlayerOutputs(sinks=sinks)).run().fps


def recording_rate(stylizer: FrameStylizer, style: LoadedStyle, scene: TimedScene, folder: Path) -> float:
    """Returns the frames per second of the loop with a recording into a folder."""
    track = VideoTrack(scene.size, SCENE_RATE, 1 / SCENE_RATE)
    with (
        FileRecorder(folder / "bench.mp4", track, encoding=Encoding(low_latency=True)) as recorder,
        SinkQueue(recorder, "recorder", QueuePolicy(lossless=True, essential=True)) as queue,
    ):
        return loop_rate(stylizer, style, scene, (queue,))


def live_latencies_ms(
    stylizer: FrameStylizer, style: LoadedStyle, scene: TimedScene, *, steady: bool = False
) -> tuple[Sequence[float], float]:
    """Returns how long frames took from capture to result, in ms, in ascending order, and how many a second there were.

    Args:
        stylizer: paints.
        style: what is painted with.
        scene: a live one.
        steady: with the stabilizer at its default.
    """
    sink = _LatencySink()
    rate = loop_rate(stylizer, style, scene, (sink,), steady=steady)
    return sorted(sink.latencies_ms), rate


@contextmanager
def spinning_process() -> Iterator[None]:
    """Keeps one core busy with another program."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()
