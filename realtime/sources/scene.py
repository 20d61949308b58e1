"""The bundled scene, for people without a camera at hand: a sailing boat off a hilly coast, drawn by code.

Its layers are drawn once and then only shifted, so that a frame costs almost nothing compared with painting it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frames import Frame, Pixels, Size
from realtime.sources.base import BaseSource, SourceInfo

Floats = NDArray[np.float32]

# What to type for the scene, and its name.
TEST_SCENE = "test"
# Frames per second.
SCENE_RATE = Fraction(30)
_SEED = 1810
# After this many frames every layer is back where it began.
LOOP_FRAMES = 600
_WAVES = 5


def _noise(height: int, width: int, cell: int, rng: np.random.Generator) -> Floats:
    """Returns height x width of smooth noise in 0..1 that wraps around left to right.

    Args:
        height: rows.
        width: columns.
        cell: width of its largest blobs, in pixels; each further octave is half as large.
        rng: where random numbers come from.
    """
    total = np.zeros((height, width), np.float32)
    weight, weights = 1.0, 0.0
    while cell >= 2:
        rows, columns = max(2, height // cell + 2), max(2, width // cell)
        grid = rng.random((rows, columns), dtype=np.float32)
        # two columns of the other end on either side, so that cubic interpolation leaves no seam
        grid = np.concatenate([grid[:, -2:], grid, grid[:, :2]], axis=1)
        whole = (round(width * (columns + 4) / columns), height)
        left = round(2 * width / columns)
        total += weight * cv2.resize(grid, whole, interpolation=cv2.INTER_CUBIC)[:, left : left + width]
        weights += weight
        weight, cell = weight * 0.55, cell // 2
    clipped: Floats = np.clip(total / weights, 0, 1)
    return clipped


def _gradient(height: int, width: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Floats:
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    colors = np.array(top, np.float32) * (1 - share) + np.array(bottom, np.float32) * share
    return np.repeat(colors, width, axis=1).astype(np.float32)


@dataclass(frozen=True)
class _Layer:
    """A strip that is shifted sideways and wraps around.

    Args:
        pixels: H x W x 3 uint8 RGB.
        mask: H x W uint8, 255 where it is drawn; None for everywhere.
        top: the row at which it starts.
        loops: how often it wraps around in LOOP_FRAMES.
    """

    pixels: Pixels
    mask: NDArray[np.uint8] | None
    top: int
    loops: int

    def draw(self, canvas: Pixels, index: int) -> None:
        """Draws the strip as it is in frame `index`."""
        strip_width, width = self.pixels.shape[1], canvas.shape[1]
        shift = index * self.loops * strip_width // LOOP_FRAMES % strip_width
        target = canvas[self.top : self.top + self.pixels.shape[0]]
        done = 0
        while done < width:
            start = (shift + done) % strip_width
            count = min(width - done, strip_width - start)
            section, window = self.pixels[:, start : start + count], target[:, done : done + count]
            if self.mask is None:
                window[:] = section
            else:
                cv2.copyTo(section, self.mask[:, start : start + count], window)
            done += count


class SceneSource(BaseSource):
    """The bundled scene as a source, as fast as it is read.

    Args:
        size: width and height.
        rate: frames per second.
        frame_count: how many frames there are; None for no end.
    """

    def __init__(self, size: Size, rate: Fraction = SCENE_RATE, frame_count: int | None = None) -> None:
        super().__init__(
            SourceInfo(TEST_SCENE, size, rate, 1 / rate, endless=frame_count is None, frame_count=frame_count)
        )
        self._scene = Scene(*size)

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of the scene, at index / rate."""
        index = 0
        while self.info.frame_count is None or index < self.info.frame_count:
            yield Frame(self._scene.draw(index), index, time.monotonic(), index / self.rate)
            index += 1


