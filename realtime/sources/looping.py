"""A file played over and over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.frames import Frame, fitted
from realtime.sources.base import Replacing, Source


class Looping(Replacing):
    """A file that begins again where it ends: the indices and times of its frames go on.

    open_again: opens the file anew; what was open is closed before. `zero_s`: where the 0 of the file's own clock lies,
    in the round that is played. It ends only where a round has no pictures at all. Raises what `open_again` raises.
    """

    live = False
    frame_count: int | None = None

    def __init__(self, source: Source, open_again: Callable[[], Source]) -> None:
        super().__init__(source)
        self.name, self.size, self.rate, self.time_base = source.name, source.size, source.rate, source.time_base
        self.sound, self.presentation, self.notes = source.sound, source.presentation, source.notes
        self.zero_s = Fraction(0)
        self._open_again = open_again

    def frames(self) -> Iterator[Frame]:
        index = 0
        while (source := self._source) is not None:
            # many a file's clock does not begin at 0, but the next round begins where this one ends
            first_s = ends_at_s = None
            for frame in source.frames():
                time_s = frame.index / self.rate if frame.time is None else frame.time
                first_s = time_s if first_s is None else first_s
                ends_at_s = self.zero_s + time_s + (frame.duration or 1 / self.rate)
                yield replace(frame, pixels=fitted(frame.pixels, self.size), index=index, time=self.zero_s + time_s)
                index += 1
            self.shortfall = source.shortfall or self.shortfall
            self.close()
            if first_s is None or ends_at_s is None or self._stopped.is_set():
                return
            self.zero_s, self._source = ends_at_s - first_s, self._open_again()
            if self._stopped.is_set():
                # nobody waited for it
                self.close()
