"""A stand-in for pycuda, libcuda and TensorRT's runtime that keeps the order of things as CUDA does, and no other.

Each stream is a list of work that is not done until somebody waits. What may be done next is chosen at random among all
streams, so that work which no event, stream or wait holds back does come too early or too late in some run,
and a frame then comes out wrong: copies read and write memory when they are done, not when they are asked for.
"""

from __future__ import annotations

import ctypes
import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from build_engines.onnx.blend import BLEND_TENSORS, FLOW, KEPT, LAST, MIXED, NEW, NEW_PAINTING, SHOWN
from realtime.backends.pycuda_device import PycudaEvent, PycudaStream

Work = Callable[[], None]


# The bytes of an engine that blends paintings.
BLENDING = b"blending"


class CudaMisuseError(AssertionError):
    """Something that CUDA forbids, or that it would answer with garbage."""


class StandInEvent:
    def __init__(self, gpu: StandInGpu) -> None:
        self._gpu = gpu
        self.recorded = 0
        self.happened = 0

    def record(self, stream: PycudaStream | None = None) -> StandInEvent:
        assert isinstance(stream, StandInStream)
        self._gpu.check_current()
        self.recorded += 1
        number = self.recorded

        def happen() -> None:
            self.happened = max(self.happened, number)

        stream.add(happen)
        return self

    def synchronize(self) -> StandInEvent:
        self._gpu.check_current()
        self._gpu.run_until(lambda: self.happened >= self.recorded)
        return self


class StandInStream:
    def __init__(self, gpu: StandInGpu) -> None:
        self._gpu = gpu
        self.handle = next(gpu.numbers)
        self.waiting: deque[Work | tuple[StandInEvent, int]] = deque()
        self.recording: list[Work] | None = None

    def add(self, work: Work) -> None:
        if self.recording is not None:
            self.recording.append(work)
        else:
            self.waiting.append(work)

    def wait_for_event(self, event: PycudaEvent) -> None:
        assert isinstance(event, StandInEvent)
        self._gpu.check_current()
        self.waiting.append((event, event.recorded))

    def synchronize(self) -> None:
        self._gpu.check_current()
        if self.recording is not None:
            raise CudaMisuseError("a stream in recording was waited for")
        self._gpu.run_until(lambda: not self.waiting)

    def can_go_on(self) -> bool:
        if not self.waiting:
            return False
        head = self.waiting[0]
        return not isinstance(head, tuple) or head[0].happened >= head[1]

    def go_on(self) -> None:
        head = self.waiting.popleft()
        if not isinstance(head, tuple):
            head()


class StandInMemory:
    def __init__(self, gpu: StandInGpu, size: int) -> None:
        self._gpu = gpu
        self._address: int = next(gpu.numbers)
        gpu.memory[self._address] = np.full(size, 0xEE, np.uint8)

    def __int__(self) -> int:
        return self._address

    def __del__(self) -> None:
        self._gpu.memory.pop(self._address, None)


@dataclass
class StandInContext:
    gpu: StandInGpu

    def push(self) -> None:
        self.gpu.pushed += 1

    def pop(self) -> None:
        self.gpu.pushed -= 1
        assert self.gpu.pushed >= 0


