"""How far long work is: bars on a terminal, and plain lines or nothing in a log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from styles.support.terminal import print_line, printable

LINE_EVERY_STEPS = 100
# Names of files are among the descriptions, and their brackets are no markup.
_DESCRIPTION = TextColumn("{task.description}", markup=False)

# Takes the step, what is done from 0 to 1, and figures by name.
Report = Callable[[int, float, Mapping[str, float]], None]
# Returns what stands in the line of a bar.
Columns = Callable[[], tuple[ProgressColumn, ...]]


class BarReport(Protocol):
    """Takes how much is done, of the total of its bar; and what is being done now, if that changes."""

    def __call__(self, done: float, name: str | None = None) -> None: ...


class _SpeedColumn(ProgressColumn):
    """Frames per second, or files per minute; nothing for other units."""

    def render(self, task: Task) -> Text:
        speed = task.speed or 0
        return Text({"files": f"{60 * speed:.1f}/min", "frames": f"{speed:.1f} fps"}.get(task.fields["unit"], ""))


def _counted() -> tuple[ProgressColumn, ...]:
    eta = TextColumn("ETA"), TimeRemainingColumn()
    return _DESCRIPTION, BarColumn(), MofNCompleteColumn(), _SpeedColumn(), *eta


def _percent() -> tuple[ProgressColumn, ...]:
    return _DESCRIPTION, BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn()


def _steps() -> tuple[ProgressColumn, ...]:
    return BarColumn(), TextColumn("{task.percentage:3.0f} % {task.description}", markup=False)


class Bars:
    """Bars on stderr, one for each task that runs; nothing without a terminal.

    Args:
        progress: draws them; None for nothing.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    @property
    def shown(self) -> bool:
        """Whether there is a terminal that shows them."""
        return self._progress is not None

    @contextmanager
    def task(self, name: str, total: float | None, unit: str = "", *, remove: bool = False) -> Iterator[BarReport]:
        """Shows a bar, and yields `report(done, name=…)`.

        Args:
            name: what is done.
            total: when it is done; None if nobody knows.
            unit: "frames" and "files" show their speed.
            remove: take the bar away at the end of the block, and not only with all others.
        """
        progress = self._progress
        if progress is None:
            yield _report_nothing
            return
        task = progress.add_task(printable(name), total=total, unit=unit)

        def report(done: float, name: str | None = None) -> None:
            progress.update(task, completed=done, description=name and printable(name))

        try:
            yield report
        finally:
            if remove:
                progress.remove_task(task)


@contextmanager
def open_bars(columns: Columns = _counted, *, transient: bool = True) -> Iterator[Bars]:
    """Opens the terminal for bars.

    Args:
        columns: what stands in a line.
        transient: take all bars away at the end.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Bars(None)
        return
    with Progress(*columns(), console=console, transient=transient) as progress:
        yield Bars(progress)


@contextmanager
def progress_bar(name: str, total: float | None, unit: str = "frames") -> Iterator[BarReport | None]:
    """Yields `report(done)`, to be called with how much is done; None if no terminal shows it.

    Args:
        name: what is done.
        total: when it is done; None if nobody knows.
        unit: of both; "frames" and "files" show their speed.
    """
    with open_bars() as bars, bars.task(name, total, unit) as report:
        yield report if bars.shown else None


@contextmanager
def percent_bar(name: str) -> Iterator[BarReport]:
    """Yields `report(share, name=…)`, to be called with what is done, from 0 to 1, and what is being done now."""
    with open_bars(_percent) as bars, bars.task(name, 1.0) as report:
        yield report


@contextmanager
def progress_display(unit: str = "step", line_every_s: float = math.inf) -> Iterator[Report]:
    """Yields `report(step, fraction, figures)`, to be called after every step.

    `fraction` is what is done, 0..1, and 0 if nobody knows. Without a terminal it prints a line every LINE_EVERY_STEPS
    steps.

    Args:
        unit: what a step is called.
        line_every_s: print lines at least this often, in seconds.
    """
    clock, printed_at_s = _Clock(), time.monotonic()
    with open_bars(_steps, transient=False) as bars, bars.task("", 1.0) as show:

        def report(step: int, fraction: float, figures: Mapping[str, float]) -> None:
            nonlocal printed_at_s
            text = _step_text(unit, step, figures, *clock.read(step, fraction))
            late = time.monotonic() - printed_at_s >= line_every_s
            if bars.shown:
                show(fraction, text)
            elif step % LINE_EVERY_STEPS == 0 or fraction >= 1 or late:
                print_line(f"{100 * fraction:3.0f} % {text}" if fraction else text)
                printed_at_s = time.monotonic()

        yield report


def _report_nothing(done: float, name: str | None = None) -> None: ...


class _Clock:
    """Speed and time left, measured from the first report of this run: a resumed one does not begin at 0."""

    def __init__(self) -> None:
        self.first: tuple[float, int, float] | None = None

    def read(self, step: int, fraction: float) -> tuple[float | None, float | None]:
        """Returns steps per second and the seconds left, each None as long as it is unknown."""
        now_s = time.monotonic()
        if self.first is None:
            self.first = now_s, step, fraction
        start_s, first_step, first_fraction = self.first
        elapsed_s = now_s - start_s
        if elapsed_s <= 0 or step <= first_step:
            return None, None
        speed = (step - first_step) / elapsed_s
        if fraction <= first_fraction:
            return speed, None
        return speed, elapsed_s * (1 - fraction) / (fraction - first_fraction)


def _step_text(unit: str, step: int, figures: Mapping[str, float], speed: float | None, left_s: float | None) -> str:
    parts = [f"{unit} {step}"]
    if speed is not None:
        parts.append(f"{speed:.3g} {unit}s/s")
    if left_s is not None:
        parts.append(f"{timedelta(seconds=round(left_s))} left")
    parts += [f"{name} {value:.4g}" for name, value in figures.items()]
    return "  ".join(parts)
