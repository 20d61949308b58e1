"""How fast the net, the whole loop and its peers are here.

Contenders run in rounds, in turn; the median over the rounds is reported with its spread, and ratios are taken within
a round.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from realtime.backends import Painter, choose_backend
from realtime.bench.files import file_rate
from realtime.bench.loop import (
    TimedScene,
    live_latencies_ms,
    loop_rate,
    recording_rate,
    scene_frames,
    spinning_process,
)
from realtime.bench.peers import PEERS, PeerUnavailableError
from realtime.bench.rounds import Contender, Rate, interleave, median_ratio, rate_of, settled
from realtime.frames import Size
from realtime.media.encoders import Encoding
from realtime.sources.scene import SCENE_RATE
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import padded_size
from realtime.stylize.styles import load_styles, network_for
from realtime.stylize.stylizer import FrameStylizer

_BARE, _LOOP, _STEADY = "bare net", "loop, null sink", "loop, steady"
_MIN_LIVE_S = 3.0


@dataclass(frozen=True)
class BenchPlan:
    """What is measured.

    Args:
        style: a style by name, or a file.
        net: which net paints, or "auto".
        backend: what runs it, or "auto".
        sizes: width and height to measure at, of each a report.
        file: a video file that is also painted from end to end; None for none.
        rounds: how often each contender runs.
        seconds: how long it runs in each round.
        against: names in PEERS.
        first_frame_s: returns the seconds from the start of the command to its first painted frame, at a size.
    """

    style: str
    net: str
    backend: str
    sizes: Sequence[Size]
    file: Path | None
    rounds: int
    seconds: float
    against: Sequence[str]
    first_frame_s: Callable[[Size], float]


@dataclass(frozen=True)
class Report:
    """Everything measured at one size.

    Args:
        size: width and height.
        backend: its description.
        style: its name.
        rates: of the contenders, by name.
        steady_cost: the share of the frame rate that --steady costs at its default, in the median of the rounds.
        live_rate: the rate at which latencies were measured, in frames per second.
        latency_ms: from capture to result, by percentile.
        busy_latency_ms: the same with the stabilizer, beside a program that keeps one core busy.
        busy_rate: how many frames a second were painted meanwhile.
        first_frame_s: from the start of the command to its first painted frame.
        peak_memory_mb: of this process.
        failed: why peers could not be measured, by name.
    """

    size: Size
    backend: str
    style: str
    rates: Mapping[str, Rate]
    steady_cost: float
    live_rate: float
    latency_ms: Mapping[str, float]
    busy_latency_ms: Mapping[str, float]
    busy_rate: float
    first_frame_s: float
    peak_memory_mb: float
    failed: Mapping[str, str] = field(default_factory=dict)


def measure(plan: BenchPlan) -> Iterator[Report]:
    """Yields a report for each size.

    Raises:
        BackendUnavailableError: the backend cannot run here.
        UnknownStyleError: there is no such style or net.
    """
    choice = choose_backend(plan.backend)
    styles, chosen = load_styles(plan.style, network_for(plan.net, choice.backend.name))
    for size in plan.sizes:
        with FrameStylizer(choice.backend) as stylizer:
            yield _measure(stylizer, styles[chosen], size, plan)


def machine() -> dict[str, str]:
    """Returns what belongs beside a figure: processor, cores, system, versions."""
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


def _measure(stylizer: FrameStylizer, style: LoadedStyle, size: Size, plan: BenchPlan) -> Report:
    first_frame_s = plan.first_frame_s(size)
    painter = settled(stylizer.painter(style.net, size))
    with ExitStack() as stack:
        contenders = _contenders(stylizer, style, size, stack)
        if plan.file is not None:
            for_files = stack.enter_context(FrameStylizer(stylizer.backend.for_files()))
            contenders |= _file_contenders(for_files, style, plan.file, size)
        peers, failed = _peers(plan.against, style, size, stack)
        runs = interleave(contenders | peers, plan.rounds, plan.seconds)
    # as long as all rounds of a contender: the 99th percentile of few frames is the slowest of them
    live = TimedScene(size, max(_MIN_LIVE_S, plan.rounds * plan.seconds), live=True)
    latencies, _ = live_latencies_ms(stylizer, style, live)
    with spinning_process():
        busy_latencies, busy_rate = live_latencies_ms(stylizer, style, live, steady=True)
    return Report(
        size=size,
        backend=painter.description,
        style=style.name,
        rates={name: rate_of(those, runs[_BARE]) for name, those in runs.items()},
        steady_cost=1 - median_ratio(runs[_STEADY], runs[_LOOP]),
        live_rate=float(SCENE_RATE),
        latency_ms=_percentiles(latencies),
        busy_latency_ms=_percentiles(busy_latencies),
        busy_rate=busy_rate,
        first_frame_s=first_frame_s,
        peak_memory_mb=_peak_memory_mb(),
        failed=failed,
    )


def _contenders(stylizer: FrameStylizer, style: LoadedStyle, size: Size, stack: ExitStack) -> dict[str, Contender]:
    """Returns the bare net, and the loop without sinks, with the stabilizer, and with a recording."""
    painter = stylizer.painter(style.net, size)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return {
        _BARE: lambda seconds: _bare_rate(painter, style, size, seconds),
        _LOOP: lambda seconds: loop_rate(stylizer, style, TimedScene(size, seconds)),
        _STEADY: lambda seconds: loop_rate(stylizer, style, TimedScene(size, seconds), steady=True),
        "loop, recording": lambda seconds: recording_rate(stylizer, style, TimedScene(size, seconds), folder),
    }


def _file_contenders(stylizer: FrameStylizer, style: LoadedStyle, path: Path, size: Size) -> dict[str, Contender]:
    """Returns the net as it is loaded for files, and files painted with it: not written, and written into a file."""
    painter = stylizer.painter(style.net, size)
    return {
        "bare net for files": lambda seconds: _bare_rate(painter, style, size, seconds),
        "file, null encoder": lambda seconds: file_rate(stylizer, style, path, seconds, None),
        "file into a file": lambda seconds: file_rate(stylizer, style, path, seconds, Encoding()),
    }


def _peers(
    names: Sequence[str], style: LoadedStyle, size: Size, stack: ExitStack
) -> tuple[dict[str, Contender], dict[str, str]]:
    """Returns the peers by name, and why the others cannot run."""
    contenders: dict[str, Contender] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            peer = stack.enter_context(PEERS[name](style.net, size))
        except PeerUnavailableError as exc:
            failed[name] = str(exc)
        else:
            contenders[name] = _bare_contender(peer, style, size)
    return contenders, failed


def _bare_contender(painter: Painter, style: LoadedStyle, size: Size) -> Contender:
    return lambda seconds: _bare_rate(painter, style, size, seconds)


def _bare_rate(painter: Painter, style: LoadedStyle, size: Size, seconds: float) -> float:
    """Calls the painter in a loop, with as many frames in flight as it takes, on frames that are drawn already."""
    drawn = scene_frames(padded_size(style.net, size))
    done, in_flight = 0, 0
    started_s = time.monotonic()
    while time.monotonic() - started_s < seconds:
        while in_flight < painter.depth:
            painter.start(drawn[(done + in_flight) % len(drawn)], style.vector)
            in_flight += 1
        painter.finish()
        in_flight -= 1
        done += 1
    elapsed_s = time.monotonic() - started_s
    for _ in range(in_flight):
        painter.finish()
    return done / elapsed_s


def _percentiles(ordered: Sequence[float]) -> dict[str, float]:
    return {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 95, 99)}


def _peak_memory_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows has no such count
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
