"""Paints frames in order, several in flight, whichever styles and nets they are to be painted with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from realtime.backends import Backend, Net, Painter
from realtime.frames import Frame, Pixels
from realtime.stylize.compositing import enlarged
from realtime.stylize.mixing import at_strength
from realtime.stylize.styles import LoadedStyle

# A net reflects the picture at its borders, and OpenVINO's own smallest size is not below this either.
MIN_SIDE = 16


@dataclass(frozen=True, eq=False)
class Painted:
    """A frame and what became of it; `pixels` is the frame's own picture where no style was wanted."""

    frame: Frame
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class _Part:
    """A painting that has been begun: the picture that the painter got, and the share that it has in what is shown."""

    pixels: Pixels
    painter: Painter
    share: float


_Key = tuple[Net, int, int]


class Stylizer:
    """Frames in, paintings out, in the same order. A context manager; painters are opened as they are first needed.

    `start` up to `depth` frames, then `finish` them. A painter is loaded for one net and one size; a change of style
    within a net costs nothing. A net may paint at a `scale` of the frame's size: the painting is as large as the frame.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._painters: dict[_Key, Painter] = {}
        self._loading: dict[_Key, Future[Painter]] = {}
        self._retired: list[Painter] = []
        self._begun: deque[tuple[Frame, list[_Part]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for painter in [*self._painters.values(), *self._retired]:
            painter.close()
        self._painters.clear()
        self._forget_loading()

    def change_backend(self, backend: Backend, net: Net, size: tuple[int, int]) -> Painter:
        """Paints with another backend from the next frame on; what is in flight is finished by the old one.

        Returns the new painter of that net and size. Raises what the backend raises, and then goes on with the old one.
        """
        key = _key(net, size)
        painter = backend.open(*key)
        self._retired.extend(self._painters.values())
        self._painters = {key: painter}
        self._forget_loading()
        self.backend = backend
        return painter

    def painter(self, net: Net, size: tuple[int, int]) -> Painter:
        """Returns the painter for frames of `size` (width, height), loading it if it is new."""
        key = _key(net, size)
        if key not in self._painters:
            self._painters[key] = self.backend.open(*key)
        return self._painters[key]

    def is_ready(self, net: Net, size: tuple[int, int], background: Executor) -> bool:
        """Whether frames of that size are painted without delay; where not, the painter is loaded in the background.

        Raises what went wrong with the loading.
        """
        key = _key(net, size)
        if key in self._painters:
            return True
        if not self.backend.thread_safe_open:
            self.painter(net, size)
            return True
        if key not in self._loading:
            self._loading[key] = background.submit(self.backend.open, *key)
        if not self._loading[key].done():
            return False
        self._painters[key] = self._loading.pop(key).result()
        return True

    def start(
        self,
        frame: Frame,
        painting: LoadedStyle | None,
        scale: float = 1.0,
        under: tuple[LoadedStyle, float] | None = None,
    ) -> None:
        """Begins to paint a frame; without a painting it passes as it is.

        under: another painting, of another net, that shows through with a share in 0..1.
        """
        parts = []
        if painting is not None:
            parts.append(self._begin(frame, painting, scale, 1.0))
            if under is not None:
                parts.append(self._begin(frame, under[0], scale, under[1]))
        self._begun.append((frame, parts))

    def _begin(self, frame: Frame, painting: LoadedStyle, scale: float, share: float) -> _Part:
        pixels, size = frame.pixels, scaled(frame.size, scale, painting.net)
        if size != frame.size:
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        painter = self.painter(painting.net, size)
        painter.start(_pad(pixels, painting.net.size_multiple), painting.vector)
        return _Part(pixels, painter, share)

    def finish(self) -> Painted:
        """Waits for the oldest frame begun."""
        frame, parts = self._begun.popleft()
        pixels = frame.pixels
        for part in parts:
            height, width = part.pixels.shape[:2]
            painted = enlarged(part.painter.finish()[:height, :width], part.pixels, frame.pixels)
            pixels = at_strength(painted, pixels, part.share)
        return Painted(frame, pixels)

    @property
    def in_flight(self) -> int:
        """How many frames have been begun and not finished."""
        return len(self._begun)

    @property
    def depth(self) -> int:
        """How many frames may be in flight."""
        return min((painter.depth for painter in self._painters.values()), default=2)

    def drain(self) -> Iterator[Painted]:
        """Finishes what has been begun."""
        while self._begun:
            yield self.finish()

    def _forget_loading(self) -> None:
        for future in self._loading.values():
            future.add_done_callback(_close_unused)
        self._loading.clear()


def scaled(size: tuple[int, int], scale: float, net: Net) -> tuple[int, int]:
    """Returns the width and height at which the net paints; below 1 a size that it takes without padding."""
    if scale >= 1:
        return size
    multiple = net.size_multiple
    width, height = (_padded(min(side, round(side * scale / multiple) * multiple), multiple) for side in size)
    # a picture too small to be made smaller is painted as it is
    return (width, height) if width < size[0] and height < size[1] else size


def _close_unused(future: Future[Painter]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()


def _key(net: Net, size: tuple[int, int]) -> _Key:
    width, height = padded_size(net, size)
    return net, width, height


def padded_size(net: Net, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the width and height to which frames of that size are mirrored on before the net takes them."""
    width, height = (_padded(side, net.size_multiple) for side in size)
    return width, height


def _padded(side: int, multiple: int) -> int:
    return max(-(-side // multiple) * multiple, -(-MIN_SIDE // multiple) * multiple)


def _pad(pixels: Pixels, multiple: int) -> Pixels:
    """Returns the picture mirrored on at the right and the bottom up to a size that the net takes."""
    height, width = pixels.shape[:2]
    right, bottom = _padded(width, multiple) - width, _padded(height, multiple) - height
    if not right and not bottom:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REFLECT), dtype=np.uint8)
