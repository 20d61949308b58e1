"""Small paintings that show what a style does: a picture of the bundled scene, painted by the net itself."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.backends import Backend
from realtime.frames import Frame, Pixels
from realtime.sources.scene import Scene
from realtime.stylize.pipeline import NetPipeline
from realtime.stylize.styles import LoadedStyle

# Painted larger than it is shown, since a net has strokes of a few pixels.
_PAINTED, _SHOWN = (192, 144), (96, 72)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """72 x 96 x 3 uint8 RGB; the same object for the same style."""

    pixels: Pixels


class Thumbnails:
    """Thumbnails of styles, each painted once, in the background. Close them when the background has ended.

    backend: what paints them, in the thread of `background`, which must be a single one.
    """

    def __init__(self, backend: Backend, background: Executor) -> None:
        self._pipeline, self._background = NetPipeline(backend), background
        self._scene: Pixels | None = None
        self._painted: dict[LoadedStyle, Future[Thumbnail]] = {}

    def of(self, painting: LoadedStyle) -> Thumbnail | None:
        """Returns the thumbnail; None while it is being painted, and where the backend cannot paint it."""
        if painting not in self._painted:
            self._painted[painting] = self._background.submit(self._paint, painting)
        future = self._painted[painting]
        # a thumbnail is an ornament: why the net cannot be loaded is told where it is needed
        return future.result() if future.done() and future.exception() is None else None

    def close(self) -> None:
        self._pipeline.close()

    def _paint(self, painting: LoadedStyle) -> Thumbnail:
        if self._scene is None:
            self._scene = Scene(*_PAINTED).draw(0)
        self._pipeline.start(Frame(self._scene, 0, 0.0), painting)
        painted = self._pipeline.finish().pixels
        return Thumbnail(np.asarray(cv2.resize(painted, _SHOWN, interpolation=cv2.INTER_AREA), dtype=np.uint8))
