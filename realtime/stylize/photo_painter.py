"""Paints single pictures of any size: whole if that fits into memory, else in bands."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.backends import Backend
from realtime.frames import Frame, Pixels
from realtime.media.photo import Photo
from realtime.stylize.colors import Palette, color_map, coloring, recolored
from realtime.stylize.compositing import at_strength, mirrored, with_colors_of
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import MIN_SIDE, NetPipeline, padded, padded_size, scaled
from realtime.stylize.tiled import paint_in_bands

# Painting a picture of more pixels as a whole would take too much memory.
MOST_PIXELS_WHOLE = 16_000_000
_STRIP_ROWS = 512
# A painter is made for one size; of pictures in many sizes, this many painters are kept.
_MOST_PAINTERS = 3


@dataclass(frozen=True)
class PhotoLook:
    """How pictures are painted, besides the style.

    Args:
        strength: 0 for the picture itself up to 1 for the painting alone.
        keep_colors: the painting's brightness in the picture's colours.
        mirrored: swap left and right.
        brush: the share of the picture's width and height at which the net paints, above 0 and up to 1.
        palette: the colours of another picture for the painting, unless it keeps those of its own; None for neither.
    """

    strength: float = 1.0
    keep_colors: bool = False
    mirrored: bool = False
    brush: float = 1.0
    palette: Palette | None = None


def wanted_look(
    strength: float, colors: str | None, keep_colors: bool, *, mirrored: bool = False, brush: float = 1.0
) -> PhotoLook:
    """Returns the look that options ask for: `colors` and `keep_colors` as `coloring` takes them, the rest as it is.

    Raises PhotoError if the picture whose colours are asked for cannot be read.
    """
    chosen = coloring(colors, keep_colors)
    return PhotoLook(strength, chosen.of_source, mirrored, brush, chosen.palette)


class PhotoPainter:
    """Paints one picture after another; `close` gives back what it holds.

    Args:
        backend: what runs the nets; pictures above MOST_PIXELS_WHOLE are painted by OpenVINO whatever it is.
        look: how pictures are painted, besides the style.
    """

    def __init__(self, backend: Backend, look: PhotoLook) -> None:
        self._backend, self._look = backend, look
        self._pipeline = NetPipeline(backend)
        self._sizes: set[tuple[int, int]] = set()

    def close(self) -> None:
        """Closes the nets."""
        self._pipeline.close()

    def paint(self, photo: Photo, style: LoadedStyle, report: Callable[[float], object] | None = None) -> Photo:
        """Returns the picture painted; its alpha and its metadata stay.

        Args:
            photo: of any size.
            style: what it is painted with.
            report: called with the share done, 0..1; only pictures that are painted in bands report.

        Raises BackendUnavailableError if the net cannot be loaded, BandError if it cannot paint in bands.
        """
        if self._look.mirrored:
            alpha = None if photo.alpha is None else np.ascontiguousarray(photo.alpha[:, ::-1])
            photo = replace(photo, pixels=mirrored(photo.pixels), alpha=alpha)
        painted = self._painted(photo.pixels, style, report)
        if self._look.keep_colors or self._look.palette is not None or self._look.strength < 1:
            self._compose(painted, photo.pixels)
        return replace(photo, pixels=painted)

    def _compose(self, painted: Pixels, pixels: Pixels) -> None:
        """Gives the painting colours and strength, strip by strip: there is no memory for a huge picture once more."""
        palette = None if self._look.keep_colors else self._look.palette
        colors = None if palette is None else color_map(painted, palette)
        for top in range(0, len(painted), _STRIP_ROWS):
            strip, photo = painted[top : top + _STRIP_ROWS], pixels[top : top + _STRIP_ROWS]
            if self._look.keep_colors:
                strip = with_colors_of(strip, photo)
            elif colors is not None:
                strip = recolored(strip, colors)
            painted[top : top + _STRIP_ROWS] = at_strength(strip, photo, self._look.strength)

    def _painted(self, pixels: Pixels, style: LoadedStyle, report: Callable[[float], object] | None) -> Pixels:
        height, width = pixels.shape[:2]
        # a line of pixels becomes a stripe when it is extended for the net
        if math.prod(padded_size(style.net, (width, height))) > MOST_PIXELS_WHOLE:
            extended = padded(pixels, style.net.size_multiple) if min(width, height) < MIN_SIDE else pixels
            return self._painted_in_bands(extended, style, report)[:height, :width]
        self._sizes.add((width, height))
        if len(self._sizes) > _MOST_PAINTERS:
            self.close()
            self._pipeline, self._sizes = NetPipeline(self._backend), {(width, height)}
        self._pipeline.start(Frame(pixels, 0, time.monotonic()), style, self._look.brush)
        return self._pipeline.finish().pixels

    def _painted_in_bands(self, pixels: Pixels, style: LoadedStyle, report: Callable[[float], object] | None) -> Pixels:
        height, width = pixels.shape[:2]
        size = scaled((width, height), self._look.brush, style.net)
        if size == (width, height):
            return paint_in_bands(style.net, pixels, style.vector, report)
        small = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        painted = paint_in_bands(style.net, small, style.vector, report)
        # there is no memory for the detail that smaller pictures get back
        return np.asarray(cv2.resize(painted, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
