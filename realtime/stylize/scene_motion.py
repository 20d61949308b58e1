"""How a scene moves from frame to frame: OpenCV's DIS flow (Kroeger et al. 2016) on reduced frames.

All of it runs on the CPU and needs the frames alone, so that it is done while the net paints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from build_engines.onnx.blend import view_size
from realtime.backends import Blend
from realtime.frames import Pixels
from styles.support.optical_flow import LEAST_SIDES

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

# What moves less than this (pixels of the view) stands still: noise alone makes DIS see as much.
_STILL = 0.15
# How much of the last painting is kept at most.
_KEPT = 0.9
# If less than this share of the view is explained, it is another scene.
_CUT = 0.3
# From this difference on, in levels of 255 averaged over a patch, nothing is the same; sensor noise stays below it.
_OTHER = 12
_PATCH = (3, 3)
_NEIGHBOURS = np.ones((3, 3), np.uint8)
# A difference of more levels than this makes a net paint differently all around it: this far, in pixels of the view.
_CHANGED = 30
_AROUND = np.ones((15, 15), np.uint8)


def _floats(values: NDArray[Any] | MatLike) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _falling(start: float, end: float) -> Floats:
    """Returns a table for differences of 0..255: 1 up to `start`, falling to 0 at `end`."""
    return _floats(np.clip((end - np.arange(256)) / (end - start), 0, 1))


# From 1 to 0 by how many levels worse moving explains the view than standing still does.
_MOVES = _falling(0, 2)


@dataclass(frozen=True, eq=False)
class SceneMotion:
    """How a frame follows from the one before.

    Args:
        view: the reduced frame, h x w x 4 uint8.
        before: the view of the frame before; None if it has another size or style.
        blend: how the last painting goes into the next; None if nothing of it stays.
    """

    view: Pixels
    before: Pixels | None = None
    blend: Blend | None = None


class MotionEstimator:
    """Estimates the motion of a scene, frame after frame. It does not wait for any painting."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._grid: Floats = np.empty((2, 0, 0), np.float32)
        self._view: Pixels | None = None
        self._style: object = None
        self._shape: tuple[int, ...] = ()

    def forget(self) -> None:
        """Starts again: the next frame follows from none."""
        self._view = self._style = None

    def resume(self, pixels: Pixels, style: object) -> SceneMotion:
        """Starts behind a frame, as if it had been watched; returns that it follows from none.

        Args:
            pixels: H x W x 3 uint8 RGB.
            style: what it was painted with.
        """
        self._view, self._style, self._shape = _view_of(pixels), style, pixels.shape
        return SceneMotion(self._view)

    def watch(self, pixels: Pixels, style: object, steadiness: float) -> SceneMotion:
        """Returns how a frame follows from the one watched before.

        Args:
            pixels: H x W x 3 uint8 RGB.
            style: what it is painted with; another object is another style, and then nothing stays.
            steadiness: how much of the last painting stays, 0..1.
        """
        before, follows = self._view, style is self._style and pixels.shape == self._shape
        alone = self.resume(pixels, style)
        view = alone.view
        if before is None or not follows or not _has_motion(view):
            return alone
        flow, new = self._motion(view, before)
        if cv2.countNonZero(new) > (1 - _CUT) * new.size:
            return alone
        flow *= pixels.shape[1] / view.shape[1]
        return SceneMotion(view, before, Blend(flow, np.asarray(new, dtype=np.uint8), _KEPT * steadiness))

    def _motion(self, view: Pixels, before: Pixels) -> tuple[Floats, MatLike]:
        """Returns where each pixel was (offsets, 2 x h x w), and where that does not explain the view (255)."""
        x, y = cv2.split(self._dis.calc(_grey(view), _grey(before), None))  # type: ignore[call-overload]
        if self._grid.shape[1:] != view.shape[:2]:
            self._grid = pixel_grid(view.shape[1], view.shape[0])
        columns, rows = self._grid
        moved = cv2.remap(
            before, cv2.add(columns, x), cv2.add(rows, y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        if_moved, if_still = _difference(moved, view), _difference(before, view)
        # what stands still keeps its place exactly, also beside something that moves
        moves = cv2.LUT(cv2.subtract(if_moved, if_still), _MOVES)
        _, fast = cv2.threshold(cv2.magnitude(x, y), _STILL, 1, cv2.THRESH_BINARY)
        moves = cv2.min(moves, fast)
        difference = cv2.min(if_moved, if_still)
        _, changed = cv2.threshold(difference, _CHANGED, 255, cv2.THRESH_BINARY)
        _, other = cv2.threshold(difference, _OTHER, 255, cv2.THRESH_BINARY)
        new = cv2.max(cv2.dilate(other, _NEIGHBOURS), cv2.dilate(changed, _AROUND))
        return np.stack([cv2.multiply(x, moves), cv2.multiply(y, moves)]), new


def pixel_grid(width: int, height: int) -> Floats:
    """Returns x and y of each pixel, 2 x height x width."""
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.stack(np.meshgrid(columns, rows))


def _view_of(pixels: Pixels) -> Pixels:
    """Returns the reduced frame in which motion is looked for, h x w x 4."""
    height, width = pixels.shape[:2]
    size = view_size((width, height))
    # the mean over areas costs several times as much, and a small reduction does not need it
    how = cv2.INTER_AREA if width >= 3 * size[0] else cv2.INTER_LINEAR
    small = cv2.resize(pixels, size, interpolation=how)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2RGBA), dtype=np.uint8)


def _has_motion(view: Pixels) -> bool:
    least, most = LEAST_SIDES
    return bool(min(view.shape[:2]) >= least and max(view.shape[:2]) >= most)


def _grey(view: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(view, cv2.COLOR_RGBA2GRAY), dtype=np.uint8)


def _difference(one: MatLike, other: MatLike) -> MatLike:
    """Returns how far two views differ, in the channel where they differ most, averaged over a patch."""
    red, green, blue, _ = cv2.split(cv2.absdiff(one, other))
    return cv2.blur(cv2.max(cv2.max(red, green), blue), _PATCH)
