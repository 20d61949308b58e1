"""The temporal stabilizer: the last painting, moved along with the scene, is blended into the next one.

The last painting counts only where the last frame, moved in the same way, explains the present one: not where something
was uncovered, not after a cut, not while the light jumps. So a moving edge leaves no ghost.

It has two halves. The motion needs the frames alone and is estimated on the CPU while the net paints (scene_motion.py).
The blend needs the painting and the one before. A GPU blends where it paints, by the graph of
build_engines/onnx/blend.py; for nets on a processor the same steps are here in OpenCV.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from cv2.typing import MatLike

from build_engines.onnx.blend import COARSEST, DETAIL_SIZE, EVERY_ROWS, FINEST, LEAST_DETAIL, LEAST_RESTORED, RESTORED
from realtime.backends import Blend, Blender
from realtime.frames import Pixels
from realtime.stylize.scene_motion import Floats, SceneMotion, pixel_grid

_NEIGHBOURS = np.ones((3, 3), np.uint8)


class _Keeper(Protocol):
    """What keeps the last painting; `realtime.backends.Blender` is one, too."""

    def kept(self) -> Pixels | None: ...
    def keep(self, painted: Pixels) -> None: ...


class Stabilizer:
    """Blends each painting with the one before: `blend` paintings in the order in which their frames were watched.

    Nothing is kept after a frame that was watched and not blended, between two styles, and of frames smaller than
    96 x 32.
    """

    def __init__(self) -> None:
        self._blender = PixelBlender()
        self._keeper: _Keeper = self._blender
        self._view: Pixels | None = None

    def forget(self) -> None:
        """Starts again: nothing is kept of what was painted so far."""
        self._blender.forget()
        self._view, self._keeper = None, self._blender

    @property
    def kept(self) -> Pixels | None:
        """What is kept of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""
        return None if self._view is None else self._keeper.kept()

    def resume(self, motion: SceneMotion, kept: Pixels) -> None:
        """Goes on where another run ended.

        Args:
            motion: of its last frame.
            kept: what `kept` was then.
        """
        self._view, self._keeper = motion.view, self._blender
        self._blender.keep(kept)

    def blend(self, painted: Pixels, motion: SceneMotion) -> Pixels:
        """Returns the painting of the frame that `motion` is of, stabilized; both are H x W x 3 uint8 RGB."""
        return self._blender.blend(painted, self._followed(motion, self._blender))

    def finish(self, blender: Blender, motion: SceneMotion) -> Pixels:
        """Returns the oldest painting that `blender`'s painter has in flight, of the frame of `motion`, stabilized."""
        return blender.finish(self._followed(motion, blender))

    def _followed(self, motion: SceneMotion, keeper: _Keeper) -> Blend | None:
        """Returns how to blend the next painting, which `keeper` keeps from now on; it gets the last one if need be."""
        blend = motion.blend if motion.before is self._view else None
        if blend is not None and keeper is not self._keeper:
            kept = self._keeper.kept()
            if kept is None:
                blend = None
            else:
                keeper.keep(kept)
        self._view, self._keeper = motion.view, keeper
        return blend


class PixelBlender:
    """Keeps the last painting, and blends it into the next, in OpenCV: in a fraction of the time of the graph's floats
    on a processor (docs/lab/stabilizer.md).
    """

    def __init__(self) -> None:
        # reused for every frame: megabytes fresh from the system cost time
        self._moved: Pixels = np.empty((0, 0, 4), np.uint8)
        self._sources: Floats = np.empty((2, 0, 0), np.float32)
        self._grid = self._sources
        self._last: Pixels | None = None

    def forget(self) -> None:
        """Lets go of the last painting."""
        self._last = None

    def kept(self) -> Pixels | None:
        """Returns what is kept of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""
        return None if self._last is None else np.asarray(cv2.cvtColor(self._last, cv2.COLOR_RGBA2RGB), dtype=np.uint8)

    def keep(self, painted: Pixels) -> None:
        """Keeps a painting, H x W x 3 uint8 RGB, in place of the last one."""
        # four channels are moved in half the time of three
        self._last = np.asarray(cv2.cvtColor(painted, cv2.COLOR_RGB2RGBA), dtype=np.uint8)

    def blend(self, painted: Pixels, blend: Blend | None) -> Pixels:
        """Returns a painting, H x W x 3 uint8 RGB, blended; that is also what is kept of it.

        Args:
            painted: the painting.
            blend: how; None to keep nothing of the last one.
        """
        last, shown = self._last, painted
        if blend is not None and last is not None and last.shape[:2] == painted.shape[:2]:
            painted = self._blended(last, painted, blend)
            shown = _restored(painted, shown)
        self.keep(painted)
        return shown

    def _blended(self, last: Pixels, painted: Pixels, blend: Blend) -> Pixels:
        size = painted.shape[1], painted.shape[0]
        if self._moved.shape != last.shape:
            self._moved, self._grid = np.empty_like(last), pixel_grid(*size)
            self._sources = np.empty_like(self._grid)
        for flow, grid, source in zip(blend.flow, self._grid, self._sources, strict=True):
            cv2.resize(flow, size, dst=source, interpolation=cv2.INTER_LINEAR)
            cv2.add(source, grid, dst=source)
        # two maps of one channel each are read faster than one of two
        from_x, from_y = self._sources
        cv2.remap(last, from_x, from_y, cv2.INTER_LINEAR, dst=self._moved, borderMode=cv2.BORDER_REPLICATE)
        moved = _plausible(cv2.cvtColor(self._moved, cv2.COLOR_RGBA2RGB), painted)
        mixed = np.asarray(cv2.addWeighted(moved, blend.kept, painted, 1 - blend.kept, 0), dtype=np.uint8)
        if cv2.countNonZero(blend.new):
            cv2.copyTo(painted, cv2.resize(blend.new, size, interpolation=cv2.INTER_NEAREST), mixed)
        return mixed


def _plausible(moved: MatLike, painted: Pixels) -> MatLike:
    """Returns the moved painting held within what the new one has around each pixel, so that what is older is gone."""
    lowest, highest = cv2.erode(painted, _NEIGHBOURS), cv2.dilate(painted, _NEIGHBOURS)
    return cv2.min(cv2.max(moved, lowest), highest)


def _restored(mixed: Pixels, painted: Pixels) -> Pixels:
    """Returns the mixed painting with the detail that the new one has more; repeated, it would run away."""
    amount = min(1.0, RESTORED * (_detail(painted) / max(_detail(mixed), LEAST_DETAIL) - 1))
    if amount < LEAST_RESTORED:
        return mixed
    smooth = cv2.blur(mixed, (DETAIL_SIZE, DETAIL_SIZE))
    return np.asarray(cv2.addWeighted(mixed, 1 + amount, smooth, -amount, 0), dtype=np.uint8)


def _detail(picture: Pixels) -> float:
    """Returns how much there is between noise and what is large, in the mean over every fourth row."""
    rows = picture[::EVERY_ROWS]
    return cv2.norm(cv2.blur(rows, (FINEST, 1)), cv2.blur(rows, (COARSEST, 1)), cv2.NORM_L1) / rows.size
