"""A painter for libraries that paint one frame at a time, in a call that returns when it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from realtime.backends import Vector
from realtime.frames import Pixels

Paint = Callable[[Pixels, Vector | None], Pixels]


class WorkerPainter:
    """Calls a function in a thread of its own, since such libraries let go of Python's lock; the next frame waits.

    Args:
        description: what paints, in a few words.
        paint: returns a frame painted in a style.
    """

    depth = 2

    def __init__(self, description: str, paint: Paint) -> None:
        self.description = description
        self._paint = paint
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=description)
        self._busy: deque[Future[Pixels]] = deque()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        self._busy.append(self._worker.submit(self._paint, frame, style))

    def finish(self) -> Pixels:
        return self._busy.popleft().result()

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)
