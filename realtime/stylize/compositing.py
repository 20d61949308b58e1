"""What is done to a painting after the net: size and sharpness, strength, colours; and mirroring before it."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frames import Pixels

# At 1 the camera picture shows through as thin lines.
_DETAIL = 0.5


def mirrored(pixels: Pixels) -> Pixels:
    """Returns H x W x 3 uint8 with left and right swapped, contiguous in memory."""
    return np.ascontiguousarray(pixels[:, ::-1])


def at_strength(painted: Pixels, photo: Pixels, strength: float) -> Pixels:
    """Returns the picture between the photo (strength 0) and its painting (1 and above: the painting itself).

    Both are H x W x 3 uint8 RGB, of one size.
    """
    if strength >= 1:
        return painted
    return np.asarray(cv2.addWeighted(painted, strength, photo, 1 - strength, 0), dtype=np.uint8)


def with_colors_of(painted: Pixels, photo: Pixels) -> Pixels:
    """Returns the painting's brightness in the photo's colours (Gatys et al. 2016, luminance only).

    Both are H x W x 3 uint8 RGB, of one size.
    """
    colours = cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb)
    # only the first channel is taken from the painting
    cv2.mixChannels([cv2.cvtColor(painted, cv2.COLOR_RGB2YCrCb)], [colours], [0, 0])
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)


def enlarged(painted: Pixels, small: Pixels, photo: Pixels) -> Pixels:
    """Returns the painting of a reduced photo at the photo's own size, and sharp.

    Bicubic, plus half of the brightness that the photo lost when it was reduced: its edges are sharp again. Chosen by
    measurement (docs/lab/live.md).

    Args:
        painted: the painting of `small`.
        small: the reduced photo.
        photo: the photo that `small` was made from. All are H x W x 3 uint8 RGB.
    """
    size = photo.shape[1], photo.shape[0]
    if (painted.shape[1], painted.shape[0]) == size:
        return painted
    large = cv2.resize(painted, size, interpolation=cv2.INTER_CUBIC)
    coarse = cv2.resize(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_CUBIC)
    lost = cv2.subtract(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), coarse, dtype=cv2.CV_16S)
    return np.asarray(cv2.addWeighted(large, 1, cv2.merge([lost] * 3), _DETAIL, 0, dtype=cv2.CV_8U), dtype=np.uint8)
