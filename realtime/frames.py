"""The picture as it travels through the app."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

# H x W x 3 uint8 RGB
Pixels = NDArray[np.uint8]
# Not known, in the tables of colour spaces of ITU-T H.273.
UNSPECIFIED = 2


@dataclass(frozen=True)
class Presentation:
    """What pixels leave unsaid: the width of one in heights, and their colour space in the numbers of ITU-T H.273."""

    sample_aspect_ratio: Fraction = Fraction(1)
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source. `captured_at_s` is on the monotonic clock.

    `time` and `duration` are its own in a file, in s, where the file says them.
    """

    pixels: Pixels
    index: int
    captured_at_s: float
    time: Fraction | None = None
    duration: Fraction | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]


def fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Returns the picture in a frame of `size`, whole and undistorted, in black where its shape is another."""
    height, width = pixels.shape[:2]
    if (width, height) == size:
        return pixels
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    right, bottom = size[0] - inner[0] - left, size[1] - inner[1] - top
    return np.asarray(cv2.copyMakeBorder(whole, top, bottom, left, right, cv2.BORDER_CONSTANT), dtype=np.uint8)
