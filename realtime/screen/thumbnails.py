"""Small paintings that show what a style does: one picture, painted by the net itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from realtime.backends import Backend
from realtime.frames import Frame, Pixels
from realtime.queues import background_worker
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import NetPipeline

# Width and height. The HUD shows it smaller, since a net has strokes of a few pixels.
PAINTED_SIZE = (192, 144)


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """144 x 192 x 3 uint8 RGB; the same object for the same style."""

    pixels: Pixels


class Thumbnails:
    """Thumbnails of styles, each painted once, in the background. A context manager.

    Args:
        backend: what paints them.
        draw: returns the picture that is painted, as large as PAINTED_SIZE, H x W x 3 uint8 RGB.
    """

    def __init__(self, backend: Backend, draw: Callable[[], Pixels]) -> None:
        self._pipeline, self._draw = NetPipeline(backend), draw
        self._background = background_worker()
        self._picture: Pixels | None = None
        self._painted: dict[LoadedStyle, Future[Thumbnail]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.shutdown(cancel_futures=True)
        self._pipeline.close()

    def of(self, style: LoadedStyle) -> Thumbnail | None:
        """Returns the thumbnail; None while it is being painted, and if the backend cannot paint it."""
        if style not in self._painted:
            self._painted[style] = self._background.submit(self._paint, style)
        future = self._painted[style]
        # a thumbnail is an ornament: why the net cannot be loaded is reported where the net is needed
        return future.result() if future.done() and future.exception() is None else None

    def _paint(self, style: LoadedStyle) -> Thumbnail:
        if self._picture is None:
            self._picture = self._draw()
        self._pipeline.start(Frame(self._picture, 0, 0.0), style)
        return Thumbnail(self._pipeline.finish().pixels)
