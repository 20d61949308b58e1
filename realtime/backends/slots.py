"""Frames in flight on a GPU: slots of pinned and device memory, and three queues that events join.

While one frame is computed, the next is copied to the GPU and the previous one is copied back. Memory is allocated
once. A frame costs two copies of bytes across the bus, and a style vector is copied only when it changes. Two protocols
describe a GPU, so that the order of operations can be tested without one.
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
# Puts the work that paints one slot's frame on the compute queue.
Launch = Callable[[], None]


class GpuDevice(Protocol[Buffer, Queue, Event]):
    """A GPU: memory, queues (CUDA streams) that each work in order, and events that a queue or the host can wait for.

    Everything on a queue is asynchronous. All calls are made inside `current()`, from one thread at a time.
    """

    def current(self) -> AbstractContextManager[object]:
        """Makes the GPU's context current in this thread."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Returns page-locked host memory, which the GPU can copy from and to by itself."""

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> Buffer:
        """Returns GPU memory."""

    def queue(self) -> Queue: ...

    def event(self) -> Event: ...

    def upload(self, target: Buffer, source: NDArray[Any], queue: Queue) -> None: ...

    def download(self, target: NDArray[Any], source: Buffer, queue: Queue) -> None: ...

    def record(self, event: Event, queue: Queue) -> None:
        """Makes the event happen when the queue has finished what is on it now."""

    def queue_waits(self, queue: Queue, event: Event) -> None:
        """Makes everything that is put on the queue from now on wait for the event."""

    def wait(self, event: Event) -> None:
        """Blocks until the event has happened."""

    def drain(self, queue: Queue) -> None:
        """Blocks until the queue is empty."""

    def close(self) -> None: ...


class GpuNet(Protocol[_Buffer_contra, Queue]):
    """A net on the GPU. It computes on `queue`; `style_size` is 0 if its style is baked in."""

    queue: Queue
    style_size: int
    description: str

    def prepare(self, frame: _Buffer_contra, style: _Buffer_contra | None, painted: _Buffer_contra) -> Launch:
        """Returns a function that paints from and into these buffers. It can be called many times."""

    def close(self) -> None: ...


@dataclass
class _Slot(Generic[Buffer, Event]):
    frame_here: Pixels
    painted_here: Pixels
    style_here: Vector
    frame_there: Buffer
    painted_there: Buffer
    uploaded: Event
    computed: Event
    downloaded: Event
    launch: Launch


class SlotPainter(Generic[Buffer, Queue, Event]):
    """Paints with up to `depth` frames in flight.

    Args:
        device: the GPU; the painter owns it and closes it.
        net: the net; the painter owns it and closes it.
        width: the width of the frames in pixels.
        height: the height of the frames in pixels.
        depth: the number of frames in flight.
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
        self._style_there: Buffer | None = None
        self._idle: deque[_Slot[Buffer, Event]] = deque()
        self._busy: deque[_Slot[Buffer, Event]] = deque()
        with ExitStack() as undo:
            undo.callback(self.close)
            with device.current():
                self._uploads, self._downloads = device.queue(), device.queue()
                self._queues = (self._uploads, net.queue, self._downloads)
                if net.style_size:
                    self._style_there = device.buffer((net.style_size,), np.float32)
                self._idle.extend(self._slot() for _ in range(depth))
            self.description = net.description
            undo.pop_all()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype} {frame.shape}, expected uint8 {self._shape}")
        if not self._idle:
            raise RuntimeError(f"{self.depth} frames are in flight already: finish one first")
        slot = self._idle.popleft()
        np.copyto(slot.frame_here, frame)
        with self._device.current():
            try:
                self._enqueue(slot, style)
            except BaseException:
                self._idle.append(slot)
                self._drain()  # all copies from and to the slot must end before it is used again
                raise
        self._busy.append(slot)

    def finish(self) -> Pixels:
        if not self._busy:
            raise RuntimeError("no frame is in flight: start one first")
        slot = self._busy.popleft()
        self._idle.append(slot)
        with self._device.current():
            self._device.wait(slot.downloaded)
        return slot.painted_here.copy()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:  # every callback runs, in reverse order, even if one of them fails
            stack.callback(self._device.close)
            stack.enter_context(self._device.current())
            stack.callback(self._net.close)
            stack.callback(self._forget)
            stack.callback(self._drain)

    def _slot(self) -> _Slot[Buffer, Event]:
        device, shape = self._device, self._shape
        frame, painted = device.buffer(shape, np.uint8), device.buffer(shape, np.uint8)
        return _Slot(
            frame_here=device.pinned(shape, np.uint8),
            painted_here=device.pinned(shape, np.uint8),
            style_here=device.pinned((self._net.style_size,), np.float32) if self._style_there is not None else _NONE,
            frame_there=frame,
            painted_there=painted,
            uploaded=device.event(),
            computed=device.event(),
            downloaded=device.event(),
            launch=self._net.prepare(frame, self._style_there, painted),
        )

    def _enqueue(self, slot: _Slot[Buffer, Event], style: Vector | None) -> None:
        device, compute = self._device, self._net.queue
        device.upload(slot.frame_there, slot.frame_here, self._uploads)
        device.record(slot.uploaded, self._uploads)
        device.queue_waits(compute, slot.uploaded)
        self._upload_style(slot, style)
        slot.launch()
        device.record(slot.computed, compute)
        device.queue_waits(self._downloads, slot.computed)
        device.download(slot.painted_here, slot.painted_there, self._downloads)
        device.record(slot.downloaded, self._downloads)

    def _upload_style(self, slot: _Slot[Buffer, Event], style: Vector | None) -> None:
        """Uploads a changed style on the compute queue, so that frames before it are still painted in the old one."""
        if self._style_there is None:
            return
        if style is None or style.shape != slot.style_here.shape:
            got = "none" if style is None else f"float32[{style.size}]"
            raise ValueError(f"this net takes a style of float32[{slot.style_here.size}], got {got}")
        if self._style is not None and np.array_equal(style, self._style):
            return
        self._style = None
        np.copyto(slot.style_here, style)
        self._device.upload(self._style_there, slot.style_here, self._net.queue)
        self._style = style.copy()

    def _drain(self) -> None:
        for queue in self._queues:
            self._device.drain(queue)

    def _forget(self) -> None:
        self._idle.clear()
        self._busy.clear()
        self._style_there = None


_NONE = np.empty(0, np.float32)
