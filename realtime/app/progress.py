"""The bars of several files: one for all of them, and one for each that is being painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from realtime.queues import Stopping
from styles.support.progress import BarReport, Bars, open_bars
from styles.support.terminal import print_line

# Takes how much of one input is done, e.g. the number of frames.
Report = Callable[[float], None]


class FilesBar:
    """The bar of all files, and those of single files; without a terminal it prints a line for each file.

    Args:
        total: the number of files.
        bars: the bars on the terminal.
        report: takes the number of files that are done.
    """

    def __init__(self, total: int, bars: Bars, report: BarReport) -> None:
        self._total, self._bars, self._report = total, bars, report
        self._done = 0

    def finished(self, line: str) -> None:
        """Notes that one more file is done."""
        self._done += 1
        if self._bars.shown:
            self._report(self._done)
        else:
            print_line(f"{self._done} of {self._total}: {line}")

    @contextmanager
    def file(self, name: str, total: float | None, stopping: Stopping, unit: str = "frames") -> Iterator[Report]:
        """Yields what takes how much of a file is done; it raises StoppedError when all work is to stop."""
        with self._bars.task(name, total, unit, remove=True) as show:

            def report(done: float) -> None:
                stopping.check()
                show(done)

            yield report


@contextmanager
def files_bar(total: int) -> Iterator[FilesBar]:
    """Yields the bars of a job of `total` files."""
    with open_bars() as bars, bars.task("files", total, "files") as report:
        yield FilesBar(total, bars, report)
