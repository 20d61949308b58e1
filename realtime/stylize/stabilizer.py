"""Steadies a painted video while it is played: the last painting, moved along with the scene, is blended into the next.

What moves is found on the camera's picture, reduced to a width of 256, with OpenCV's DIS flow (Kroeger et al. 2016).
The last painting counts only where the last camera picture, moved in the same way, explains the present one: not where
something was uncovered, not after a cut, not while the light jumps. So a moving edge leaves no ghost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from realtime.frames import Pixels
from styles.support.optical_flow import LEAST_SIDES

Floats = NDArray[np.float32]
Grey = NDArray[np.uint8]

# The width at which motion is looked for.
_VIEW_WIDTH = 256
# What moves less than this (pixels of the view) stands still: noise alone makes DIS see as much.
_STILL = 0.15
# How much of the last painting is kept at most.
_KEPT = 0.9
# Where less than this share of the picture is explained, it is another scene.
_CUT = 0.3
# From this difference on, in levels of 255 averaged over a patch, nothing is the same; sensor noise stays below it.
_OTHER = 12
_PATCH = (3, 3)
_NEIGHBOURS = np.ones((3, 3), np.uint8)
# Where something differs by so many levels, a net paints differently all around it: this far, in pixels of the view.
_CHANGED = 30
_AROUND = np.ones((15, 15), np.uint8)

# Strokes are never painted twice alike, and mixed they lose detail; what is shown gets so much of it back. More than
# was lost by measure, since what is finest is lost most and is not measured: it would be noise.
_RESTORED = 1.3
_FINEST, _COARSEST = 3, 9
_DETAIL_SIZE = 5


def _floats(values: NDArray[Any] | MatLike) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _falling(start: float, end: float) -> Floats:
    """Returns a table for differences of 0..255: 1 up to `start`, falling to 0 at `end`."""
    return _floats(np.clip((end - np.arange(256)) / (end - start), 0, 1))


# Where moving explains the view by so many levels worse than standing still does, it stands still.
_MOVES = _falling(0, 2)


@dataclass(frozen=True, eq=False)
class SceneMotion:
    """How a frame follows from the one before.

    flow: where each place was, h x w x 2 float32, in pixels of the frame. new: 255 where nothing of the last painting
    stays, h x w uint8. Both have the size of the view, the reduced frame, and are None where nothing stays at all.
    kept: how much of the last painting stays elsewhere, 0..1.
    """

    view: Pixels
    before: Pixels | None = None
    flow: Floats | None = None
    new: Grey | None = None
    kept: float = 0.0


class Stabilizer:
    """Blends each painting with the one before. `watch` the frames in order, then `blend` their paintings in order.

    Several frames may be watched before the first is blended. After a frame that was watched and not blended, between
    two styles, and of pictures smaller than 96 x 32 nothing is kept.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._places: dict[tuple[int, int], Floats] = {}
        # written anew for every frame: megabytes fresh from the system cost time
        self._moved: Pixels = np.empty((0, 0, 4), np.uint8)
        self._sources: Floats = np.empty((0, 0, 2), np.float32)
        self.forget()

    def forget(self) -> None:
        """Begins anew: of what was painted so far nothing is kept."""
        self._view: Pixels | None = None
        self._style: object = None
        self._painted_view: Pixels | None = None
        self._painting: Pixels | None = None

    @property
    def kept(self) -> Pixels | None:
        """What is kept of the last painting: H x W x 3 uint8 RGB."""
        if self._painting is None:
            return None
        return np.asarray(cv2.cvtColor(self._painting, cv2.COLOR_RGBA2RGB), dtype=np.uint8)

    def resume(self, pixels: Pixels, style: object, painting: Pixels | None) -> None:
        """Begins where another run ended: with its last frame, and what it kept of the painting."""
        if painting is None:
            return
        self._view = self._painted_view = _view_of(pixels)
        self._style = style
        self._painting = np.asarray(cv2.cvtColor(painting, cv2.COLOR_RGB2RGBA), dtype=np.uint8)

    def watch(self, pixels: Pixels, style: object, steadiness: float) -> SceneMotion:
        """Returns how a frame (H x W x 3 uint8 RGB) follows from the one watched before.

        style: what it is painted with; another object is another style. steadiness: 0..1.
        """
        view, before, same_style = _view_of(pixels), self._view, style is self._style
        self._view, self._style = view, style
        if before is None or not same_style or before.shape != view.shape or not _has_motion(view):
            return SceneMotion(view)
        flow, new, moves = self._motion(view, before)
        if cv2.countNonZero(new) > (1 - _CUT) * new.size:
            return SceneMotion(view)
        flow = cv2.multiply(flow, cv2.merge([moves, moves]), scale=pixels.shape[1] / view.shape[1])
        return SceneMotion(view, before, _floats(flow), np.asarray(new, dtype=np.uint8), _KEPT * steadiness)

    def _motion(self, view: Pixels, before: Pixels) -> tuple[MatLike, MatLike, MatLike]:
        """Returns where each place was (offsets), where that does not explain the view (255), and what moves (0..1)."""
        flow = self._dis.calc(_grey(view), _grey(before), None)  # type: ignore[call-overload]
        sources = cv2.add(self._places_of(view), flow)
        moved = cv2.remap(before, sources, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)  # type: ignore[call-overload]
        if_moved, if_still = _difference(moved, view), _difference(before, view)
        # what stands still keeps exactly its place, also beside something that moves
        moves = cv2.LUT(cv2.subtract(if_moved, if_still), _MOVES)
        _, fast = cv2.threshold(cv2.magnitude(*cv2.split(flow)), _STILL, 1, cv2.THRESH_BINARY)
        difference = cv2.min(if_moved, if_still)
        _, changed = cv2.threshold(difference, _CHANGED, 255, cv2.THRESH_BINARY)
        _, other = cv2.threshold(difference, _OTHER, 255, cv2.THRESH_BINARY)
        new = cv2.max(cv2.dilate(other, _NEIGHBOURS), cv2.dilate(changed, _AROUND))
        return flow, new, cv2.min(moves, fast)

    def blend(self, painted: Pixels, motion: SceneMotion) -> Pixels:
        """Returns the painting (H x W x 3 uint8 RGB) of the frame that `motion` is of, steadied."""
        last, shown = self._painting, painted
        if last is not None and motion.before is self._painted_view and last.shape[:2] == painted.shape[:2]:
            painted = self._blended(last, painted, motion)
            shown = painted if painted is shown else _restored(painted, shown)
        # four channels are moved in half the time of three
        self._painting = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
        self._painted_view = motion.view
        return shown

    def _blended(self, last: Pixels, painted: Pixels, motion: SceneMotion) -> Pixels:
        if motion.flow is None or motion.new is None:
            return painted
        size = painted.shape[1], painted.shape[0]
        if self._moved.shape != last.shape:
            self._moved, self._sources = np.empty_like(last), np.empty((*last.shape[:2], 2), np.float32)
        cv2.resize(motion.flow, size, dst=self._sources, interpolation=cv2.INTER_LINEAR)
        cv2.add(self._sources, self._places_of(painted), dst=self._sources)
        cv2.remap(  # type: ignore[call-overload]
            last, self._sources, None, cv2.INTER_LINEAR, dst=self._moved, borderMode=cv2.BORDER_REPLICATE
        )
        moved = _plausible(cv2.cvtColor(self._moved, cv2.COLOR_RGBA2RGB), painted)
        mixed = cv2.addWeighted(moved, motion.kept, painted, 1 - motion.kept, 0)
        new = cv2.resize(motion.new, size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.copyTo(painted, new, mixed), dtype=np.uint8)

    def _places_of(self, picture: Pixels) -> Floats:
        """Returns x and y of each of its pixels, H x W x 2."""
        height, width = picture.shape[:2]
        if (width, height) not in self._places:
            columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
            self._places[width, height] = np.dstack(np.meshgrid(columns, rows))
        return self._places[width, height]


