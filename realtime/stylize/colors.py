"""The colours of a second picture: a painting gets its mean and its spread of colours.

Both are Gaussians in a space of brightness and two opponent colours. The linear map that moves colours least from one
to the other (Pitié and Kokaram 2007, after Monge and Kantorovich) is one matrix for all pixels, so that it costs little
and adds no edges of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frames import Pixels
from realtime.media.photo import Photo, PhotoError, read_photo

# Where the colours of a painting may come from, besides a picture.
STYLE, SOURCE = "style", "source"
# Brightness, red against green and blue against yellow, of gamma-encoded RGB: as YCbCr, and about as the eye has it.
_OPPONENT = np.array([[0.299, 0.587, 0.114], [0.5, -0.418688, -0.081312], [-0.168736, -0.331264, 0.5]])
_RGB = np.linalg.inv(_OPPONENT)
# How much of the picture's brightness and contrast a painting takes. With all, dark pictures would hide the painting;
# with none, their colours are not theirs any more.
_BRIGHTNESS = 0.5
# A variance, in levels squared, that every picture is taken to have: what is all of one colour has no spread to match.
_LEAST_VARIANCE = 9.0
# No difference between colours grows more than this, or the noise of grey paintings would be seen.
_MOST_SPREAD = 3.0
# As many pixels are enough for a mean and a spread.
_SAMPLES = 20_000
_LONGEST_DECODED = 1024
_OPAQUE = 128

# Rows of a map of RGB: three factors and what is added.
ColorMap = NDArray[np.float32]
_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Palette:
    """The colours of a picture.

    Args:
        name: of the picture's file.
        mean: of brightness and the two opponent colours, in levels.
        covariance: of the three, row by row, in levels squared.
    """

    name: str
    mean: tuple[float, ...]
    covariance: tuple[float, ...]


@dataclass(frozen=True)
class Coloring:
    """Whose colours a painting has.

    Args:
        name: "style", "source" or "picture".
        palette: the picture's; None if it is not one.
    """

    name: str = STYLE
    palette: Palette | None = None

    @property
    def of_source(self) -> bool:
        """Whether the colours are those of what is painted."""
        return self.name == SOURCE


def coloring(choice: str | None, keep_colors: bool = False) -> Coloring:
    """Returns whose colours are asked for.

    Args:
        choice: "style", "source" or the path of a picture; None for nothing.
        keep_colors: asks for those of the source, if nothing else is asked for.

    Raises PhotoError if the picture cannot be read.
    """
    choice = choice or (SOURCE if keep_colors else STYLE)
    if choice in {STYLE, SOURCE}:
        return Coloring(choice)
    return Coloring("picture", read_palette(Path(choice)))


def read_palette(path: Path) -> Palette:
    """Returns the colours of a picture file, without its transparent parts. Raises PhotoError."""
    if not path.is_file():
        raise PhotoError(f"no file {path}; expected style, source or a picture whose colors are wanted")
    try:
        return palette_of(read_photo(path, _LONGEST_DECODED), path.name)
    except PhotoError as exc:
        if str(path) in str(exc):
            raise
        raise PhotoError(f"the colors of {path} cannot be used: {exc}") from exc


def palette_of(photo: Photo, name: str) -> Palette:
    """Returns the colours of a picture, without its transparent parts unless nothing else is there."""
    colors = _sampled(photo.pixels)
    if photo.alpha is not None:
        opaque = _sampled(photo.alpha[:, :, None])[:, 0] >= _OPAQUE
        colors = colors[opaque] if opaque.any() else colors
    mean, covariance = _statistics(colors)
    return Palette(name, tuple(mean.tolist()), tuple(covariance.ravel().tolist()))


def color_map(painted: Pixels, palette: Palette) -> ColorMap:
    """Returns what gives a painting, H x W x 3 uint8 RGB, the colours of a picture: 3 x 4 factors of R, G, B and 1."""
    mean, covariance = _statistics(_sampled(painted))
    wanted_mean, wanted = np.array(palette.mean), np.reshape(palette.covariance, (3, 3))
    share = (covariance[0, 0] / wanted[0, 0]) ** ((1 - _BRIGHTNESS) / 2)
    contrast = np.array([share, 1.0, 1.0])
    wanted = contrast[:, None] * wanted * contrast
    wanted_mean[0] += (1 - _BRIGHTNESS) * (mean[0] - wanted_mean[0])
    matrix = _RGB @ _transport(covariance, wanted) @ _OPPONENT
    offset = _RGB @ wanted_mean - matrix @ _RGB @ mean
    return np.hstack([matrix, offset[:, None]]).astype(np.float32)


def recolored(painted: Pixels, colors: ColorMap) -> Pixels:
    """Returns a painting, or a part of one, in other colours; H x W x 3 uint8 RGB."""
    return np.asarray(cv2.transform(painted, colors), dtype=np.uint8)


def _sampled(pixels: Pixels) -> Pixels:
    """Returns pixels from all over a picture, N x channels."""
    height, width, channels = pixels.shape
    step = max(1, int((height * width / _SAMPLES) ** 0.5))
    return np.ascontiguousarray(pixels[::step, ::step]).reshape(-1, channels)


def _statistics(colors: Pixels) -> tuple[_Numbers, _Numbers]:
    """Returns the mean and the covariance of N x 3 colours of RGB, in brightness and opponent colours."""
    flags = cv2.COVAR_ROWS | cv2.COVAR_NORMAL | cv2.COVAR_SCALE
    covariance, mean = cv2.calcCovarMatrix(colors, np.empty(0), flags, ctype=cv2.CV_64F)
    return _OPPONENT @ mean[0], _OPPONENT @ covariance @ _OPPONENT.T + _LEAST_VARIANCE * np.eye(3)


def _transport(given: _Numbers, wanted: _Numbers) -> _Numbers:
    """Returns the symmetric matrix that makes the covariance `wanted` of `given`, as far as differences may grow."""
    root = _root(given)
    inverse = np.linalg.inv(root)
    spread, axes = np.linalg.eigh(inverse @ _root(root @ wanted @ root) @ inverse)
    limited: _Numbers = (axes * np.minimum(spread, _MOST_SPREAD)) @ axes.T
    return limited


def _root(matrix: _Numbers) -> _Numbers:
    values, axes = np.linalg.eigh(matrix)
    root: _Numbers = (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
    return root
