"""From RGB to YUV with halved chroma, which most encoders take: by OpenCV, in a third of the time of swscale."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from realtime.frames import Pixels

# How much red and blue weigh in the luma, by the numbers of ITU-T H.273: BT.709 and BT.601.
_WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}
_PIXEL_FORMAT = "yuv420p"


class ToYuv420:
    """Turns H x W x 3 uint8 RGB into frames of yuv420p in limited range, rounded to the nearest level.

    A chroma sample is the mean of its four pixels, if both sides are even.

    Args:
        matrix: color matrix, 1 (BT.709) or 6 (BT.601).
    """

    def __init__(self, matrix: int) -> None:
        self._matrix, self._coefficients = matrix, _coefficients(*_WEIGHTS[matrix])

    def __call__(self, pixels: Pixels) -> av.VideoFrame:
        height, width = pixels.shape[:2]
        frame = av.VideoFrame(width, height, _PIXEL_FORMAT)
        frame.color_range, frame.colorspace = ColorRange.MPEG, self._matrix
        luma, *chroma = cv2.split(cv2.transform(pixels, self._coefficients))
        samples = (luma, *(_halved(plane) for plane in chroma))
        for plane, values in zip(frame.planes, samples, strict=True):
            _write(plane, np.asarray(values, dtype=np.uint8))
        return frame


def _coefficients(red: float, blue: float) -> NDArray[np.float32]:
    """Returns the matrix from RGB in 0..255 to luma in 16..235 and chroma in 16..240, with offsets: 3 x 4."""
    luma = np.array([red, 1 - red - blue, blue])
    cb = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    cr = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    scaled = np.stack([luma * 219, cb * 224, cr * 224]) / 255
    return np.hstack([scaled, [[16], [128], [128]]]).astype(np.float32)


def _halved(plane: Any) -> Any:
    height, width = plane.shape
    # an odd side is stretched a little, as swscale does in both directions
    return cv2.resize(plane, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)


def _write(plane: Any, values: Pixels) -> None:
    """Writes H x W samples into a plane, in which rows may be longer."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    rows[:, : plane.width] = values