def _view_of(pixels: Pixels) -> Pixels:
    """Returns the small picture in which motion is looked for, h x w x 4."""
    height, width = pixels.shape[:2]
    view_width = min(width, _VIEW_WIDTH)
    # the mean over areas costs several times as much, and a small reduction does not need it
    how = cv2.INTER_AREA if width >= 3 * view_width else cv2.INTER_LINEAR
    small = cv2.resize(pixels, (view_width, max(1, round(height * view_width / width))), interpolation=how)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2RGBA), dtype=np.uint8)


def _has_motion(view: Pixels) -> bool:
    least, most = LEAST_SIDES
    return bool(min(view.shape[:2]) >= least and max(view.shape[:2]) >= most)


def _plausible(moved: MatLike, painted: Pixels) -> MatLike:
    """Returns the moved painting held within what the new one has around each pixel: older news is gone at once."""
    lowest, highest = cv2.erode(painted, _NEIGHBOURS), cv2.dilate(painted, _NEIGHBOURS)
    return cv2.min(cv2.max(moved, lowest), highest)


def _restored(mixed: Pixels, painted: Pixels) -> Pixels:
    """Returns the mixed picture with the detail that the new painting has more; repeated, it would run away."""
    amount = min(1.0, _RESTORED * (_detail(painted) / max(_detail(mixed), 1e-3) - 1))
    if amount < 0.02:
        return mixed
    smooth = cv2.blur(mixed, (_DETAIL_SIZE, _DETAIL_SIZE))
    return np.asarray(cv2.addWeighted(mixed, 1 + amount, smooth, -amount, 0), dtype=np.uint8)


def _detail(picture: Pixels) -> float:
    """Returns how much there is between noise and what is large, in the mean over every fourth row."""
    rows = picture[::4]
    return cv2.norm(cv2.blur(rows, (_FINEST, 1)), cv2.blur(rows, (_COARSEST, 1)), cv2.NORM_L1) / rows.size


def _grey(view: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(view, cv2.COLOR_RGBA2GRAY), dtype=np.uint8)


def _difference(one: MatLike, other: MatLike) -> MatLike:
    """Returns how far two views differ, in the channel where they do most, averaged over a patch."""
    red, green, blue, _ = cv2.split(cv2.absdiff(one, other))
    return cv2.blur(cv2.max(cv2.max(red, green), blue), _PATCH)
