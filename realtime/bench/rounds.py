"""Contenders that run in turn, A B C A B C …, so that noise hits all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from realtime.backends import Painter
from realtime.backends.slots import SlotPainter

Contender = Callable[[float], float]
"""Runs for about the given number of seconds and returns the frames per second."""

_WARM_UP_S = 0.3


@dataclass(frozen=True)
class Run:
    """What one contender did in one round.

    Args:
        fps: frames per second.
        cpu_ms: the processor time of a frame, of all cores together, in ms.
    """

    fps: float
    cpu_ms: float


@dataclass(frozen=True)
class Rate:
    """What one contender did in all rounds.

    Args:
        median: frames per second.
        lowest: frames per second.
        highest: frames per second.
        of_bare: the median of the ratio to the bare net within each round.
        cpu_ms: the processor time of a frame, of all cores together, in ms, in the median. On a busy machine it says
            more than the rates: if the cores are the limit, the rates are to each other as these are.
    """

    median: float
    lowest: float
    highest: float
    of_bare: float
    cpu_ms: float


def interleave(contenders: Mapping[str, Contender], rounds: int, seconds: float) -> dict[str, list[Run]]:
    """Returns what each contender did in each round.

    Args:
        contenders: by name; each is warmed up once.
        rounds: how often each runs.
        seconds: how long each runs in a round.
    """
    for contender in contenders.values():
        contender(min(_WARM_UP_S, seconds))
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(_timed(contender, seconds))
    return runs


def settled(painter: Painter) -> Painter:
    """Returns a painter that paints as fast as it will: some are made faster while they paint."""
    if isinstance(painter, SlotPainter):
        painter.settle()
    return painter


def rate_of(runs: Sequence[Run], bare: Sequence[Run]) -> Rate:
    """Returns what a contender did in all rounds, beside the bare net."""
    fps = [run.fps for run in runs]
    cpu_ms = statistics.median(run.cpu_ms for run in runs)
    return Rate(statistics.median(fps), min(fps), max(fps), median_ratio(runs, bare), cpu_ms)


def median_ratio(runs: Sequence[Run], others: Sequence[Run]) -> float:
    """Returns the median of the ratio of two contenders' frame rates within each round."""
    return statistics.median(run.fps / other.fps for run, other in zip(runs, others, strict=True))


def _timed(contender: Contender, seconds: float) -> Run:
    began_s, used_s = time.monotonic(), time.process_time()
    fps = contender(seconds)
    frames = fps * (time.monotonic() - began_s)
    return Run(fps, 1000 * (time.process_time() - used_s) / frames if frames else math.nan)
