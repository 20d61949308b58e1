"""Frames in flight on a GPU: slots of pinned and device memory, and three queues that events join.

While one frame is computed, the next is copied to the GPU and the one before is copied back. Memory is allocated once;
a frame costs two copies across the bus, and a style vector is copied only when it changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic

import numpy as np

from realtime.backends import Blender, Vector
from realtime.backends.gpu import Buffer, Event, GpuBlend, GpuDevice, GpuNet, Queue, Slot
from realtime.backends.slot_blender import SlotBlender
from realtime.frames import Pixels, Size


class SlotPainter(Generic[Buffer, Queue, Event]):
    """Paints with up to `depth` frames in flight.

    Args:
        device: the GPU; closed with the painter.
        net: the net on it; closed with the painter.
        width: of the frames.
        height: of the frames.
        depth: how many frames may be in flight.
        blend: the blend of paintings on the GPU, closed with the painter; None if they are not blended there.
    """

    def __init__(
        self,
        device: GpuDevice[Buffer, Queue, Event],
        net: GpuNet[Buffer, Queue],
        width: int,
        height: int,
        depth: int = 3,
        *,
        blend: GpuBlend[Buffer, Queue] | None = None,
    ) -> None:
        self.depth = depth
        self.blender: Blender | None = None
        self._device, self._net, self._blend = device, net, blend
        self._slot_blender: SlotBlender[Buffer, Queue, Event] | None = None
        self._shape = (height, width, 3)
        self._closed = self._is_blending = False
        self._queues: tuple[Queue, ...] = ()
        self._style: Vector | None = None
        self._style_on_gpu: Buffer | None = None
        self._idle: deque[Slot[Buffer, Event]] = deque()
        self._busy: deque[Slot[Buffer, Event]] = deque()
        with ExitStack() as undo:
            undo.callback(self.close)
            with device.current():
                self._uploads, self._downloads = device.queue(), device.queue()
                self._queues = (self._uploads, net.queue, self._downloads)
                if net.style_size:
                    self._style_on_gpu = device.buffer((net.style_size,), np.float32)
                self._idle.extend(self._slot() for _ in range(depth))
                if blend is not None:
                    self._prepare_blending(blend, (width, height))
            undo.pop_all()

    @property
    def description(self) -> str:
        return self._net.description

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
        self._is_blending = False
        return self._finish(self._download)

    def settle(self) -> None:
        """Waits until frames are painted as fast as they will be."""
        self._net.settle()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:  # all of it, in reverse order, also if one part fails
            stack.callback(self._device.close)
            stack.enter_context(self._device.current())
            stack.callback(self._net.close)
            if self._blend is not None:
                stack.callback(self._blend.close)
            stack.callback(self._forget)
            stack.callback(self._drain)

    def _slot(self) -> Slot[Buffer, Event]:
        device, shape = self._device, self._shape
        frame, painted = device.buffer(shape, np.uint8), device.buffer(shape, np.uint8)
        return Slot(
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

    def _enqueue(self, slot: Slot[Buffer, Event], style: Vector | None) -> None:
        device, compute = self._device, self._net.queue
        device.upload(slot.frame_on_gpu, slot.frame_on_host, self._uploads)
        device.record(slot.uploaded, self._uploads)
        device.queue_waits(compute, slot.uploaded)
        self._upload_style(slot, style)
        slot.launch()
        device.record(slot.computed, compute)
        slot.is_downloading = False
        if not self._is_blending:  # else the painting as it is will not be asked for
            self._download(slot)

    def _finish(self, enqueue: Callable[[Slot[Buffer, Event]], None]) -> Pixels:
        """Waits for the result of the oldest frame, after enqueuing what is still missing for it."""
        if not self._busy:
            raise RuntimeError("no frame is in flight; start one first")
        slot = self._busy.popleft()
        self._idle.append(slot)
        with self._device.current():
            try:
                enqueue(slot)
            except BaseException:
                self._drain()
                raise
            self._device.wait(slot.downloaded)
        return slot.painted_on_host.copy()

    def _finish_blended(self, enqueue: Callable[[Slot[Buffer, Event]], None]) -> Pixels:
        self._is_blending = True
        return self._finish(enqueue)

    def _download(self, slot: Slot[Buffer, Event]) -> None:
        """Enqueues the copy of a painting to the host, unless it is enqueued already."""
        if slot.is_downloading:
            return
        device = self._device
        device.queue_waits(self._downloads, slot.computed)
        device.download(slot.painted_on_host, slot.painted_on_gpu, self._downloads)
        device.record(slot.downloaded, self._downloads)
        slot.is_downloading = True

    def _prepare_blending(self, blend: GpuBlend[Buffer, Queue], size: Size) -> None:
        self._queues = (*self._queues, blend.queue)
        self.blender = self._slot_blender = SlotBlender(self._device, blend, size, self._finish_blended)
        for slot in self._idle:
            self._slot_blender.prepare(slot)

    def _upload_style(self, slot: Slot[Buffer, Event], style: Vector | None) -> None:
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
        if self._slot_blender is not None:
            self._slot_blender.forget()


_NONE = np.empty(0, np.float32)
