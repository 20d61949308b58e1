"""A frame as it travels through the app, and what is known about the video that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

# H x W x 3 uint8 RGB
Pixels = NDArray[np.uint8]
# Width and height, in pixels.
Size = tuple[int, int]
# "Unspecified" in the tables of color spaces of ITU-T H.273.
UNSPECIFIED = 2


@dataclass(frozen=True)
class Presentation:
    """How pixels are to be shown, which the pixels themselves do not say.

    Args:
        sample_aspect_ratio: width of one pixel divided by its height.
        primaries: color primaries, a number of ITU-T H.273.
        transfer: transfer characteristics, a number of ITU-T H.273.
    """

    sample_aspect_ratio: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


class Rereadable(Protocol):
    """A pipe whose bytes can be read more than once."""

    def reader(self) -> Any:
        """Returns a file object that begins with the first byte. Raises OSError if that is gone."""


@dataclass(frozen=True)
class ClipRange:
    """The part of a file that is read.

    Args:
        path: the file.
        begins_s: the time of the file's clock that is 0 on the clock of the clip, in seconds.
        ends_s: the time of the file's clock at which the clip ends, in seconds; None for the end of the file.
        cut: whether everything before `begins_s` is left out. A clock may begin late without anything being cut.
        pipe: gives the bytes if the file is a pipe.
    """

    path: Path
    begins_s: Fraction = Fraction(0)
    ends_s: Fraction | None = None
    cut: bool = False
    pipe: Rereadable | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a source.

    Args:
        pixels: H x W x 3 uint8 RGB.
        index: position in the source, counted from 0.
        captured_at_s: when it was captured, on the monotonic clock, in seconds.
        time: its own timestamp in a file, in seconds; None if the file has none.
        duration: how long it is shown, in seconds; None if the file does not say.
    """

    pixels: Pixels
    index: int
    captured_at_s: float
    time: Fraction | None = None
    duration: Fraction | None = None

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]


def letterboxed(pixels: Pixels, size: Size) -> Pixels:
    """Returns the frame scaled to fit into `size`, whole and undistorted, with black bars if its shape differs.

    Args:
        pixels: H x W x 3 uint8 RGB.
        size: width and height of the result.
    """
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    right, bottom = size[0] - inner[0] - left, size[1] - inner[1] - top
    return np.asarray(cv2.copyMakeBorder(whole, top, bottom, left, right, cv2.BORDER_CONSTANT), dtype=np.uint8)
