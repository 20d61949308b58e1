"""Finds coloured fringes: edges of the photograph that are painted in stronger colours than any edge of the style's."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

# The pixels of a picture that count as edges: those with the steepest tenth of all gradients.
_EDGE_SHARE = 0.1
# Chroma (in CIELAB) that is hardly seen, so that pictures in black and white are not compared by their noise.
_HARDLY_SEEN = 5.0


def fringe_ratio(
    photos: Sequence[NDArray[np.uint8]], paintings: Sequence[NDArray[np.uint8]], picture: NDArray[np.uint8]
) -> float:
    """Returns the paintings' mean chroma at the photographs' edges over the style picture's at its own; 1 is alike.

    All are H x W x 3 uint8 RGB, the paintings of the photographs' sizes.
    """
    painted = [_chroma(painting)[_edges(photo)] for photo, painting in zip(photos, paintings, strict=True)]
    style = _chroma(picture)[_edges(picture)]
    return float((_mean(np.concatenate(painted)) + _HARDLY_SEEN) / (_mean(style) + _HARDLY_SEEN))


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean()) if values.size else 0.0


def _edges(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Returns the mask of the edges, H x W; empty for a picture of one colour."""
    grey = cv2.GaussianBlur(picture.astype(np.float32).mean(axis=2), (0, 0), 1.0)
    steepness = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1))
    # one level of 255 at least: rounding is no edge
    return np.asarray(steepness > max(1.0, float(np.quantile(steepness, 1 - _EDGE_SHARE))))


def _chroma(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns how far from grey each pixel is, H x W: the length of (a, b) in CIELAB."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(np.hypot(lab[:, :, 1], lab[:, :, 2]), dtype=np.float32)
