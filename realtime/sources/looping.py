"""A file that is played over and over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.frames import Frame, letterboxed
from realtime.sources.base import ReplacingWrapper, Source


class Looping(ReplacingWrapper):
    """A file that begins again when it ends; indices and timestamps of its frames go on.

    It ends only if a round has no frames at all.

    Args:
        source: the file, open.
        open_again: opens the file again, for each further round; what it raises is raised by `frames`.
    """

    def __init__(self, source: Source, open_again: Callable[[], Source]) -> None:
        super().__init__(source, replace(source.info, frame_count=None, endless=True))
        self._open_again = open_again
        self._shortfall: str | None = None
        self._round_begins_s = Fraction(0)

    @property
    def shortfall(self) -> str | None:
        return self._shortfall

    @property
    def clip_begins_s(self) -> Fraction:
        return self._round_begins_s

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of all rounds."""
        index = 0
        while (source := self._inner) is not None:
            # a file's clock may begin at any time, but each further round begins where the last one ended
            first_s = ends_at_s = None
            for frame in source.frames():
                time_s = frame.index / self.rate if frame.time is None else frame.time
                first_s = time_s if first_s is None else first_s
                shown_at_s = self._round_begins_s + time_s
                ends_at_s = shown_at_s + (frame.duration or 1 / self.rate)
                yield replace(frame, pixels=letterboxed(frame.pixels, self.size), index=index, time=shown_at_s)
                index += 1
            self._shortfall = source.shortfall or self._shortfall
            self.close()
            if first_s is None or ends_at_s is None or self._stopped.is_set():
                return
            self._round_begins_s, self._inner = ends_at_s - first_s, self._open_again()
            if self._stopped.is_set():
                # `stop` came while it was being opened, and so did not reach it
                self.close()
