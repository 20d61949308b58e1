"""What long work tells the terminal: one line at a time, or a bar with frames, rate and time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


def tell(line: str, stream: TextIO | None = None) -> None:
    """Writes a line for the person at the terminal; to stderr, unless it is what was asked for."""
    print(line, file=stream or sys.stderr, flush=True)


class _FpsColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} fps")


@contextmanager
def progress_bar(name: str, total: int | None) -> Iterator[Callable[[int], None] | None]:
    """Yields what is to be called with the number of frames done; None where no terminal would show it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _FpsColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda done: progress.update(task, completed=done)
