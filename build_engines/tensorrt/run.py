"""Loads a TensorRT engine and paints one frame at a time with it, to measure its quality.

The fast path with slots and streams is in realtime/backends/tensorrt.py.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Set
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from build_engines.gpus import first_gpu
from build_engines.onnx.options import FRAME, PAINTED, STYLE
from build_engines.quality import Paint, Pixels, Vector
from build_engines.tensorrt.cache import StoredEngine, UnusableEngineError, read_engine
from build_engines.tensorrt.variants import Variant, last_errors, logger_of

NET_TENSORS = frozenset((FRAME, PAINTED))


class NoPycudaError(RuntimeError):
    """pycuda is missing or does not load; the message says what to type."""


def load_pycuda() -> Any:
    """Returns `pycuda.driver`, initialised.

    Raises:
        NoGpuError: there is no usable GPU.
        NoPycudaError: pycuda is missing or does not load.
    """
    first_gpu()  # without a driver the import fails with a linker error
    if reason := pycuda_unavailable_reason():
        raise NoPycudaError(reason)
    try:
        driver = importlib.import_module("pycuda.driver")
    except ImportError as exc:
        raise NoPycudaError(f"pycuda is installed but does not load: {exc}") from exc
    driver.init()
    return driver


def pycuda_unavailable_reason() -> str | None:
    """Returns what to type if pycuda is not installed, or None if it is."""
    if importlib.util.find_spec("pycuda") is not None:
        return None
    return "pycuda is not installed; it has no wheels: install the CUDA toolkit (nvcc), then type: pip install pycuda"


class LoadedEngine:
    """An engine in GPU memory. The GPU's context must be current from construction to `close`.

    Args:
        stored: the engine.
        variant: the TensorRT that runs it.
        tensors: the names of its inputs and outputs; a net may have a style, too.

    Raises:
        NoGpuError: there is no usable GPU.
        UnusableEngineError: TensorRT does not accept the engine, e.g. because of another version or GPU.
    """

    def __init__(self, stored: StoredEngine, variant: Variant, tensors: Set[str] = NET_TENSORS) -> None:
        first_gpu()  # without a driver, Runtime ends in a segmentation fault
        data = read_engine(stored)
        self.variant = variant
        # in the order in which they must be freed, in case the object is dropped without being closed
        self.contexts: list[Any] = []
        self.engine: Any = None
        self.runtime = variant.trt.Runtime(logger_of(variant))
        self.engine = self.runtime.deserialize_cuda_engine(data)
        if self.engine is None:
            raise UnusableEngineError(f"{variant} does not accept {stored.path.name}: {last_errors(variant)}")
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        if set(names) - {STYLE} != tensors:
            raise UnusableEngineError(
                f"{stored.path.name} has the tensors {names}, expected {', '.join(sorted(tensors))}"
            )
        self.style_size = int(self.engine.get_tensor_shape(STYLE)[0]) if STYLE in names else 0

    def create_context(self, *strategy: Any) -> Any:
        """Returns an execution context, which the engine owns.

        Args:
            strategy: TensorRT's strategy for its memory; by default TensorRT's own.

        Raises:
            UnusableEngineError: TensorRT creates no context.
        """
        context = self.engine.create_execution_context(*strategy)
        if context is None:
            raise UnusableEngineError(f"{self.variant} creates no context for the engine: {last_errors(self.variant)}")
        self.contexts.append(context)
        return context

    def close(self) -> None:
        """Frees the contexts, then the engine, then the runtime: each must outlive the one before it."""
        self.contexts.clear()
        del self.engine
        del self.runtime


@contextmanager
def paint_with_engine(stored: StoredEngine, variant: Variant) -> Iterator[Paint]:
    """Yields a function that paints one frame at a time on the first GPU, slowly.

    Raises:
        NoGpuError: there is no usable GPU.
        NoPycudaError: pycuda is missing or does not load.
        UnusableEngineError: TensorRT does not accept the engine.
    """
    driver = load_pycuda()
    cuda_context = driver.Device(0).retain_primary_context()
    cuda_context.push()
    try:
        loaded = LoadedEngine(stored, variant)
        loaded.create_context()
        try:
            yield partial(_paint_once, driver, loaded)
        finally:
            loaded.close()
    finally:
        cuda_context.pop()


def _paint_once(driver: Any, loaded: LoadedEngine, frame: Pixels, style: Vector | None) -> Pixels:
    painted = np.empty_like(frame, order="C")
    buffers = {FRAME: driver.to_device(np.ascontiguousarray(frame)), PAINTED: driver.mem_alloc(painted.nbytes)}
    if style is not None:
        buffers[STYLE] = driver.to_device(style)
    for name, buffer in buffers.items():
        loaded.contexts[0].set_tensor_address(name, int(buffer))
    stream = driver.Stream()
    if not loaded.contexts[0].execute_async_v3(stream.handle):
        raise RuntimeError(f"the engine does not run: {last_errors(loaded.variant)}")
    stream.synchronize()
    driver.memcpy_dtoh(painted, buffers[PAINTED])
    return painted