@dataclass
class StandInGpu:
    """The part of `pycuda.driver` that we use (`PycudaDriver`), on no GPU. `fail` names a call that fails next time."""

    seed: int = 0
    fail: str = ""
    pushed: int = 0
    copied: int = 0
    memory: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    streams: list[StandInStream] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1000))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def GpuDevice(self, number: int) -> StandInGpu:  # noqa: N802
        assert number == 0
        return self

    def retain_primary_context(self) -> StandInContext:
        return StandInContext(self)

    def Stream(self, flags: int = 0) -> StandInStream:  # noqa: N802
        self.check_current()
        self.streams.append(StandInStream(self))
        return self.streams[-1]

    def Event(self, flags: int = 0) -> StandInEvent:  # noqa: N802
        self.check_current()
        return StandInEvent(self)

    def mem_alloc(self, size: int) -> StandInMemory:
        self.check_current()
        self.maybe_fail("mem_alloc")
        return StandInMemory(self, size)

    def pagelocked_empty(
        self, shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]:
        self.check_current()
        return np.zeros(shape, dtype)

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: PycudaStream | None = None) -> None:
        self._copy(stream, lambda: self._write(dest, src))
        self.copied += src.nbytes

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: PycudaStream | None = None) -> None:
        self._copy(stream, lambda: np.copyto(dest, self.memory[src].view(dest.dtype).reshape(dest.shape)))
        self.copied += dest.nbytes

    def memcpy_dtod_async(self, dest: int, src: int, size: int, stream: PycudaStream | None = None) -> None:
        assert self.memory[dest].size == self.memory[src].size == size
        self._copy(stream, lambda: self._write(dest, self.memory[src]))

    def _copy(self, stream: PycudaStream | None, work: Work) -> None:
        assert isinstance(stream, StandInStream)
        self.check_current()
        self.maybe_fail("copy")
        stream.add(work)

    def _write(self, address: int, source: NDArray[Any]) -> None:
        self.memory[address][:] = np.ascontiguousarray(source).view(np.uint8).ravel()

    def maybe_fail(self, call: str) -> None:
        if self.fail == call:
            self.fail = ""
            raise RuntimeError(f"{call} failed")

    def check_current(self) -> None:
        if not self.pushed:
            raise CudaMisuseError("no context is current")

    def stream_of(self, handle: int) -> StandInStream:
        return next(stream for stream in self.streams if stream.handle == handle)

    def run_until(self, done: Callable[[], bool]) -> None:
        while not done():
            able = [stream for stream in self.streams if stream.can_go_on()]
            if not able:
                raise CudaMisuseError("waits for ever")
            self._random.choice(able).go_on()


class StandInLibcuda:
    """The calls of libcuda that record and launch CUDA graphs. `refuse` names a call that answers with an error."""

    def __init__(self, gpu: StandInGpu, refuse: str = "") -> None:
        self.gpu, self.refuse = gpu, refuse
        self.graphs: dict[int, list[Work]] = {}
        self.launches = 0

    def _status(self, call: str) -> int:
        return 801 if self.refuse == call else 0  # CUDA_ERROR_NOT_SUPPORTED

    def cuStreamBeginCapture_v2(self, stream: ctypes.c_void_p, mode: int) -> int:  # noqa: N802
        assert mode == 1
        status = self._status("cuStreamBeginCapture_v2")
        if not status:
            self._stream(stream).recording = []
        return status

    def cuStreamEndCapture(self, stream: ctypes.c_void_p, graph: Any) -> int:  # noqa: N802
        taken, self._stream(stream).recording = self._stream(stream).recording, None
        assert taken is not None
        graph._obj.value = next(self.gpu.numbers)
        self.graphs[graph._obj.value] = taken
        return self._status("cuStreamEndCapture")

    def cuGraphInstantiateWithFlags(self, made: Any, graph: ctypes.c_void_p, flags: Any) -> int:  # noqa: N802
        status = self._status("cuGraphInstantiateWithFlags")
        if not status:
            made._obj.value = next(self.gpu.numbers)
            self.graphs[made._obj.value] = self.graphs[graph.value or 0]
        return status

    def cuGraphLaunch(self, graph: ctypes.c_void_p, stream: ctypes.c_void_p) -> int:  # noqa: N802
        for work in self.graphs[graph.value or 0]:
            self._stream(stream).add(work)
        self.launches += 1
        return self._status("cuGraphLaunch")

    def cuGraphExecDestroy(self, graph: ctypes.c_void_p) -> int:  # noqa: N802
        del self.graphs[graph.value or 0]
        return 0

    cuGraphDestroy = cuGraphExecDestroy  # noqa: N815

    def _stream(self, stream: ctypes.c_void_p) -> StandInStream:
        return self.gpu.stream_of(stream.value or 0)


