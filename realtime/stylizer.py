"""Paints frames in order, several in flight, whichever styles and nets they are to be painted with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from realtime.backends import Backend, Net, Painter
from realtime.frames import Frame, Pixels
from realtime.repertoire import Painting

# A net reflects the picture at its borders, and OpenVINO's own smallest size is not below this either.
MIN_SIDE = 16


@dataclass(frozen=True, eq=False)
class Painted:
    """A frame and what became of it; `pixels` is the frame's own picture where no style was wanted."""

    frame: Frame
    pixels: Pixels


class Stylizer:
    """Frames in, paintings out, in the same order. A context manager; painters are opened as they are first needed.

    `start` up to `depth` frames, then `finish` them. A painter is loaded for one net and one size; a change of style
    within a net costs nothing.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._painters: dict[tuple[Net, int, int], Painter] = {}
        self._retired: list[Painter] = []
        self._begun: deque[tuple[Frame, Painter | None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for painter in [*self._painters.values(), *self._retired]:
            painter.close()
        self._painters.clear()

    def change_backend(self, backend: Backend) -> None:
        """Paints with another backend from the next frame on; what is in flight is finished by the old one."""
        self._retired.extend(self._painters.values())
        self._painters.clear()
        self.backend = backend

    def painter(self, net: Net, size: tuple[int, int]) -> Painter:
        """Returns the painter for frames of `size` (width, height), loading it if it is new."""
        width, height = (_padded(side, net.size_multiple) for side in size)
        key = (net, width, height)
        if key not in self._painters:
            self._painters[key] = self.backend.open(net, width, height)
        return self._painters[key]

    def start(self, frame: Frame, painting: Painting | None) -> None:
        """Begins to paint a frame; without a painting it passes as it is."""
        painter = None
        if painting is not None:
            painter = self.painter(painting.net, frame.size)
            painter.start(_pad(frame.pixels, painting.net.size_multiple), painting.vector)
        self._begun.append((frame, painter))

    def finish(self) -> Painted:
        """Waits for the oldest frame begun."""
        frame, painter = self._begun.popleft()
        if painter is None:
            return Painted(frame, frame.pixels)
        width, height = frame.size
        return Painted(frame, painter.finish()[:height, :width])

    @property
    def in_flight(self) -> int:
        """How many frames have been begun and not finished."""
        return len(self._begun)

    def drain(self) -> Iterator[Painted]:
        """Finishes what has been begun."""
        while self._begun:
            yield self.finish()


def _padded(side: int, multiple: int) -> int:
    return max(-(-side // multiple) * multiple, -(-MIN_SIDE // multiple) * multiple)


def _pad(pixels: Pixels, multiple: int) -> Pixels:
    """Returns the picture mirrored on at the right and the bottom up to a size that the net takes."""
    height, width = pixels.shape[:2]
    right, bottom = _padded(width, multiple) - width, _padded(height, multiple) - height
    if not right and not bottom:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REFLECT), dtype=np.uint8)
