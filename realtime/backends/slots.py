"""Frames in flight on a GPU: slots of pinned and device memory, and three queues that events join.

While one frame is computed, the next is copied to the GPU and the one before is copied back. Memory is allocated once;
a frame costs two copies across the bus, and a style vector is copied only when it changes. Two protocols describe what
a GPU does, so that the order of things can be tested without one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from realtime.backends import Vector
from realtime.frames import Pixels

Buffer = TypeVar("Buffer")
Queue = TypeVar("Queue")
Event = TypeVar("Event")
_Buffer_contra = TypeVar("_Buffer_contra", contravariant=True)
# Enqueues the painting of one slot's frame.
Launch = Callable[[], None]


class GpuDevice(Protocol[Buffer, Queue, Event]):
    """A GPU: memory, queues (CUDA streams) that work in order, and events that another queue or the host waits for.

    Everything on a queue is asynchronous. All calls are made inside `current()`, from any one thread at a time.
    """

    def current(self) -> AbstractContextManager[object]:
        """Makes the GPU's context that of this thread."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Returns host memory that the GPU can copy from and to by itself."""

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> Buffer:
        """Returns memory of the GPU."""

    def queue(self) -> Queue:
        """Returns a new queue."""

    def event(self) -> Event:
        """Returns a new event."""

    def upload(self, target: Buffer, source: NDArray[Any], queue: Queue) -> None:
        """Enqueues a copy to the GPU."""

    def download(self, target: NDArray[Any], source: Buffer, queue: Queue) -> None:
        """Enqueues a copy from the GPU."""

    def record(self, event: Event, queue: Queue) -> None:
        """Has the event happen when the queue has done what is on it by now."""

    def queue_waits(self, queue: Queue, event: Event) -> None:
        """Has the queue start nothing that is enqueued from now on before the event."""

    def wait(self, event: Event) -> None:
        """Has the host wait for the event."""

    def drain(self, queue: Queue) -> None:
        """Has the host wait until the queue is empty."""

    def close(self) -> None:
        """Gives back the context; buffers are gone by then."""


class GpuNet(Protocol[_Buffer_contra, Queue]):
    """A net on the GPU. `queue` is the one that it computes on; `style_size` is 0 if its style is baked in."""

    queue: Queue
    style_size: int
    description: str

    def prepare(self, frame: _Buffer_contra, style: _Buffer_contra | None, painted: _Buffer_contra) -> Launch:
        """Returns a call that paints from and into these buffers; it may be called again and again."""

    def close(self) -> None:
        """Gives back what the net holds."""


@dataclass
class _Slot(Generic[Buffer, Event]):
    frame_on_host: Pixels
    painted_on_host: Pixels
    style_on_host: Vector
    frame_on_gpu: Buffer
    painted_on_gpu: Buffer
    uploaded: Event
    computed: Event
    downloaded: Event
    launch: Launch


class SlotPainter(Generic[Buffer, Queue, Event]):
    """Paints with up to `depth` frames in flight.

    Args:
        device: the GPU; closed with the painter.
        net: the net on it; closed with the painter.
        width: of the frames.
        height: of the frames.
        depth: how many frames may be in flight.
    """

    def __init__(
        self,
        device: GpuDevice[Buffer, Queue, Event],
        net: GpuNet[Buffer, Queue],
        width: int,
        height: int,
        depth: int = 3,
    ) -> None:
        self.depth = depth
        self._device, self._net = device, net
        self._shape = (height, width, 3)
        self._closed = False
        self._queues: tuple[Queue, ...] = ()
        self._style: Vector | None = None
        self._style_on_gpu: Buffer | None = None
        self._idle: deque[_Slot[Buffer, Event]] = deque()
        self._busy: deque[_Slot[Buffer, Event]] = deque()
        with ExitStack() as undo:
            undo.callback(self.close)
            with device.current():
                self._uploads, self._downloads = device.queue(), device.queue()
                self._queues = (self._uploads, net.queue, self._downloads)
                if net.style_size:
                    self._style_on_gpu = device.buffer((net.style_size,), np.float32)
                self._idle.extend(self._slot() for _ in range(depth))
            self.description = net.description
            undo.pop_all()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}, expected uint8 {self._shape}")
        if not self._idle:
            raise RuntimeError(f"{self.depth} frames are in flight already; finish one first")
        slot = self._idle.popleft()
        np.copyto(slot.frame_on_host, frame)
        with self._device.current():
            try:
                self._enqueue(slot, style)
            except BaseException:
                self._idle.append(slot)
                self._drain()  # nothing may be copied from or to the slot when it is used again
                raise
        self._busy.append(slot)

    def finish(self) -> Pixels:
        if not self._busy:
            raise RuntimeError("no frame is in flight; start one first")
        slot = self._busy.popleft()
        self._idle.append(slot)
        with self._device.current():
            self._device.wait(slot.downloaded)
        return slot.painted_on_host.copy()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:  # all of it, in reverse order, also if one part fails
            stack.callback(self._device.close)
            stack.enter_context(self._device.current())
            stack.callback(self._net.close)
            stack.callback(self._forget)
            stack.callback(self._drain)

    def _slot(self) -> _Slot[Buffer, Event]:
        device, shape = self._device, self._shape
        frame, painted = device.buffer(shape, np.uint8), device.buffer(shape, np.uint8)
        return _Slot(
            frame_on_host=device.pinned(shape, np.uint8),
            painted_on_host=device.pinned(shape, np.uint8),
            style_on_host=device.pinned((self._net.style_size,), np.float32)
            if self._style_on_gpu is not None
            else _NONE,
            frame_on_gpu=frame,
            painted_on_gpu=painted,
            uploaded=device.event(),
            computed=device.event(),
            downloaded=device.event(),
            launch=self._net.prepare(frame, self._style_on_gpu, painted),
        )

    def _enqueue(self, slot: _Slot[Buffer, Event], style: Vector | None) -> None:
        device, compute = self._device, self._net.queue
        device.upload(slot.frame_on_gpu, slot.frame_on_host, self._uploads)
        device.record(slot.uploaded, self._uploads)
        device.queue_waits(compute, slot.uploaded)
        self._upload_style(slot, style)
        slot.launch()
        device.record(slot.computed, compute)
        device.queue_waits(self._downloads, slot.computed)
        device.download(slot.painted_on_host, slot.painted_on_gpu, self._downloads)
        device.record(slot.downloaded, self._downloads)

    def _upload_style(self, slot: _Slot[Buffer, Event], style: Vector | None) -> None:
        """Copies the style if it has changed, on the compute queue: behind the frames painted in the old one."""
        if self._style_on_gpu is None:
            return
        if style is None or style.shape != slot.style_on_host.shape:
            got = "none" if style is None else f"float32[{style.size}]"
            raise ValueError(f"style is {got}, expected float32[{slot.style_on_host.size}]")
        if self._style is not None and np.array_equal(style, self._style):
            return
        self._style = None
        np.copyto(slot.style_on_host, style)
        self._device.upload(self._style_on_gpu, slot.style_on_host, self._net.queue)
        self._style = style.copy()

    def _drain(self) -> None:
        for queue in self._queues:
            self._device.drain(queue)

    def _forget(self) -> None:
        self._idle.clear()
        self._busy.clear()
        self._style_on_gpu = None


_NONE = np.empty(0, np.float32)
