"""A file played over and over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.frames import Frame
from realtime.sources.source import Closing, Source


class Looped(Closing):
    """A file that begins again where it ends, and never does: indices and times of its frames go on.

    open_again: opens the file anew; the source is closed before. `begins_at_s`: when its beginning came last.
    """

    live = False
    frame_count: int | None = None

    def __init__(self, source: Source, open_again: Callable[[], Source]) -> None:
        self.name, self.size, self.rate, self.time_base = source.name, source.size, source.rate, source.time_base
        self.sound, self.presentation, self.notes = source.sound, source.presentation, source.notes
        self.begins_at_s = Fraction(0)
        self._source, self._open_again = source, open_again

    def frames(self) -> Iterator[Frame]:
        index = 0
        while True:
            ends_at_s = self.begins_at_s
            for frame in self._source.frames():
                at_s = self.begins_at_s + (frame.index / self.rate if frame.time is None else frame.time)
                ends_at_s = max(ends_at_s, at_s + (frame.duration or 1 / self.rate))
                yield replace(frame, index=index, time=at_s)
                index += 1
            self.shortfall = self._source.shortfall
            if ends_at_s == self.begins_at_s:
                return
            self._source.__exit__(None, None, None)
            self._source, self.begins_at_s = self._open_again(), ends_at_s

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.__exit__(None, None, None)
