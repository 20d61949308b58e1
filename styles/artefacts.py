"""Finds what a net adds that no painter would: checkerboards and dots, and a frame around the picture.

Dots of a net sit on the lattice of its upsampling. Their energy is a peak of the spectrum at exactly 1/2 or 1/4 of the
sampling frequency, across or down; that of brush strokes is spread smoothly, so the spectrum beside the peak says how
much there would be without the dots. A frame is the same at every place along the edge: rows near the edge that are
busier, emptier, brighter or darker than those further in, on average over the photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

BORDER = 16  # pixels
# The rows further in with which the border is compared.
_NEIGHBOURHOOD = 48
# In the spectrum: a peak is within 1 bin of the lattice frequency, its neighbourhood from 4 to 10 bins.
_PEAK, _NEAR, _FAR = 1, 4, 10

MAX_PERIOD_RATIO = 2.0
MAX_BORDER_RATIO = 2.0
MAX_BORDER_SHIFT = 0.25


@dataclass(frozen=True)
class Artefacts:
    """`period2`, `period4`: energy at periods of 2 and 4 pixels over that of the neighbouring frequencies; 1 is clean.

    border: how many times busier or emptier (whichever is more) the worst of the 16 outermost rows is than the rows
    further in, beyond what the photographs have themselves; 1 is clean. border_shift: how much brighter or darker its
    mean is, in standard deviations of the paintings' pixels; 0 is clean.
    """

    period2: float
    period4: float
    border: float
    border_shift: float

    @property
    def found(self) -> tuple[str, ...]:
        """What is beyond its bound, in words; empty where the paintings are clean."""
        checks = (
            (self.period2 > MAX_PERIOD_RATIO, "a pattern of 2 pixels"),
            (self.period4 > MAX_PERIOD_RATIO, "a pattern of 4 pixels"),
            (self.border > MAX_BORDER_RATIO, "an edge busier or emptier than the inside"),
            (self.border_shift > MAX_BORDER_SHIFT, "an edge brighter or darker than the inside"),
        )
        return tuple(words for beyond, words in checks if beyond)


def find_artefacts(photos: Sequence[NDArray[np.uint8]], paintings: Sequence[NDArray[np.uint8]]) -> Artefacts:
    """Returns the artefacts of paintings of photographs: all H x W x 3 uint8 of one size, at least 128 x 128."""
    spectrum = np.mean([_spectrum(painting) for painting in paintings], axis=0)
    return Artefacts(
        period2=_lattice_ratio(spectrum, 2),
        period4=_lattice_ratio(spectrum, 4),
        border=_border_ratio(photos, paintings),
        border_shift=_border_shift(photos, paintings),
    )


def _spectrum(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the power spectrum, H x W, summed over the colours (coloured fringes count as well as grey dots)."""
    pixels = picture.astype(np.float64) / 255
    height, width = pixels.shape[:2]
    window = np.hanning(height)[:, None] * np.hanning(width)
    waves = np.fft.fft2((pixels - pixels.mean(axis=(0, 1))) * window[:, :, None], axes=(0, 1))
    power: NDArray[np.float64] = (np.abs(waves) ** 2).sum(axis=2)
    return power


def _lattice_ratio(spectrum: NDArray[np.float64], period: int) -> float:
    """Returns the greatest ratio of peak to neighbourhood over the lattice frequencies of that period.

    A lattice of 4 pixels has overtones at a period of 2; those count there.
    """
    steps = range(period)
    frequencies = [(y, x) for y, x in product(steps, steps) if not _belongs_to_half(y, x, period)]
    return max(_peak_ratio(spectrum, y / period, x / period) for y, x in frequencies)


def _belongs_to_half(y: int, x: int, period: int) -> bool:
    """Whether the frequency (y, x) / period is one of half the period already (for 2: of none at all)."""
    return y % 2 == 0 and x % 2 == 0 if period > 2 else y == x == 0


def _peak_ratio(spectrum: NDArray[np.float64], y: float, x: float) -> float:
    height, width = spectrum.shape
    rows, columns = (np.arange(-_FAR, _FAR + 1) + round(f * n) for f, n in ((y, height), (x, width)))
    around = spectrum[np.ix_(rows % height, columns % width)]
    offset = np.abs(np.arange(-_FAR, _FAR + 1))
    peak, beside = offset <= _PEAK, offset >= _NEAR
    # Upright and level edges make bright lines in every spectrum: the neighbours on the brighter line count.
    neighbours = max(around[np.ix_(peak, beside)].mean(), around[np.ix_(beside, peak)].mean())
    return float(around[np.ix_(peak, peak)].mean() / neighbours)


def _border_ratio(photos: Sequence[NDArray[np.uint8]], paintings: Sequence[NDArray[np.uint8]]) -> float:
    painted, plain = (_by_distance([_activity(p) for p in pictures]) for pictures in (paintings, photos))
    ratio = (painted[:BORDER] / painted[BORDER:].mean()) / (plain[:BORDER] / plain[BORDER:].mean())
    return float(np.maximum(ratio, 1 / ratio).max())


def _border_shift(photos: Sequence[NDArray[np.uint8]], paintings: Sequence[NDArray[np.uint8]]) -> float:
    shifts = []
    for pictures in (paintings, photos):
        grey = [picture.astype(np.float64).mean(axis=2) for picture in pictures]
        profile = _by_distance(grey)
        shifts.append((profile[:BORDER] - profile[BORDER:].mean()) / np.mean([g.std() for g in grey]))
    return float(np.abs(shifts[0] - shifts[1]).max())


def _activity(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the squared difference from the mean of the four neighbours, H x W."""
    grey = np.pad(picture.astype(np.float64).mean(axis=2), 1, mode="reflect")
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    activity: NDArray[np.float64] = (grey[1:-1, 1:-1] - around / 4) ** 2
    return activity


def _by_distance(maps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns the mean of the maps at each distance from the nearest edge, up to the neighbourhood's."""
    height, width = maps[0].shape
    rows, columns = (np.minimum(np.arange(n), np.arange(n)[::-1]) for n in (height, width))
    distance = np.minimum(rows[:, None], columns).ravel()
    mean = np.mean(maps, axis=0).ravel()
    inside = distance < BORDER + _NEIGHBOURHOOD
    sums = np.bincount(distance[inside], mean[inside])
    return sums / np.bincount(distance[inside])
