"""The compare view: frame and painting side by side, or on either side of a line that the mouse moves."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frames import Pixels

_LINE = (255, 255, 255)
# Up to this width frame and painting are shown at full size, on a canvas twice as large.
_MAX_WIDTH = 960


def compared(view: str, split: float, photo: Pixels, painted: Pixels) -> Pixels:
    """Returns what the screen shows of a frame and its painting, H x W x 3 uint8.

    Args:
        view: one of session.VIEWS. "side by side" has black above and below, so that the window keeps its shape.
        split: where the painting begins in the view "split", a share of the width in 0..1.
        photo: the frame, H x W x 3 uint8 RGB.
        painted: its painting, of the same size.
    """
    if view == "side by side":
        return _side_by_side(photo, painted)
    if view == "split":
        return _split(split, photo, painted)
    return painted


def _side_by_side(photo: Pixels, painted: Pixels) -> Pixels:
    height, width = photo.shape[:2]
    if width > _MAX_WIDTH:
        half = (width // 2, height // 2)
        photo, painted = (
            np.asarray(cv2.resize(each, half, interpolation=cv2.INTER_AREA), np.uint8) for each in (photo, painted)
        )
        height, width = photo.shape[:2]
    canvas = np.zeros((2 * height, 2 * width, 3), np.uint8)
    top = height // 2
    canvas[top : top + height] = np.hstack([photo, painted])
    return canvas


def _split(split: float, photo: Pixels, painted: Pixels) -> Pixels:
    width = photo.shape[1]
    column = round(split * width)
    both = painted.copy()
    both[:, :column] = photo[:, :column]
    thickness = max(1, width // 320)
    left = min(max(0, column - thickness // 2), width - thickness)
    both[:, left : left + thickness] = _LINE
    return both
