"""The temporal stabilizer: the last painting, moved along with the scene, is blended into the next one.

The last painting counts only where the last frame, moved in the same way, explains the present one: not where something
was uncovered, not after a cut, not while the light jumps. So a moving edge leaves no ghost.

It has two halves. The motion needs the frames alone and is estimated on the CPU while the net paints (scene_motion.py).
The blend needs the painting and the one before, and runs when the net is done.
"""

from __future__ import annotations

import cv2
import numpy as np
from cv2.typing import MatLike

from realtime.frames import Pixels
from realtime.stylize.scene_motion import Floats, MotionEstimator, SceneMotion, pixel_grid

_NEIGHBOURS = np.ones((3, 3), np.uint8)
# Strokes are never painted twice alike, and blended they lose detail; this much of it is given back. It is more than
# what was lost by measure, since the finest detail is lost most and is not measured: it would be noise.
_RESTORED = 1.3
_FINEST, _COARSEST = 3, 9
_DETAIL_SIZE = 5


class Stabilizer:
    """Blends each painting with the one before. `watch` the frames in order, then `blend` their paintings in order.

    Several frames may be watched before the first one is blended. Nothing is kept after a frame that was watched and
    not blended, between two styles, and of frames smaller than 96 x 32.
    """

    def __init__(self) -> None:
        self._motion, self._blender = MotionEstimator(), Blender()

    def forget(self) -> None:
        """Starts again: nothing is kept of what was painted so far."""
        self._motion.forget()
        self._blender.forget()

    @property
    def kept(self) -> Pixels | None:
        """What is kept of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""
        return self._blender.kept

    def resume(self, pixels: Pixels, style: object, kept: Pixels) -> None:
        """Goes on where another run ended.

        Args:
            pixels: its last frame, H x W x 3 uint8 RGB.
            style: what that was painted with.
            kept: what `kept` was then.
        """
        self._blender.resume(self._motion.resume(pixels, style), kept)

    def watch(self, pixels: Pixels, style: object, steadiness: float) -> SceneMotion:
        """Returns how a frame follows from the one watched before; see `MotionEstimator.watch`."""
        return self._motion.watch(pixels, style, steadiness)

    def blend(self, painted: Pixels, motion: SceneMotion) -> Pixels:
        """Returns the painting of the frame that `motion` is of, stabilized; both are H x W x 3 uint8 RGB."""
        return self._blender.blend(painted, motion)


class Blender:
    """Holds the last painting, and blends it into the next."""

    def __init__(self) -> None:
        # reused for every frame: megabytes fresh from the system cost time
        self._moved: Pixels = np.empty((0, 0, 4), np.uint8)
        self._sources: Floats = np.empty((0, 0, 2), np.float32)
        self._grid = self._sources
        self._view: Pixels | None = None
        self._last: Pixels | None = None

    def forget(self) -> None:
        """Lets go of the last painting."""
        self._view = self._last = None

    @property
    def kept(self) -> Pixels | None:
        """What is kept of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""
        return None if self._last is None else np.asarray(cv2.cvtColor(self._last, cv2.COLOR_RGBA2RGB), dtype=np.uint8)

    def resume(self, view: Pixels, painted: Pixels) -> None:
        """Keeps a painting, H x W x 3 uint8 RGB, with the view of its frame."""
        # four channels are moved in half the time of three
        self._last = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2RGBA), dtype=np.uint8)
        self._view = view

    def blend(self, painted: Pixels, motion: SceneMotion) -> Pixels:
        """Returns the painting of the frame that `motion` is of, stabilized; both are H x W x 3 uint8 RGB."""
        last, shown = self._last, painted
        if last is not None and motion.before is self._view and last.shape[:2] == painted.shape[:2]:
            painted = self._blended(last, painted, motion)
            shown = painted if painted is shown else _restored(painted, shown)
        self.resume(motion.view, painted)
        return shown

    def _blended(self, last: Pixels, painted: Pixels, motion: SceneMotion) -> Pixels:
        if motion.flow is None or motion.new is None:
            return painted
        size = painted.shape[1], painted.shape[0]
        if self._moved.shape != last.shape:
            self._moved, self._grid = np.empty_like(last), pixel_grid(*size)
            self._sources = np.empty_like(self._grid)
        cv2.resize(motion.flow, size, dst=self._sources, interpolation=cv2.INTER_LINEAR)
        cv2.add(self._sources, self._grid, dst=self._sources)
        cv2.remap(  # type: ignore[call-overload]
            last, self._sources, None, cv2.INTER_LINEAR, dst=self._moved, borderMode=cv2.BORDER_REPLICATE
        )
        moved = _plausible(cv2.cvtColor(self._moved, cv2.COLOR_RGBA2RGB), painted)
        mixed = cv2.addWeighted(moved, motion.kept, painted, 1 - motion.kept, 0)
        new = cv2.resize(motion.new, size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.copyTo(painted, new, mixed), dtype=np.uint8)


def _plausible(moved: MatLike, painted: Pixels) -> MatLike:
    """Returns the moved painting held within what the new one has around each pixel, so that what is older is gone."""
    lowest, highest = cv2.erode(painted, _NEIGHBOURS), cv2.dilate(painted, _NEIGHBOURS)
    return cv2.min(cv2.max(moved, lowest), highest)


def _restored(mixed: Pixels, painted: Pixels) -> Pixels:
    """Returns the mixed painting with the detail that the new one has more; repeated, it would run away."""
    amount = min(1.0, _RESTORED * (_detail(painted) / max(_detail(mixed), 1e-3) - 1))
    if amount < 0.02:
        return mixed
    smooth = cv2.blur(mixed, (_DETAIL_SIZE, _DETAIL_SIZE))
    return np.asarray(cv2.addWeighted(mixed, 1 + amount, smooth, -amount, 0), dtype=np.uint8)


def _detail(picture: Pixels) -> float:
    """Returns how much there is between noise and what is large, in the mean over every fourth row."""
    rows = picture[::4]
    return cv2.norm(cv2.blur(rows, (_FINEST, 1)), cv2.blur(rows, (_COARSEST, 1)), cv2.NORM_L1) / rows.size
