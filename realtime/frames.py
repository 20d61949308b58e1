"""The picture as it travels through the app."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

# H x W x 3 uint8 RGB
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source. `captured_at_s` is on the monotonic clock; `time` is its own time in a file, in s."""

    pixels: Pixels
    index: int
    captured_at_s: float
    time: Fraction | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]
