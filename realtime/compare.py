"""The compare view: camera picture and painting beside each other, or either side of a line that the mouse moves."""

from __future__ import annotations

import numpy as np

from realtime.frames import Pixels

# In the order in which a key goes through them.
VIEWS = ("painting", "side by side", "split")
_LINE = (255, 255, 255)


def compared(view: str, split: float, photo: Pixels, painted: Pixels) -> Pixels:
    """Returns what the screen shows of a camera picture and its painting, both H x W x 3.

    "side by side" is twice as wide. In "split" the painting begins at `split`, a share of the width in 0..1.
    """
    if view == "side by side":
        return np.hstack([photo, painted])
    if view == "split":
        return _split(split, photo, painted)
    return painted


def _split(split: float, photo: Pixels, painted: Pixels) -> Pixels:
    width = photo.shape[1]
    column = round(split * width)
    both = painted.copy()
    both[:, :column] = photo[:, :column]
    thickness = max(1, width // 320)
    left = min(max(0, column - thickness // 2), width - thickness)
    both[:, left : left + thickness] = _LINE
    return both
