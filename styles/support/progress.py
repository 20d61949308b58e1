"""How far a long computation is, for the eye: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_EVERY_STEPS = 100

Report = Callable[[int, float, Mapping[str, float]], None]


@contextlib.contextmanager
def progress_display(unit: str = "step") -> Iterator[Report]:
    """Gives `report(step, fraction, figures)`, to be called after every step; `fraction` is what is done, 0..1."""
    clock = _Clock()
    if not sys.stderr.isatty():
        yield lambda step, fraction, figures: _line(unit, step, fraction, figures, clock)
        return
    columns = BarColumn(), TextColumn("{task.percentage:3.0f} % {task.description}")
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, fraction, figures: bar.update(
            task, completed=fraction, description=_text(unit, step, figures, clock.read(step, fraction))
        )


class _Clock:
    """Speed and time left, measured from the first report of this run (a resumed one does not begin at 0)."""

    def __init__(self) -> None:
        self.first: tuple[float, int, float] | None = None

    def read(self, step: int, fraction: float) -> tuple[float, float] | None:
        """Returns steps per second and the seconds left, or None as long as nothing can be said."""
        now_s = time.monotonic()
        if self.first is None:
            self.first = now_s, step, fraction
        start_s, first_step, first_fraction = self.first
        elapsed_s = now_s - start_s
        if elapsed_s <= 0 or fraction <= first_fraction:
            return None
        return (step - first_step) / elapsed_s, elapsed_s * (1 - fraction) / (fraction - first_fraction)


def _line(unit: str, step: int, fraction: float, figures: Mapping[str, float], clock: _Clock) -> None:
    pace = clock.read(step, fraction)
    if step % LINE_EVERY_STEPS == 0 or fraction >= 1:
        sys.stderr.write(f"{100 * fraction:3.0f} % {_text(unit, step, figures, pace)}\n")
        sys.stderr.flush()


def _text(unit: str, step: int, figures: Mapping[str, float], pace: tuple[float, float] | None) -> str:
    parts = [f"{unit} {step}"]
    if pace is not None:
        parts += [f"{pace[0]:.3g} {unit}s/s", f"{timedelta(seconds=round(pace[1]))} left"]
    parts += [f"{name} {value:.4g}" for name, value in figures.items()]
    return "  ".join(parts)