class Scene:
    """Draws the frames of the scene.

    Args:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        rng = np.random.default_rng(_SEED)
        self._horizon = round(height * 0.55)
        self._layers = (self._sky(rng), self._hills(rng))
        self._waves = tuple(self._wave_row(rng, row) for row in range(_WAVES))
        self._boat, self._boat_mask = _boat(max(8, height * 2 // 5))

    def draw(self, index: int) -> Pixels:
        """Returns frame `index`, H x W x 3 uint8 RGB; frames repeat after LOOP_FRAMES."""
        canvas = np.empty((self.height, self.width, 3), np.uint8)
        for layer in self._layers:
            layer.draw(canvas, index)
        for row, wave in enumerate(self._waves):
            if row == 3:
                self._draw_boat(canvas, index)
            wave.draw(canvas, index)
        return canvas

    def _strip_width(self) -> int:
        return max(16, self.width * 3 // 2)

    def _sky(self, rng: np.random.Generator) -> _Layer:
        width, height = self._strip_width(), min(self.height, self._wave_top(0) + self._crest(0) + 1)
        sky = _gradient(height, width, (40, 96, 176), (250, 212, 160))
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        distance = np.hypot(rows - height * 0.62, columns - width * 0.4) / max(1, height)
        sky += np.exp(-((distance * 3) ** 2))[..., None] * np.array((90, 60, -40), np.float32)
        sky[distance < 0.13] = (255, 244, 200)
        clouds = np.clip((_noise(height, width, max(4, self.width // 4), rng) - 0.48) * 4, 0, 1)[..., None]
        shade = 200 + 55 * _noise(height, width, max(4, self.width // 12), rng)[..., None]
        sky = sky * (1 - 0.85 * clouds) + shade * np.array((1.0, 0.96, 0.92), np.float32) * 0.85 * clouds
        return _Layer(np.clip(sky, 0, 255).astype(np.uint8), None, 0, 1)

    def _hills(self, rng: np.random.Generator) -> _Layer:
        width, height = self._strip_width(), max(4, self.height // 4)
        ridge = _noise(2, width, max(4, self.width // 5), rng)[0] * 0.8
        rows = np.arange(height, dtype=np.float32)[:, None] / height
        mask = np.where(rows > ridge[None], 255, 0).astype(np.uint8)
        rock = _noise(height, width, max(4, self.width // 20), rng)[..., None]
        hills = _gradient(height, width, (96, 104, 120), (52, 84, 60)) * (0.6 + 0.8 * rock)
        return _Layer(np.clip(hills, 0, 255).astype(np.uint8), mask, self._wave_top(0) + self._crest(0) - height + 1, 2)

    def _wave_top(self, row: int) -> int:
        return self._horizon + round((self.height - self._horizon) * row / 5.5)

    def _crest(self, row: int) -> int:
        """Returns the number of rows between the highest and the lowest point of a wave."""
        return 2 + round(self.height * 0.012 * (row + 1))

    def _wave_row(self, rng: np.random.Generator, row: int) -> _Layer:
        width = self._strip_width()
        top = self._wave_top(row)
        # only down to the crests of the next row, which hide the rest
        bottom = self.height if row == _WAVES - 1 else self._wave_top(row + 1) + self._crest(row + 1) + 1
        height = min(self.height, bottom) - top
        columns = np.linspace(0, 2 * np.pi, width, endpoint=False, dtype=np.float32)
        swell = 0.5 + 0.3 * np.sin(columns * (5 - row // 2) + row) + 0.2 * np.sin(columns * 11 + 2 * row)
        crest = swell * self._crest(row)
        rows = np.arange(height, dtype=np.float32)[:, None]
        mask = np.where(rows >= crest[None], 255, 0).astype(np.uint8)
        water = _gradient(height, width, (34, 110 - 12 * row, 150 - 14 * row), (6, 34, 66))
        water *= 0.55 + 0.9 * _noise(height, width, max(4, self.width // 16), rng)[..., None]
        foam = np.clip(1 - np.abs(rows - crest[None]) / (2 + row), 0, 1)[..., None]
        foamy = water * (1 - 0.8 * foam) + 235 * 0.8 * foam
        return _Layer(np.clip(foamy, 0, 255).astype(np.uint8), mask, top, (2, 3, 4, 5, 7)[row])

    def _draw_boat(self, canvas: Pixels, index: int) -> None:
        height, width = self._boat.shape[:2]
        phase = 2 * np.pi * index / LOOP_FRAMES
        left = round((self.width - width) * (0.5 + 0.45 * np.sin(phase)))
        bottom = round(self._horizon + (self.height - self._horizon) * 0.5 + self.height * 0.015 * np.sin(9 * phase))
        top = bottom - height
        tilt = cv2.getRotationMatrix2D((width / 2, height), 4 * np.sin(7 * phase), 1)
        boat, mask = (
            cv2.warpAffine(layer, tilt, (width, height), flags=cv2.INTER_NEAREST)
            for layer in (self._boat, self._boat_mask)
        )
        rows = slice(max(0, -top), height)
        columns = slice(max(0, -left), min(width, self.width - left))
        window = canvas[top + rows.start : bottom, left + columns.start : left + columns.stop]
        cv2.copyTo(np.ascontiguousarray(boat[rows, columns]), np.ascontiguousarray(mask[rows, columns]), window)


def _boat(height: int) -> tuple[Pixels, NDArray[np.uint8]]:
    """Returns a sailing boat, H x H x 3 uint8 RGB, and its mask, H x H uint8."""
    width = height
    boat = np.zeros((height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)

    def polygon(points: list[tuple[float, float]], color: tuple[int, int, int]) -> None:
        corners = [np.array([(x * width, y * height) for x, y in points], np.int32)]
        cv2.fillPoly(boat, corners, color)
        cv2.fillPoly(mask, corners, 255)

    polygon([(0.08, 0.8), (0.95, 0.78), (0.8, 0.98), (0.22, 0.98)], (120, 58, 34))
    polygon([(0.08, 0.8), (0.95, 0.78), (0.93, 0.82), (0.1, 0.84)], (222, 196, 150))
    polygon([(0.46, 0.03), (0.49, 0.03), (0.5, 0.8), (0.46, 0.8)], (70, 44, 30))
    polygon([(0.44, 0.06), (0.44, 0.74), (0.1, 0.72)], (244, 232, 206))
    polygon([(0.52, 0.1), (0.9, 0.72), (0.52, 0.74)], (204, 64, 46))
    for stripe in range(1, 6):
        y = 0.1 + 0.11 * stripe
        cv2.line(
            boat,
            (round(0.44 * width), round(y * height)),
            (round(0.2 * width), round((y + 0.04) * height)),
            (196, 178, 150),
            1,
        )
    return boat, mask
