"""pycuda as the `GpuDevice` of slots.py: the GPU's primary context, pinned memory and streams."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from build_engines.tensorrt.run import load_pycuda

# cuda.h: a stream that does not wait for the default stream, and an event that keeps no time
_STREAM_NON_BLOCKING = 1
_EVENT_DISABLE_TIMING = 2


class PycudaEvent(Protocol):
    def record(self, stream: PycudaStream | None = None) -> object: ...
    def synchronize(self) -> object: ...


class PycudaStream(Protocol):
    @property
    def handle(self) -> int: ...
    def wait_for_event(self, event: PycudaEvent) -> None: ...
    def synchronize(self) -> None: ...


class PycudaMemory(Protocol):
    def __int__(self) -> int: ...


class PycudaContext(Protocol):
    def push(self) -> None: ...
    def pop(self) -> None: ...


class PycudaGpu(Protocol):
    def retain_primary_context(self) -> PycudaContext: ...


class PycudaDriver(Protocol):
    """The part of `pycuda.driver` that is used here, with the signatures of pycuda 2026.1 (compared in the tests)."""

    def GpuDevice(self, number: int) -> PycudaGpu: ...  # noqa: N802
    def Stream(self, flags: int = 0) -> PycudaStream: ...  # noqa: N802
    def Event(self, flags: int = 0) -> PycudaEvent: ...  # noqa: N802
    def mem_alloc(self, size: int) -> PycudaMemory: ...
    def pagelocked_empty(
        self, shape: tuple[int, ...], dtype: Any, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]: ...
    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: PycudaStream | None = None) -> None: ...
    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: PycudaStream | None = None) -> None: ...
    def memcpy_dtod_async(self, dest: int, src: int, size: int, stream: PycudaStream | None = None) -> None: ...


class PycudaDevice:
    """The first GPU through pycuda. Raises NoGpuError or NoPycudaError.

    The primary context is the one that torch and the CUDA runtime use too; `pycuda.autoinit` would make a second one.
    """

    def __init__(self, driver: PycudaDriver | None = None) -> None:
        self.driver: PycudaDriver = driver or load_pycuda()
        self._context: PycudaContext | None = self.driver.GpuDevice(0).retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        assert self._context is not None
        context = self._context
        context.push()
        try:
            yield
        finally:
            context.pop()

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return self.driver.pagelocked_empty(shape, dtype)

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> PycudaMemory:
        return self.driver.mem_alloc(prod(shape) * np.dtype(dtype).itemsize)

    def queue(self) -> PycudaStream:
        return self.driver.Stream(_STREAM_NON_BLOCKING)

    def event(self) -> PycudaEvent:
        return self.driver.Event(_EVENT_DISABLE_TIMING)

    def upload(self, target: PycudaMemory, source: NDArray[Any], queue: PycudaStream) -> None:
        self.driver.memcpy_htod_async(int(target), source, queue)

    def download(self, target: NDArray[Any], source: PycudaMemory, queue: PycudaStream) -> None:
        self.driver.memcpy_dtoh_async(target, int(source), queue)

    def copy(self, target: PycudaMemory, source: PycudaMemory, size: int, queue: PycudaStream) -> None:
        self.driver.memcpy_dtod_async(int(target), int(source), size, queue)

    def record(self, event: PycudaEvent, queue: PycudaStream) -> None:
        event.record(queue)

    def queue_waits(self, queue: PycudaStream, event: PycudaEvent) -> None:
        queue.wait_for_event(event)

    def wait(self, event: PycudaEvent) -> None:
        event.synchronize()

    def drain(self, queue: PycudaStream) -> None:
        queue.synchronize()

    def close(self) -> None:
        self._context = None
