"""An animated WebP or PNG as a video: every frame once, for as long as it is shown."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from realtime.frames import Frame, Pixels, Presentation, Size
from realtime.media.animation import AnimationFrame, animation_info, read_animation
from realtime.media.color import scaled_aspect
from realtime.media.decoding import SourceError
from realtime.media.rates import clock_for, exact_rate
from realtime.sources.base import BaseSource, SourceInfo
from realtime.sources.video_file import ReadOptions

# WebP counts in milliseconds, PNG in fractions of a second that are rounded to them.
_TICK_S = Fraction(1, 1000)


@dataclass(frozen=True, eq=False)
class _Timed:
    """A frame of the animation, and when it is shown, in seconds of the requested part."""

    shown: AnimationFrame
    at_s: Fraction


class AnimatedImage(BaseSource):
    """An animated WebP or PNG, through Pillow.

    Args:
        path: the file.
        size: width and height to scale to; a sample aspect ratio makes players show the original shape. None for what
            `reading` says.
        reading: which part is read, and how large.

    Raises:
        SourceError: the file cannot be read.
    """

    def __init__(self, path: Path, size: Size | None = None, reading: ReadOptions = ReadOptions()) -> None:  # noqa: B008 - frozen
        self._path, self._reading = path, reading
        self._shortfall: str | None = None
        known = animation_info(path)
        self._promised = known.frame_count
        self._frames = self._requested()
        self._first = first = self._first_frame()
        shown_size = size or reading.fitted(known.size)
        rate = exact_rate(1 / first.shown.duration_s)
        transparent = first.shown.transparent
        super().__init__(
            SourceInfo(
                name=str(path),
                size=shown_size,
                rate=rate,
                time_base=clock_for(rate, _TICK_S),
                frame_count=known.frame_count if self._whole else None,
                presentation=Presentation(scaled_aspect(Fraction(1), known.size, shown_size)),
                notes=(f"{path} is partly transparent: its alpha channel is ignored",) if transparent else (),
            )
        )

    @property
    def shortfall(self) -> str | None:
        return self._shortfall

    def frames(self) -> Iterator[Frame]:
        """Yields the requested frames, up to the first that cannot be decoded, which is reported by `shortfall`."""
        for index, frame in enumerate(chain([self._first], self._frames)):
            shown = frame.shown
            yield Frame(self._scaled(shown.pixels), index, time.monotonic(), frame.at_s, shown.duration_s)

    def close(self) -> None:
        with suppress(ValueError):  # it is still being read by its thread
            self._frames.close()

    @property
    def _whole(self) -> bool:
        return self._reading.start_s is None and self._reading.end_s is None

    def _requested(self) -> Generator[_Timed, None, None]:
        begin_s, end_s = self._reading.start_s or Fraction(0), self._reading.end_s
        count, at_s = 0, Fraction(0)
        try:
            for shown in read_animation(self._path):
                if end_s is not None and at_s >= end_s:
                    return
                if at_s >= begin_s:
                    yield _Timed(shown, at_s - begin_s)
                count, at_s = count + 1, at_s + shown.duration_s
        except SourceError as exc:
            if not count:
                raise
            self._shortfall = f"{exc}; only {count} of {self._promised} frames could be read"
            return
        if count < self._promised:
            self._shortfall = (
                f"{self._path} is damaged or cut off: only {count} of {self._promised} frames could be read"
            )

    def _first_frame(self) -> _Timed:
        first = next(self._frames, None)
        if first is None:
            where = "could be decoded" if self._whole else "lies between --start and --end"
            raise SourceError(f"no frame of {self._path} {where}")
        return first

    def _scaled(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        if (width, height) == self.size:
            return pixels
        how = cv2.INTER_AREA if self.size[0] < width else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(pixels, self.size, interpolation=how), dtype=np.uint8)
