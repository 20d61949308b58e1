"""How far a cluster is: one bar over all nodes; without a terminal, a line for each file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from styles.support.progress import BarReport, Bars, open_bars
from styles.support.terminal import print_line


class ClusterBar:
    """The bar of all files.

    Args:
        files: how many there are.
        bars: the bars on the terminal.
        report: takes the number of frames that are done.
    """

    def __init__(self, files: int, bars: Bars, report: BarReport) -> None:
        self._files, self._bars, self._report = files, bars, report
        self._done = self._failed = 0
        self._frames = 0
        self._nodes = 0
        self._began_s = time.monotonic()

    def show(self, frames: int, nodes: int) -> None:
        """Shows how many frames are done, and on how many nodes."""
        self._frames, self._nodes = frames, nodes
        self._report(frames, self._text())

    def finished(self, line: str, *, failed: bool) -> None:
        """Notes that one more file is done, or has failed."""
        self._done += 1
        self._failed += failed
        if not self._bars.shown:
            print_line(f"{self._done} of {self._files}: {line}")
        self._report(self._frames, self._text())

    def conclude(self, frames: int) -> None:
        """Prints how fast it was: so many frames were painted."""
        elapsed_s = max(time.monotonic() - self._began_s, 1e-3)
        print_line(f"{_counted(frames, 'frame')} on {_counted(self._nodes, 'node')}, {frames / elapsed_s:.1f} fps")

    def _text(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{_counted(self._nodes, 'node')}, {self._done} of {_counted(self._files, 'file')}{failed}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


@contextmanager
def cluster_bar(files: int, frames: int | None) -> Iterator[ClusterBar]:
    """Yields the bar of so many files; `frames` is how many there will be in all, None if nobody knows."""
    with open_bars() as bars, bars.task("starting", frames, "frames") as report:
        yield ClusterBar(files, bars, report)
