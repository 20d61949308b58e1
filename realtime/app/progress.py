"""What long work tells the terminal: one line at a time, or a bar with frames, rate and time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from realtime.queues import Stopping


def tell(line: str, stream: TextIO | None = None) -> None:
    """Writes a line for the person at the terminal; to stderr, unless it is what was asked for."""
    print(line, file=stream or sys.stderr, flush=True)


class _SpeedColumn(ProgressColumn):
    """How fast it goes: frames in a second, or files in a minute; of a single picture nothing."""

    def render(self, task: Task) -> Text:
        speed = task.speed or 0
        return Text({"files": f"{60 * speed:.1f}/min", "frames": f"{speed:.1f} fps"}.get(task.fields["unit"], ""))


Report = Callable[[int], None]


@contextmanager
def progress_bar(name: str, total: int | None, unit: str = "frames") -> Iterator[Report | None]:
    """Yields what is to be called with the number of frames (or percent …) done; None where no terminal shows it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(*_columns(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=total, unit=unit)
        yield lambda done: progress.update(task, completed=done)


class FilesBar:
    """A bar for all files of a job and one for each that is being painted; without a terminal, a line for each file."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._done, self._progress = total, 0, progress
        self._all = None if progress is None else progress.add_task("files", total=total, unit="files")

    def finished(self, line: str) -> None:
        """One more file is done."""
        self._done += 1
        if self._progress is None or self._all is None:
            tell(f"{self._done} of {self._total}: {line}")
        else:
            self._progress.update(self._all, completed=self._done)

    @contextmanager
    def file(self, name: str, total: int | None, stopping: Stopping, unit: str = "frames") -> Iterator[Report]:
        """Yields what takes how much of this file is done; it raises StoppedError when all is to stop."""
        progress = self._progress
        task = None if progress is None else progress.add_task(name, total=total, unit=unit)

        def report(done: int) -> None:
            stopping.check()
            if progress is not None and task is not None:
                progress.update(task, completed=done)

        try:
            yield report
        finally:
            if progress is not None and task is not None:
                progress.remove_task(task)


@contextmanager
def files_bar(total: int) -> Iterator[FilesBar]:
    """Yields the bars of a job of so many files."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield FilesBar(total, None)
        return
    with Progress(*_columns(), console=console, transient=True) as progress:
        yield FilesBar(total, progress)


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _SpeedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
