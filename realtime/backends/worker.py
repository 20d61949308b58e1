"""A painter for libraries that paint one frame at a time, in a call that returns when it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from realtime.backends import Blender, Vector
from realtime.frames import Pixels

Paint = Callable[[Pixels, Vector | None], Any]


def _as_it_is(painting: Pixels) -> Pixels:
    return painting


class WorkerPainter:
    """Calls a function in a thread of its own, since such libraries let go of Python's lock; the next frame waits.

    Args:
        description: what paints, in a few words.
        paint: returns a frame painted in a style, as pixels or as what `on_host` takes.
        on_host: returns the pixels of a painting.
    """

    depth = 2

    def __init__(self, description: str, paint: Paint, on_host: Callable[[Any], Pixels] = _as_it_is) -> None:
        self.description = description
        self.blender: Blender | None = None
        self._paint, self._on_host = paint, on_host
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=description)
        self._busy: deque[Future[Any]] = deque()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        self._busy.append(self._worker.submit(self._paint, frame, style))

    def take(self) -> Any:
        """Waits for the oldest frame in flight and returns what `paint` made of it."""
        return self._busy.popleft().result()

    def finish(self) -> Pixels:
        return self._on_host(self.take())

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)
