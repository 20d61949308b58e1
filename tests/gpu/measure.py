"""How fast a painter is: frames per second with its slots full, and the time from a frame's start to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from realtime.backends import Painter, Vector
from realtime.frames import Pixels


@dataclass(frozen=True)
class Speed:
    """Medians over the rounds of a measurement."""

    frame_ms: float
    latency_ms: float

    @property
    def frames_per_s(self) -> float:
        return 1000 / self.frame_ms


def frame_ms(painter: Painter, frame: Pixels, style: Vector | None, count: int) -> float:
    """Returns the milliseconds per frame of `count` frames, with as many in flight as the painter takes."""
    begin = time.perf_counter()
    for number in range(count):
        if number >= painter.depth:
            painter.finish()
        painter.start(frame, style)
    for _ in range(min(count, painter.depth)):
        painter.finish()
    return (time.perf_counter() - begin) * 1000 / count


def latency_ms(painter: Painter, frame: Pixels, style: Vector | None, count: int) -> float:
    """Returns the median of the milliseconds from start to result, one frame at a time."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        painter.start(frame, style)
        painter.finish()
        times.append((time.perf_counter() - begin) * 1000)
    return median(times)


def measure_painters(
    painters: Mapping[str, Painter], frame: Pixels, style: Vector | None, *, rounds: int, count: int
) -> dict[str, Speed]:
    """Returns the speed of each, taken in turns: what slows the machine down meanwhile slows all of them down."""
    for painter in painters.values():
        frame_ms(painter, frame, style, count)  # warms up
    frame_times: dict[str, list[float]] = {name: [] for name in painters}
    latencies: dict[str, list[float]] = {name: [] for name in painters}
    for _ in range(rounds):
        for name, painter in painters.items():
            frame_times[name].append(frame_ms(painter, frame, style, count))
            latencies[name].append(latency_ms(painter, frame, style, max(3, count // 5)))
    return {name: Speed(median(frame_times[name]), median(latencies[name])) for name in painters}


def compute_ms(
    runs: Mapping[str, tuple[Callable[[], None], Callable[[], None]]], *, rounds: int, count: int
) -> dict[str, float]:
    """Returns the milliseconds per frame of each (launch, synchronize) with all data on the GPU, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, (launch, synchronize) in runs.items():
            synchronize()
            begin = time.perf_counter()
            for _ in range(count):
                launch()
            synchronize()
            if number:  # the first round warms up
                times[name].append((time.perf_counter() - begin) * 1000 / count)
    return {name: median(values) for name, values in times.items()}