class StandInTensorRT:
    """TensorRT's runtime over a `StandInGpu`. Its engines add the first number of the style to every byte of a frame.

    They use their activation memory as real ones do: what another engine puts there at the same time spoils the frame.
    The engine `BLENDING` adds up the last painting, the new one, and what else the blend takes.
    """

    class ILogger:
        class Severity:
            ERROR = 1

    class ExecutionContextAllocationStrategy:
        USER_MANAGED = "user managed"

    def __init__(self, gpu: StandInGpu, style_size: int = 4, workspace: int = 64, refuse: str = "") -> None:
        self.gpu, self.style_size, self.workspace, self.refuse = gpu, style_size, workspace, refuse
        self.alive: list[str] = []

    def Runtime(self, logger: Any) -> StandInRuntime:  # noqa: N802
        return StandInRuntime(self, logger)


class _Alive:
    """Notes when it begins and ends to live, so that the order can be checked."""

    def __init__(self, trt: StandInTensorRT, name: str) -> None:
        self.trt, self._name = trt, name
        trt.alive.append(name)

    def __del__(self) -> None:
        if self.trt.alive[-1] != self._name:
            self.trt.alive.append(f"{self._name} ended before its time")
        else:
            self.trt.alive.pop()


class StandInRuntime(_Alive):
    def __init__(self, trt: StandInTensorRT, logger: Any) -> None:
        super().__init__(trt, "runtime")
        self.logger = logger

    def deserialize_cuda_engine(self, data: bytes) -> StandInEngine | None:
        if self.trt.refuse:
            self.logger.log(1, self.trt.refuse)
            return None
        return StandInEngine(self.trt, data == BLENDING)


class StandInEngine(_Alive):
    def __init__(self, trt: StandInTensorRT, blends: bool) -> None:
        super().__init__(trt, "engine")
        self._blends = blends
        net = ["frame", *(["style"] if trt.style_size else []), "painted"]
        self._names = sorted(BLEND_TENSORS) if blends else net
        self.num_io_tensors = len(self._names)
        self.device_memory_size_v2 = trt.workspace

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert name == "style"
        return (self.trt.style_size,)

    def create_execution_context(self, *strategy: str) -> StandInExecution:
        assert strategy == (() if self._blends else ("user managed",))
        return StandInBlending(self.trt) if self._blends else StandInExecution(self.trt)


class StandInExecution(_Alive):
    def __init__(self, trt: StandInTensorRT) -> None:
        super().__init__(trt, "context")
        self._addresses: dict[str, int] = {}
        self._workspace = 0

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def set_device_memory(self, memory: int, size: int) -> None:
        assert size >= self.trt.workspace
        self._workspace = memory

    def execute_async_v3(self, handle: int) -> bool:
        gpu = self.trt.gpu
        gpu.check_current()
        if gpu.fail == "execute":
            gpu.fail = ""
            return False
        for work in self._work(dict(self._addresses)):
            gpu.stream_of(handle).add(work)
        return True

    def _work(self, addresses: dict[str, int]) -> Sequence[Work]:
        gpu, workspace = self.trt.gpu, self._workspace

        def first_half() -> None:
            shift = gpu.memory[addresses["style"]].view(np.float32)[0] if "style" in addresses else np.float32(1)
            gpu.memory[workspace][:4] = shift.astype(np.float32).reshape(1).view(np.uint8)

        def second_half() -> None:
            shift = gpu.memory[workspace][:4].view(np.float32)[0]
            gpu.memory[addresses["painted"]][:] = gpu.memory[addresses["frame"]] + np.uint8(int(shift) % 256)

        return first_half, second_half


class StandInBlending(StandInExecution):
    """Keeps the sum of the last painting, the new one, and the first numbers of flow and mask; shows more by `kept`."""

    def _work(self, addresses: dict[str, int]) -> Sequence[Work]:
        memory = self.trt.gpu.memory

        def mix() -> None:
            flow, kept = (int(memory[addresses[name]].view(np.float32)[0]) for name in (FLOW, KEPT))
            more = np.uint8((flow + int(memory[addresses[NEW]][0])) % 256)
            memory[addresses[MIXED]][:] = memory[addresses[LAST]] + memory[addresses[NEW_PAINTING]] + more
            memory[addresses[SHOWN]][:] = memory[addresses[MIXED]] + np.uint8(kept % 256)

        return (mix,)
