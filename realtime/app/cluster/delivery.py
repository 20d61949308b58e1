"""Takes a part of a film while it is painted, and passes on how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

from realtime.app.cluster.orders import Item, Painted, SegmentDone
from realtime.queues import Stopping
from realtime.sinks.parts import PartReport
from realtime.sources.base import Span

_REPORT_EVERY_S = 1.0


class Delivery:
    """Takes a part while it is painted, and passes on how far it is.

    Args:
        put: takes what is passed on.
        stopping: checked with each frame.
        part: what is painted; None for a file in one go.
    """

    def __init__(self, put: Callable[[Item], None], stopping: Stopping, part: Span | None) -> None:
        self.span = part or Span()
        self.report: PartReport | None = None
        self.put, self._stopping = put, stopping
        self._painter = ""
        self._reported_at_s = time.monotonic()

    def begin(self, painter: str) -> None:
        self._painter = painter

    def keep(self, packed: bytes) -> None:
        self.put(SegmentDone(packed))

    def finish(self, segments: int, frames: int, ends_s: Fraction) -> None:
        self.report = PartReport(segments, frames, float(ends_s), self._painter)

    @contextmanager
    def bar(self, _name: str, _total: int | None) -> Iterator[Callable[[float], None]]:
        """Yields what takes the number of frames that are done."""

        def report(done: float) -> None:
            self.check()
            if time.monotonic() - self._reported_at_s >= _REPORT_EVERY_S:
                self._reported_at_s = time.monotonic()
                self.put(Painted(int(done)))

        yield report

    def check(self) -> None:
        """Raises StoppedError if nobody waits for the part any more."""
        self._stopping.check()
