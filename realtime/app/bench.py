"""The command `nst-live bench`: its options, and its reports for people and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from realtime.app.options.settings import bare_environment
from realtime.app.options.table import BACKEND, NET, STYLE
from realtime.bench.files import size_of
from realtime.bench.measure import BenchPlan, Report, machine, measure
from realtime.bench.peers import PEERS
from realtime.frames import Size
from realtime.session import DEFAULT_STEADINESS
from realtime.sources.camera import DEFAULT_CAMERA_SIZE
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.readers import parse_count, parse_positive_number, parse_size
from styles.support.terminal import print_line


@dataclass(frozen=True)
class BenchOptions:
    """The options of `nst-live bench`."""

    style: str = option(STYLE)
    net: str = option(NET)
    backend: str = option(BACKEND)
    size: tuple[Size, ...] = option(
        Option(
            "sizes to measure at",
            Kind.VALUES,
            read=parse_size,
            default=(DEFAULT_CAMERA_SIZE,),
            default_text="640x480",
            metavar="WxH",
            one_of="what",
        )
    )
    input: Path | None = option(
        Option(
            "measure at the size of a video file, and paint the file from end to end",
            read=Path,
            metavar="FILE",
            short="-i",
            one_of="what",
        )
    )
    rounds: int = option(Option("how often each contender runs in turn", read=parse_count, default=5, metavar="N"))
    seconds: float = option(
        Option("how long it runs in each round", read=parse_positive_number, default=2.0, metavar="S")
    )
    against: tuple[str, ...] = option(
        Option(
            f"other ways to run a net: {', '.join(PEERS)}",
            Kind.VALUES,
            default=(),
            metavar="PEER",
            choices=tuple(PEERS),
        )
    )
    json: Path | None = option(Option("write everything measured into FILE", read=Path, metavar="FILE"))


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    options = read_options(BenchOptions, bench_parser().typed(argv))
    reports = []
    for report in measure(_plan(options)):
        reports.append(report)
        _print(report)
    if options.json:
        content = {
            "machine": machine(),
            "command": " ".join(["nst-live bench", *argv]),
            "reports": [asdict(report) for report in reports],
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def bench_parser() -> CommandParser:
    """Returns what parses the command line of `nst-live bench`."""
    return build_parser(
        {"": BenchOptions}, prog="nst-live bench", description="Measure the net, the whole loop and its peers."
    )


def _plan(options: BenchOptions) -> BenchPlan:
    return BenchPlan(
        style=options.style,
        net=options.net,
        backend=options.backend,
        sizes=options.size if options.input is None else (size_of(options.input),),
        file=options.input,
        rounds=options.rounds,
        seconds=options.seconds,
        against=options.against,
        first_frame_s=lambda size: _first_frame_s(options, size),
    )


def _first_frame_s(options: BenchOptions, size: Size) -> float:
    """Times the whole command from its start to its first painted frame, in a process of its own."""
    command = [sys.executable, "-m", "realtime.app.main", "-i", "test", "--frames", "1", "--no-window"]
    command += ["--size", f"{size[0]}x{size[1]}", "--style", options.style]
    command += ["--net", options.net, "--backend", options.backend]
    with tempfile.TemporaryDirectory() as folder:
        # somebody's own settings, e.g. an output or a stream, must not be measured
        settings = Path(folder) / "none.toml"
        settings.touch()
        started_s = time.monotonic()
        subprocess.run([*command, "--config", settings], check=True, stderr=subprocess.DEVNULL, env=bare_environment())
        return time.monotonic() - started_s


def _print(report: Report) -> None:
    table = Table(title=f"{report.size[0]}x{report.size[1]}, {report.style}, {report.backend}", title_justify="left")
    for heading in ("", "fps", "lowest … highest", "of bare net", "CPU ms/frame"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for name, rate in report.rates.items():
        spread = f"{rate.lowest:.1f} … {rate.highest:.1f}"
        table.add_row(name, f"{rate.median:.1f}", spread, f"{rate.of_bare:.2f}", f"{rate.cpu_ms:.1f}")
    Console().print(table)
    lines = (
        f"capture to result at {report.live_rate:g} fps: {_text_of(report.latency_ms)}",
        f"with --steady, beside a program that keeps one core busy: {_text_of(report.busy_latency_ms)}, "
        f"{report.busy_rate:.1f} fps",
        f"--steady {DEFAULT_STEADINESS:g} takes {100 * report.steady_cost:.0f} % of the frame rate",
        f"first painted frame {report.first_frame_s:.2f} s after the command",
        f"peak memory of this process {report.peak_memory_mb:.0f} MB",
        *(f"{name}: {reason}" for name, reason in report.failed.items()),
    )
    for line in lines:
        print_line(line, sys.stdout)


def _text_of(latency_ms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in latency_ms.items()) + " ms"
