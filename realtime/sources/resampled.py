"""A file at another frame rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.frames import Frame
from realtime.sources.base import Source, Wrapper


class Resampled(Wrapper):
    """A source at another rate: frames are repeated or left out, so that it keeps its speed.

    Args:
        source: a source that is not live.
        rate: frames per second.
    """

    def __init__(self, source: Source, rate: Fraction) -> None:
        count = source.info.frame_count
        frame_count = None if count is None else math.ceil(count * rate / source.rate)
        super().__init__(
            source, replace(source.info, rate=rate, time_base=1 / rate, frame_count=frame_count, seeks=False)
        )

    def frames(self) -> Iterator[Frame]:
        """Yields frames whose timestamps are multiples of 1 / rate."""
        index, first_tick = 0, 0
        began_s: Fraction | None = None
        shown: Frame | None = None
        ends_s = Fraction(0)
        # a file's clock rounds, and so does its beginning
        rounding_s = min(2 * self._inner.info.time_base, 1 / (4 * self.rate))
        for frame in self._inner.frames():
            at_s = frame.time if frame.time is not None else frame.index / self._inner.rate
            if began_s is None:
                # a file's clock may begin at any time, and its audio keeps to that clock
                began_s, first_tick = at_s, round(at_s * self.rate)
            # a frame is shown until the next one is due, so it stands for every tick before that
            while shown is not None and index / self.rate < at_s - began_s - rounding_s:
                yield Frame(shown.pixels, index, shown.captured_at_s, (first_tick + index) / self.rate)
                index += 1
            shown, ends_s = frame, at_s - began_s + (frame.duration or 1 / self._inner.rate)
        while shown is not None and index / self.rate < ends_s - rounding_s:
            yield Frame(shown.pixels, index, shown.captured_at_s, (first_tick + index) / self.rate)
            index += 1
