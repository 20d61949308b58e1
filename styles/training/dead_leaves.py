"""Draws pictures whose statistics are near those of photographs: things of all sizes, each before others.

They stand in where photographs are wanted and there are none. This is the dead leaves model (Lee, Mumford and Huang,
"Occlusion models for natural images", 2001); that networks learn from such pictures was shown by Baradad et al.
("Learning to see by looking at noise", 2021).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_LEAVES = 400
# The radius of a leaf as a share of the side; its inverse is spread evenly, so that there are things of all sizes.
_SMALLEST, _LARGEST = 0.012, 0.5
# The share of leaves that are boxes; the others are ellipses.
_BOXES = 0.3
# How fast textures and outlines lose strength with frequency, and by what share of the side outlines waver.
_TEXTURES = (1.0, 1.4, 1.8, 2.2)
_OUTLINE, _WAVERING = 2.6, 0.02


def dead_leaves(side: int, seed: int) -> NDArray[np.uint8]:
    """Returns side x side x 3 uint8 RGB; another seed, another picture."""
    rng = np.random.default_rng(seed)
    leaves = _leaves(side, rng)
    # each thing has its colour, which all of them share a little, its light from one side, and its texture
    brightness = rng.beta(1.8, 2.4, (_LEAVES, 1))
    colours = brightness + 0.8 * rng.beta(1, 3, (_LEAVES, 1)) * (rng.random((_LEAVES, 3)) - 0.5)
    colours += 0.25 * (rng.random(3) - 0.5)
    textures = [_noise(side, falloff, rng) for falloff in _TEXTURES]
    relief = np.choose(rng.integers(len(textures), size=_LEAVES)[leaves], textures)
    y, x = np.mgrid[:side, :side] / side - 0.5
    turned = rng.uniform(0, 2 * np.pi, _LEAVES)[leaves]
    shade = rng.exponential(0.3, _LEAVES)[leaves] * (x * np.cos(turned) + y * np.sin(turned))
    shade += rng.exponential(0.1, _LEAVES)[leaves] * relief
    picture = colours[leaves] + ((0.5 + brightness[leaves][..., 0]) * shade)[..., None]
    soft = cv2.GaussianBlur(np.clip(picture, 0, 1), (0, 0), rng.uniform(0.4, 1.0))
    pixels: NDArray[np.uint8] = np.round(255 * soft).astype(np.uint8)
    return pixels


def _leaves(side: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Returns which leaf is seen at each pixel: side x side."""
    seen = np.zeros((side, side), np.float32)
    for leaf in range(1, _LEAVES):
        radius = side / rng.uniform(1 / _LARGEST, 1 / _SMALLEST)
        centre = rng.uniform(-0.1, 1.1, 2) * side
        size = 2 * radius * np.exp(rng.uniform(0, 1)), 2 * radius * np.exp(-rng.uniform(0, 0.5))
        box = centre.tolist(), size, rng.uniform(0, 180)
        if rng.random() < _BOXES:
            cv2.fillPoly(seen, [np.round(cv2.boxPoints(box)).astype(np.int32)], leaf)
        else:
            cv2.ellipse(seen, box, leaf, -1)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    x, y = ((place + _WAVERING * side * _noise(side, _OUTLINE, rng)).astype(np.float32) for place in (x, y))
    return cv2.remap(seen, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101).astype(np.intp)


def _noise(side: int, falloff: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns noise of mean 0 and deviation 1 whose strength falls with frequency: side x side."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequencies[0, 0] = np.inf
    waves = rng.normal(size=(*frequencies.shape, 2)).view(np.complex128)[..., 0] / frequencies**falloff
    noise: NDArray[np.float64] = np.fft.irfft2(waves, s=(side, side))
    return noise / np.std(noise)
