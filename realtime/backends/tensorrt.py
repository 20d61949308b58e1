"""TensorRT on NVIDIA GPUs: engines that `nst-build` made, run with pycuda."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from build_engines.doctor import no_tensorrt_reason
from build_engines.gpus import NoGpuError, driver_library, first_gpu
from build_engines.onnx.options import BLEND_TENSORS, FRAME, PAINTED, STYLE
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.engines import (
    BuildSource,
    BuildTarget,
    TargetError,
    find_target,
    plan_blend,
    plan_engine,
)
from build_engines.tensorrt.run import LoadedEngine, NoPycudaError, load_pycuda
from build_engines.tensorrt.variants import NoTensorRTError, Variant, last_errors, load_variant
from realtime.backends import BackendUnavailableError, Net, Painter
from realtime.backends.cuda_graph import CudaGraph, CudaGraphError
from realtime.backends.gpu import Launch
from realtime.backends.pycuda_device import PycudaDevice, PycudaMemory, PycudaStream
from realtime.backends.slots import SlotPainter


class EngineMissingError(BackendUnavailableError):
    """The engine is not built, or out of date.

    Args:
        message: what is missing and what to type.
        argv: the arguments with which nst-build builds the engine.
    """

    def __init__(self, message: str, argv: tuple[str, ...]) -> None:
        super().__init__(message)
        self.argv = argv


def unavailable_reason() -> str | None:
    """Returns why TensorRT cannot run here and what to type, None if it can."""
    return no_tensorrt_reason()


def open_painter(net: Net, width: int, height: int) -> Painter:
    """Returns a painter with the engine of `net` at this size.

    Args:
        net: the net.
        width: of the frames.
        height: of the frames.

    Raises EngineMissingError if nst-build has to be run first, BackendUnavailableError if that would not help.
    """
    if reason := unavailable_reason():
        raise BackendUnavailableError(f"backend tensorrt cannot run here: {reason}")
    variant = load_variant(gpu=first_gpu())
    stored = find_engine(net, width, height, variant)
    try:
        driver = load_pycuda()
    except (NoGpuError, NoPycudaError) as exc:
        raise BackendUnavailableError(f"backend tensorrt cannot run here: {exc}") from exc
    try:
        device = PycudaDevice(driver)
        with device.current():
            engine = TensorRTNet(device, stored, variant)
            blend = _open_blend(device, engine, stored.spec, variant)
        return SlotPainter(device, engine, width, height, blend=blend)
    except UnusableEngineError as exc:
        # by what is written beside it, it is the right engine: nst-build would not build it again by itself
        raise _missing(net, stored.spec, exc, "--rebuild") from exc
    except (MemoryError, RuntimeError, driver.Error) as exc:  # a full GPU memory, an engine that does not run
        raise BackendUnavailableError(f"backend tensorrt cannot run {net.name!r} here: {exc}") from exc


def find_engine(net: Net, width: int, height: int, variant: Variant) -> StoredEngine:
    """Returns the engine that fits this GPU. Raises EngineMissingError or BackendUnavailableError."""
    source = BuildSource(net.name, net.weights, net.onnx)
    try:
        spec = plan_engine(source, (width, height), variant, find_target(variant))
        return EngineCache().find(spec)
    except UnusableEngineError as exc:
        raise _missing(net, spec, exc) from exc
    except (TargetError, NoGpuError, NoTensorRTError, ValueError) as exc:
        raise BackendUnavailableError(f"backend tensorrt cannot run {net.name!r} here: {exc}") from exc


def _open_blend(device: PycudaDevice, net: TensorRTNet, spec: EngineSpec, variant: Variant) -> TensorRTBlend | None:
    """Returns the blend of paintings of a net; without an engine for it, None, and the net's description says so."""
    wanted = plan_blend((spec.width, spec.height), variant, BuildTarget(spec.target, spec.gpu))
    try:
        return TensorRTBlend(device, EngineCache().find(wanted), variant)
    except UnusableEngineError as exc:
        net.description += f" (blending on the processor: {exc}; nst-build builds it)"
        return None


def _missing(net: Net, spec: EngineSpec, exc: UnusableEngineError, *more: str) -> EngineMissingError:
    what = (str(net.weights),) if net.weights is not None else ("--onnx", str(net.onnx))
    argv = (*what, "--size", f"{spec.width}x{spec.height}", "--runtime", spec.runtime, *more)
    return EngineMissingError(
        f"no engine for {net.name!r} at {spec.width}x{spec.height} on this GPU ({exc}); "
        f"build it with: nst-build {' '.join(argv)}",
        argv,
    )


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
