"""Paints single pictures of any size: whole where that fits, else in bands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from realtime.backends import Backend
from realtime.frames import Frame, Pixels
from realtime.media.photo import Photo
from realtime.stylize.compositing import at_strength, with_colors_of
from realtime.stylize.pipeline import NetPipeline
from realtime.stylize.styles import LoadedStyle
from realtime.stylize.tiled import paint_in_bands

# A picture of more pixels takes more memory whole than the app should.
MOST_PIXELS_WHOLE = 16_000_000
_STRIP_ROWS = 512
# A painter is made for one size; of photographs in many sizes, so many painters are kept.
_MOST_PAINTERS = 3


@dataclass(frozen=True)
class PhotoLook:
    """How pictures are painted, beyond the style."""

    strength: float = 1.0
    keep_colors: bool = False
    mirrored: bool = False


class PhotoPainter:
    """Paints one picture after another; `close` gives back what it holds."""

    def __init__(self, backend: Backend, look: PhotoLook) -> None:
        self._backend, self._look = backend, look
        self._pipeline = NetPipeline(backend)
        self._sizes: set[tuple[int, int]] = set()

    def close(self) -> None:
        self._pipeline.close()

    def paint(self, photo: Photo, painting: LoadedStyle, report: Callable[[float], object] | None = None) -> Photo:
        """Returns the picture painted; alpha and what the file says of it stay. report: called with the share done."""
        if self._look.mirrored:
            alpha = None if photo.alpha is None else np.ascontiguousarray(photo.alpha[:, ::-1])
            photo = replace(photo, pixels=np.ascontiguousarray(photo.pixels[:, ::-1]), alpha=alpha)
        painted = self._painted(photo.pixels, painting, report)
        if self._look.keep_colors or self._look.strength < 1:
            self._touch(painted, photo.pixels)
        return replace(photo, pixels=painted)

    def _touch(self, painted: Pixels, pixels: Pixels) -> None:
        """Gives the painting colours and strength, strip by strip: a huge picture should not be in memory once more."""
        for top in range(0, len(painted), _STRIP_ROWS):
            strip, photo = painted[top : top + _STRIP_ROWS], pixels[top : top + _STRIP_ROWS]
            if self._look.keep_colors:
                strip = with_colors_of(strip, photo)
            painted[top : top + _STRIP_ROWS] = at_strength(strip, photo, self._look.strength)

    def _painted(self, pixels: Pixels, painting: LoadedStyle, report: Callable[[float], object] | None) -> Pixels:
        height, width = pixels.shape[:2]
        if width * height > MOST_PIXELS_WHOLE:
            return paint_in_bands(painting.net, pixels, painting.vector, report)
        self._sizes.add((width, height))
        if len(self._sizes) > _MOST_PAINTERS:
            self.close()
            self._pipeline, self._sizes = NetPipeline(self._backend), {(width, height)}
        self._pipeline.start(Frame(pixels, 0, time.monotonic()), painting)
        return self._pipeline.finish().pixels
