"""Makes a painting that a net painted small as large as its frame, and sharp."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frames import Pixels

# With all of it the camera picture shows through as thin lines.
_DETAIL = 0.5


def enlarged(painted: Pixels, small: Pixels, photo: Pixels) -> Pixels:
    """Returns the painting of `small` in the size of `photo`, the camera picture that `small` was made from.

    Bicubic, and half of the brightness that the camera picture lost when it was made small is added: its edges are
    sharp again. Chosen among others by measurement (docs/measurements.md). All are H x W x 3 uint8 RGB.
    """
    size = photo.shape[1], photo.shape[0]
    if (painted.shape[1], painted.shape[0]) == size:
        return painted
    large = cv2.resize(painted, size, interpolation=cv2.INTER_CUBIC)
    coarse = cv2.resize(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_CUBIC)
    lost = cv2.subtract(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), coarse, dtype=cv2.CV_16S)
    return np.asarray(cv2.addWeighted(large, 1, cv2.merge([lost] * 3), _DETAIL, 0, dtype=cv2.CV_8U), dtype=np.uint8)
