"""Steadies a painted video while it is played: the last painting, moved along with the scene, is blended into the next.

What moves is found on the camera's picture, at about 320 pixels width, with OpenCV's DIS flow (Kroeger et al. 2016). The
last painting counts only where the last camera picture, moved in the same way, explains the present one: not where
something was uncovered, not after a cut, not while the light jumps. So a moving edge leaves no ghost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frames import Pixels

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

# What looks and measures best (docs/measurements.md).
DEFAULT_STEADINESS = 0.7

# The width at which motion is looked for.
_VIEW_WIDTH = 320
# Differences between two views, in levels of 255 averaged over a patch: up to the first all is sensor noise, from the
# second on nothing is the same.
_SAME, _OTHER = 5.0, 15.0
# Where moving explains the view by so many levels worse than standing still does, it stands still.
_WORSE = 2.0
# What moves less than this (pixels of the view) stands still: noise alone makes DIS see as much.
_STILL = 0.15
_PATCH = (3, 3)
_NEIGHBOURS = np.ones((3, 3), np.uint8)
# Where less than this share of the picture is explained, it is another scene.
_CUT = 0.3
# How much of the last painting is kept at most: of what stands still, and of what moves, which a long memory would blur.
_KEPT_STILL, _KEPT_MOVING = 1.0, 0.85


@dataclass(frozen=True, eq=False)
class Motion:
    """How a frame follows from the one before: flow (h x w x 2, in pixels of the view) to where each place was, and
    `kept` (h x w, 0..1), how much of the last painting stays there. None where nothing of it is to be used.
    """

    view: Pixels
    before: Pixels | None = None
    flow: Floats | None = None
    kept: Floats | None = None


@dataclass(eq=False)
class _Buffers:
    """What a frame of one size needs, made once: where each pixel lies, the moved painting, the weights."""

    places: Floats
    sources: Floats
    moved: Pixels
    kept: Floats
    fresh: Floats

    @staticmethod
    def of_size(width: int, height: int) -> _Buffers:
        weights = (height, width)
        places = _places(width, height)
        return _Buffers(
            places,
            np.empty_like(places),
            np.empty((height, width, 4), np.uint8),
            np.empty(weights, np.float32),
            np.empty(weights, np.float32),
        )


class Steadier:
    """Blends each painting with the one before. `watch` the frames in order, then `blend` their paintings in order.

    Several frames may be watched before the first is blended. A frame that is watched but never blended, or painted in
    another style, begins anew.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._view: Pixels | None = None
        self._grey: Grey | None = None
        self._style: object = None
        self._painted_view: Pixels | None = None
        self._painting: Pixels | None = None
        self._buffers: _Buffers | None = None

    def watch(self, pixels: Pixels, style: object, steadiness: float) -> Motion:
        """Returns how a frame (H x W x 3 uint8 RGB) follows from the one watched before.

        style: what it is painted with; only between frames of the same object something is kept. steadiness: 0..1.
        """
        before, grey_before, same_style = self._view, self._grey, style is self._style
        view = _view_of(pixels)
        grey = np.asarray(cv2.cvtColor(view, cv2.COLOR_RGBA2GRAY), dtype=np.uint8)
        self._view, self._grey, self._style = view, grey, style
        if before is None or grey_before is None or not same_style or before.shape != view.shape:
            return Motion(view)
        flow, same, moving = self._motion(grey, grey_before, view, before)
        if cv2.mean(same)[0] < _CUT:
            return Motion(view)
        most = cv2.multiply(moving, _KEPT_MOVING - _KEPT_STILL)
        kept = cv2.multiply(same, cv2.add(most, _KEPT_STILL), scale=steadiness)
        return Motion(view, before, flow, kept)

    def _motion(self, grey: Grey, grey_before: Grey, view: Pixels, before: Pixels) -> tuple[Floats, Floats, Floats]:
        """Returns the flow, how well it explains the view, and how surely a place moves: the last two in 0..1."""
        flow = self._dis.calc(grey, grey_before, None)
        places = _places(view.shape[1], view.shape[0])
        moved = cv2.remap(before, cv2.add(places, flow), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        if_moved, if_still = _difference(moved, view), _difference(before, view)
        # what stands still keeps exactly its place, also beside something that moves
        moving = cv2.LUT(cv2.subtract(if_moved, if_still), _falling(0, _WORSE))
        _, fast = cv2.threshold(cv2.magnitude(*cv2.split(flow)), _STILL, 1, cv2.THRESH_BINARY)
        moving = cv2.min(moving, fast)
        difference = cv2.dilate(cv2.min(if_moved, if_still), _NEIGHBOURS)
        flow = cv2.multiply(flow, cv2.merge([moving, moving]))
        return flow, cv2.LUT(difference, _falling(_SAME, _OTHER)), moving

    def blend(self, painted: Pixels, motion: Motion) -> Pixels:
        """Returns the painting (H x W x 3 uint8 RGB) of the frame that `motion` is of, steadied."""
        last, last_view = self._painting, self._painted_view
        if (
            last is not None
            and motion.flow is not None
            and motion.kept is not None
            and motion.before is last_view
            and last.shape[:2] == painted.shape[:2]
        ):
            painted = self._blended(last, painted, motion.flow, motion.kept)
        # four channels are moved in half the time of three
        self._painting = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
        self._painted_view = motion.view
        return painted

    def _blended(self, last: Pixels, painted: Pixels, flow: Floats, kept: Floats) -> Pixels:
        height, width = painted.shape[:2]
        if self._buffers is None or self._buffers.moved.shape[:2] != (height, width):
            self._buffers = _Buffers.of_size(width, height)
        at = self._buffers
        scaled = cv2.multiply(flow, (width / flow.shape[1], height / flow.shape[0], 0, 0))
        cv2.resize(scaled, (width, height), dst=at.sources, interpolation=cv2.INTER_LINEAR)
        cv2.add(at.sources, at.places, dst=at.sources)
        cv2.remap(last, at.sources, None, cv2.INTER_LINEAR, dst=at.moved, borderMode=cv2.BORDER_REPLICATE)
        cv2.resize(kept, (width, height), dst=at.kept, interpolation=cv2.INTER_LINEAR)
        cv2.subtract(1.0, at.kept, dst=at.fresh)
        moved = cv2.cvtColor(at.moved, cv2.COLOR_RGBA2RGB)
        return np.asarray(cv2.blendLinear(moved, painted, at.kept, at.fresh), dtype=np.uint8)


def _view_of(pixels: Pixels) -> Pixels:
    """Returns the small picture in which motion is looked for, h x w x 4."""
    height, width = pixels.shape[:2]
    view_width = min(width, _VIEW_WIDTH)
    # the mean over areas costs five times as much, and a small reduction does not need it
    how = cv2.INTER_AREA if width >= 3 * view_width else cv2.INTER_LINEAR
    small = cv2.resize(pixels, (view_width, max(1, round(height * view_width / width))), interpolation=how)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2RGBA), dtype=np.uint8)


def _difference(one: Pixels, other: Pixels) -> Grey:
    """Returns how far two views differ, in the channel where they do most, averaged over a patch."""
    red, green, blue, _ = cv2.split(cv2.absdiff(one, other))
    return np.asarray(cv2.blur(cv2.max(cv2.max(red, green), blue), _PATCH), dtype=np.uint8)


def _falling(start: float, end: float) -> Floats:
    """Returns a table for differences of 0..255: 1 up to `start`, falling to 0 at `end`."""
    return np.clip((end - np.arange(256, dtype=np.float32)) / np.float32(end - start), 0, 1)


def _places(width: int, height: int) -> Floats:
    """Returns x and y of each pixel, H x W x 2."""
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
