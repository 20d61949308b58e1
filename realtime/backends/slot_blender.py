"""Blends paintings on the GPU that painted them.

The blend has a queue of its own: frames in flight are painted meanwhile, and only it waits for its predecessor. The
last painting stays on the GPU; per frame a reduced flow and a mask are copied to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias

import numpy as np

from build_engines.onnx.blend import FLOW, KEPT, LAST, MIXED, NEW, NEW_PAINTING, SHOWN, view_size
from realtime.backends import Blend
from realtime.backends.gpu import Buffer, Event, GpuBlend, GpuDevice, Queue, Slot
from realtime.frames import Pixels, Size

# Enqueues what turns a slot's painting into the result.
_Enqueue: TypeAlias = "Callable[[Slot[Buffer, Event]], None]"


class SlotBlender(Generic[Buffer, Queue, Event]):
    """Finishes the frames of a `SlotPainter` blended; see `realtime.backends.Blender`.

    Args:
        device: the GPU.
        blend: the blend on it; closed by the painter.
        size: width and height of the frames.
        finish: waits for the painter's oldest slot, after calling with it what it is given.
    """

    def __init__(
        self,
        device: GpuDevice[Buffer, Queue, Event],
        blend: GpuBlend[Buffer, Queue],
        size: Size,
        finish: Callable[[_Enqueue[Buffer, Event]], Pixels],
    ) -> None:
        self._device, self._blend, self._finish = device, blend, finish
        shape, view = (size[1], size[0], 3), view_size(size)[::-1]
        self.queue = blend.queue
        self._picture_on_host: Pixels = device.pinned(shape, np.uint8)
        self._inputs_on_host = {
            FLOW: device.pinned((2, *view), np.float32),
            NEW: device.pinned(view, np.uint8),
            KEPT: device.pinned((1,), np.float32),
        }
        self._buffers = {name: device.buffer(shape, np.uint8) for name in (LAST, SHOWN, MIXED)}
        self._buffers |= {name: device.buffer(array.shape, array.dtype) for name, array in self._inputs_on_host.items()}
        self._holds = False

    def prepare(self, slot: Slot[Buffer, Event]) -> None:
        """Makes the blend of a slot's painting ready to be enqueued."""
        slot.launch_blend = self._blend.prepare({**self._buffers, NEW_PAINTING: slot.painted_on_gpu})

    def finish(self, blend: Blend | None) -> Pixels:
        return self._finish(lambda slot: self._enqueue(slot, blend))

    def kept(self) -> Pixels | None:
        if not self._holds:
            return None
        with self._device.current():
            self._device.download(self._picture_on_host, self._buffers[LAST], self.queue)
            self._device.drain(self.queue)
        return self._picture_on_host.copy()

    def keep(self, painted: Pixels) -> None:
        np.copyto(self._picture_on_host, painted)
        with self._device.current():
            self._device.upload(self._buffers[LAST], self._picture_on_host, self.queue)
            self._device.drain(self.queue)
        self._holds = True

    def forget(self) -> None:
        """Lets go of its memory."""
        self._holds = False
        self._buffers.clear()

    def _enqueue(self, slot: Slot[Buffer, Event], blend: Blend | None) -> None:
        """Enqueues the blend of a slot's painting and the copy of the result to the host."""
        device, queue, buffers = self._device, self.queue, self._buffers
        device.queue_waits(queue, slot.computed)
        if slot.is_downloading:
            device.queue_waits(queue, slot.downloaded)  # into the same memory
        had, self._holds = self._holds, False
        if blend is None or not had or slot.launch_blend is None:
            result = kept = slot.painted_on_gpu
        else:
            result, kept = buffers[SHOWN], buffers[MIXED]
            self._upload(blend)
            slot.launch_blend()
        device.copy(buffers[LAST], kept, self._picture_on_host.nbytes, queue)
        device.download(slot.painted_on_host, result, queue)
        device.record(slot.downloaded, queue)
        self._holds = True

    def _upload(self, blend: Blend) -> None:
        for name, values in ((FLOW, blend.flow), (NEW, blend.new), (KEPT, blend.kept)):
            np.copyto(self._inputs_on_host[name], values)
            self._device.upload(self._buffers[name], self._inputs_on_host[name], self.queue)
