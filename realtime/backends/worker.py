"""A painter for libraries that paint one frame per call and return when it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from realtime.backends import Vector
from realtime.frames import Pixels

Paint = Callable[[Pixels, Vector | None], Pixels]


class WorkerPainter:
    """Calls `paint` in a thread of its own, where such libraries release the GIL. The next frame waits in a queue.

    Args:
        description: the painter's description; also the name of its thread.
        paint: paints one H x W x 3 uint8 RGB frame with a style float32[K] or None.
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
