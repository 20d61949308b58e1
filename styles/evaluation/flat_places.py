"""Finds blobs: parts of skies and walls that are painted in one colour, flatter than the photograph itself.

A painter covers a wall with strokes, so flat places of a photograph vary more in its painting. A
net that has lost the subject fills such places with blobs, in which less is left than the camera saw there.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

# Of windows in pixels: in which a photograph counts as flat, and in which variances are compared.
_FLAT_WINDOW, _WINDOW = 15, 9
# In levels of 255; a wall in daylight has 2 to 4.
_FLAT_DEVIATION = 6.0
# A place is a blob if less than this share of the photograph's variance is left.
_LEFT = 0.5
# The variance of rounding to bytes, so that the flattest skies are not compared by their rounding.
_ROUNDING = 1 / 12


def blob_share(photos: Sequence[NDArray[np.uint8]], paintings: Sequence[NDArray[np.uint8]]) -> float:
    """Returns how much of the photographs' flat places is painted as blobs, 0..1; 0 if nothing is flat.

    All pictures are H x W x 3 uint8, the paintings of the photographs' sizes.
    """
    flat, blobs = 0, 0
    for photo, painting in zip(photos, paintings, strict=True):
        place = _local_variance(photo, _FLAT_WINDOW) < _FLAT_DEVIATION**2
        before, after = (_local_variance(picture, _WINDOW)[place] for picture in (photo, painting))
        flat += int(place.sum())
        blobs += int((after + _ROUNDING < _LEFT * (before + _ROUNDING)).sum())
    return blobs / max(1, flat)


def _local_variance(picture: NDArray[np.uint8], window: int) -> NDArray[np.float64]:
    """Returns the variance of the brightness around each pixel, H x W, in squared levels of 255."""
    grey = picture.astype(np.float64).mean(axis=2)

    def around(values: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = cv2.boxFilter(values, -1, (window, window), borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, dtype=np.float64)

    return np.maximum(around(grey * grey) - around(grey) ** 2, 0)
