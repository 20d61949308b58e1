"""Nets in flight: frames in, painted frames out in the same order, whichever nets and styles paint them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from realtime.backends import Backend, Blender, Net, Painter
from realtime.frames import Frame, Pixels
from realtime.stylize.compositing import at_strength, enlarged
from realtime.stylize.foreign import open_painter, rehearse
from realtime.stylize.loaded_style import LoadedStyle

# A net reflects the picture at its borders, and OpenVINO's own smallest size is not below this either.
MIN_SIDE = 16


@dataclass(frozen=True, eq=False)
class PaintedFrame:
    """A frame and its painting, both H x W x 3 uint8 RGB; `pixels` is the frame's own if no style was applied."""

    frame: Frame
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class _Layer:
    """A painting in progress.

    pixels: the frame at the net's scale. exact: whether the painter got the frame itself, neither scaled nor padded.
    share: the painting's share of the result, 0..1.
    """

    pixels: Pixels
    painter: Painter
    share: float
    exact: bool


_Key = tuple[Net, int, int]


class NetPipeline:
    """Runs nets on frames. A context manager; painters are opened when they are first needed and closed on leaving.

    `start` up to `depth` frames, then `finish` them. Each net has one painter per frame size; a change of style within
    a net costs nothing. This class knows nothing of fades, colours and flicker: `FrameStylizer` does.

    Args:
        backend: what runs the nets.
        rehearses: whether a net from elsewhere paints one frame as soon as it is loaded, and so fails then or never.
    """

    def __init__(self, backend: Backend, *, rehearses: bool = False) -> None:
        self.backend = backend
        self._rehearses = rehearses
        self._painters: dict[_Key, Painter] = {}
        self._loading: dict[_Key, Future[Painter]] = {}
        self._retired: list[Painter] = []
        self._started: deque[tuple[Frame, list[_Layer]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes every painter; frames in flight are lost."""
        for painter in [*self._painters.values(), *self._retired]:
            painter.close()
        self._painters.clear()
        self._retired.clear()
        self._forget_loading()

    def change_backend(self, backend: Backend, net: Net, size: tuple[int, int]) -> Painter:
        """Switches to another backend from the next frame on; the old one finishes what is in flight.

        Args:
            backend: what runs the nets from now on.
            net: the net to load at once.
            size: width and height of the frames.

        Returns the new painter. Raises what the backend raises, and then the old backend stays.
        """
        key = _key(net, size)
        painter = self._opened(backend, *key)
        self._retired.extend(self._painters.values())
        self._painters = {key: painter}
        self._forget_loading()
        self.backend = backend
        return painter

    def painter(self, net: Net, size: tuple[int, int]) -> Painter:
        """Returns the painter for frames of `size` (width, height), and loads it if it is new."""
        key = _key(net, size)
        if key not in self._painters:
            self._painters[key] = self._opened(self.backend, *key)
        return self._painters[key]

    def _opened(self, backend: Backend, net: Net, width: int, height: int) -> Painter:
        painter = open_painter(backend, net, width, height)
        return rehearse(painter, net, width, height) if self._rehearses else painter

    def is_loaded(self, net: Net, size: tuple[int, int]) -> bool:
        """Whether the painter for frames of `size` (width, height) is there."""
        return _key(net, size) in self._painters

    def is_ready(self, net: Net, size: tuple[int, int], background: Executor) -> bool:
        """Whether frames of that size are painted without delay; if not, the painter is loaded in the background.

        Raises what went wrong while loading.
        """
        key = _key(net, size)
        if key in self._painters:
            return True
        if not self.backend.thread_safe_open:
            self.painter(net, size)
            return True
        if key not in self._loading:
            self._loading[key] = background.submit(self._opened, self.backend, *key)
        if not self._loading[key].done():
            return False
        self._painters[key] = self._loading.pop(key).result()
        return True

    def start(
        self,
        frame: Frame,
        style: LoadedStyle | None,
        scale: float = 1.0,
        under: tuple[LoadedStyle, float] | None = None,
    ) -> None:
        """Starts to paint a frame.

        Args:
            frame: not to be changed before it is finished.
            style: None to pass the frame on as it is.
            scale: the share of the frame's width and height at which the net paints, above 0 and up to 1. The painting
                is as large as the frame all the same.
            under: a style of another net that shows through, with its share in 0..1.
        """
        layers = []
        if style is not None:
            layers.append(self._start_layer(frame, style, scale, 1.0))
            if under is not None:
                layers.append(self._start_layer(frame, under[0], scale, under[1]))
        self._started.append((frame, layers))

    def _start_layer(self, frame: Frame, style: LoadedStyle, scale: float, share: float) -> _Layer:
        pixels, size = frame.pixels, scaled(frame.size, scale, style.net)
        if size != frame.size:
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        painter = self.painter(style.net, size)
        extended = padded(pixels, style.net.size_multiple)
        painter.start(extended, style.vector)
        return _Layer(pixels, painter, share, exact=extended is frame.pixels)

    @property
    def blender(self) -> Blender | None:
        """What blends the oldest frame in flight where it is painted; None if that is left to the processor."""
        _, layers = self._started[0]
        return layers[0].painter.blender if len(layers) == 1 and layers[0].exact else None

    def finish(self, blended: Callable[[], Pixels] | None = None) -> PaintedFrame:
        """Waits for the oldest frame in flight and returns it painted.

        Args:
            blended: finishes it by `blender`, in place of its painter.
        """
        frame, layers = self._started.popleft()
        if blended is not None:
            return PaintedFrame(frame, blended())
        pixels = frame.pixels
        for layer in layers:
            height, width = layer.pixels.shape[:2]
            painted = enlarged(layer.painter.finish()[:height, :width], layer.pixels, frame.pixels)
            pixels = at_strength(painted, pixels, layer.share)
        return PaintedFrame(frame, pixels)

    @property
    def in_flight(self) -> int:
        """The number of frames that were started and not finished."""
        return len(self._started)

    @property
    def depth(self) -> int:
        """How many frames may be in flight."""
        return min((painter.depth for painter in self._painters.values()), default=2)

    def drain(self) -> Iterator[PaintedFrame]:
        """Finishes all frames in flight."""
        while self._started:
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
    # a frame too small to be reduced is painted as it is
    return (width, height) if width < size[0] and height < size[1] else size


def padded_size(net: Net, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the width and height to which frames of `size` are padded before the net takes them."""
    width, height = (_padded(side, net.size_multiple) for side in size)
    return width, height


def _close_unused(future: Future[Painter]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()


def _key(net: Net, size: tuple[int, int]) -> _Key:
    width, height = padded_size(net, size)
    return net, width, height


def _padded(side: int, multiple: int) -> int:
    return max(-(-side // multiple) * multiple, -(-MIN_SIDE // multiple) * multiple)


def padded(pixels: Pixels, multiple: int) -> Pixels:
    """Returns the pixels, continued as a mirror image at the right and the bottom up to a size that the net takes."""
    height, width = pixels.shape[:2]
    right, bottom = _padded(width, multiple) - width, _padded(height, multiple) - height
    if not right and not bottom:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REFLECT), dtype=np.uint8)
