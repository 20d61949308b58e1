"""Engines of TensorRT on a GPU: nets that share one stream and their memory, and the blend of paintings."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from build_engines.gpus import driver_library
from build_engines.onnx.blend import BLEND_TENSORS
from build_engines.onnx.options import FRAME, PAINTED, STYLE
from build_engines.tensorrt.cache import StoredEngine
from build_engines.tensorrt.run import LoadedEngine
from build_engines.tensorrt.variants import Variant, last_errors
from realtime.backends.cuda_graph import CudaGraph, CudaGraphError
from realtime.backends.gpu import Launch
from realtime.backends.pycuda_device import PycudaDevice, PycudaMemory, PycudaStream


class Workspace:
    """Memory for activations that all engines of a thread share; they compute one after the other on one queue."""

    def __init__(self, device: PycudaDevice) -> None:
        self.device = device
        self.thread = threading.get_ident()
        self.queue: PycudaStream = device.queue()
        self.size = 0
        self.moves = 0
        self._memory: PycudaMemory | None = None

    @property
    def address(self) -> int:
        return 0 if self._memory is None else int(self._memory)

    def reserve(self, size: int) -> None:
        """Makes the memory at least `size` bytes. It may move: whoever uses it compares `moves` before each launch."""
        if size <= self.size:
            return
        self.queue.synchronize()
        before, self._memory, self.size = self.size, None, 0  # freed first: two at once may be more than there is
        self.moves += 1
        try:
            self._memory, self.size = self.device.buffer((size,), "uint8"), size
        except BaseException:
            # the engines that are open must go on
            if before:
                self._memory, self.size = self.device.buffer((before,), "uint8"), before
            raise


_workspaces: weakref.WeakSet[Workspace] = weakref.WeakSet()


def shared_workspace(device: PycudaDevice) -> Workspace:
    """Returns the workspace of the engines that this thread has open, or a new one if there are none.

    It is not shared between threads: while one records a graph, the other would add to it.
    """
    for workspace in list(_workspaces):
        if workspace.device.driver is device.driver and workspace.thread == threading.get_ident():
            return workspace
    workspace = Workspace(device)
    _workspaces.add(workspace)
    return workspace


class TensorRTNet:
    """An engine and its execution context, as the `GpuNet` of gpu.py."""

    def __init__(self, device: PycudaDevice, stored: StoredEngine, variant: Variant) -> None:
        trt = variant.trt
        self._variant = variant
        self._context: Any = None  # before the engine, which must outlive it
        self._loaded = LoadedEngine(stored, variant)
        self._context = self._loaded.create_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        self._workspace = shared_workspace(device)
        self._workspace.reserve(int(self._loaded.engine.device_memory_size_v2))
        self._moves = -1
        self._slots: list[_EngineSlot] = []
        self.queue = self._workspace.queue
        self.style_size = self._loaded.style_size
        self.description = f"{variant} {stored.spec.precision}"

    def prepare(self, frame: PycudaMemory, style: PycudaMemory | None, painted: PycudaMemory) -> Launch:
        addresses = {FRAME: int(frame), PAINTED: int(painted)}
        if style is not None:
            addresses[STYLE] = int(style)
        slot = _EngineSlot(self._context, self._variant, self.queue, addresses)
        self._slots.append(slot)
        self._ready(slot)
        if slot.no_graph_reason and not self._slots[:-1]:
            self.description += f" ({slot.no_graph_reason})"
        return lambda: self._launch(slot)

    def settle(self) -> None:
        """Nothing to wait for: an engine is as fast as it was built."""

    def close(self) -> None:
        for slot in self._slots:
            slot.close()
        self._slots.clear()
        self._context = None
        self._loaded.close()
        del self._workspace

    def _launch(self, slot: _EngineSlot) -> None:
        if slot.moves != self._workspace.moves:
            self._ready(slot)
        slot.launch()

    def _ready(self, slot: _EngineSlot) -> None:
        slot.forget_graph()
        workspace = self._workspace
        if self._moves != workspace.moves:
            self.queue.synchronize()
            self._context.set_device_memory(workspace.address, workspace.size)
            self._moves = workspace.moves
        slot.record()
        slot.moves = workspace.moves


class TensorRTBlend:
    """The engine that blends paintings, as the `GpuBlend` of gpu.py.

    It has a queue and memory of its own, since it runs while the net paints the next frame.
    """

    def __init__(self, device: PycudaDevice, stored: StoredEngine, variant: Variant) -> None:
        self._variant = variant
        self._context: Any = None
        self._loaded = LoadedEngine(stored, variant, BLEND_TENSORS)
        self._context = self._loaded.create_context()
        self._slots: list[_EngineSlot] = []
        self.queue: PycudaStream = device.queue()

    def prepare(self, buffers: Mapping[str, PycudaMemory]) -> Launch:
        addresses = {name: int(memory) for name, memory in buffers.items()}
        slot = _EngineSlot(self._context, self._variant, self.queue, addresses)
        self._slots.append(slot)
        slot.record()
        return slot.launch

    def close(self) -> None:
        for slot in self._slots:
            slot.close()
        self._slots.clear()
        self._context = None
        self._loaded.close()


class _EngineSlot:
    """An engine with the addresses of one slot.

    `moves` says how often the net's workspace had moved when its graph was recorded, `no_graph_reason` why there is no
    graph.
    """

    def __init__(self, context: Any, variant: Variant, queue: PycudaStream, addresses: dict[str, int]) -> None:
        self._context, self._variant, self._queue, self._addresses = context, variant, queue, addresses
        self._graph: CudaGraph | None = None
        self.moves = -1
        self.no_graph_reason = ""

    def record(self) -> None:
        """Runs the engine once, which makes the kernels ready, and records it as a graph if that is possible."""
        self._enqueue()
        self._queue.synchronize()
        try:
            self._graph = CudaGraph(driver_library(), self._queue.handle, self._enqueue)
        except CudaGraphError as exc:
            self.no_graph_reason = str(exc)

    def launch(self) -> None:
        """Puts the engine's work on the queue."""
        if self._graph is not None:
            self._graph.launch()
        else:
            self._enqueue()

    def forget_graph(self) -> None:
        """Gives back the graph, if there is one."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    def close(self) -> None:
        """Gives back the graph, and lets go of the context, which must not outlive its engine."""
        self.forget_graph()
        self._context = None

    def _enqueue(self) -> None:
        for name, address in self._addresses.items():
            self._context.set_tensor_address(name, address)
        if not self._context.execute_async_v3(self._queue.handle):
            raise RuntimeError(f"the engine does not run: {last_errors(self._variant)}")
