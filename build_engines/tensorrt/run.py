"""Loads an engine for TensorRT, and paints with it one frame after the other: for the check of its quality.

The loop has its own way with slots and streams: realtime/backends/tensorrt.py.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from build_engines.gpus import first_gpu
from build_engines.onnx.options import FRAME, PAINTED, STYLE
from build_engines.quality import Paint, Pixels, Vector
from build_engines.tensorrt.cache import StoredEngine, UnusableEngineError, read_engine
from build_engines.tensorrt.variants import Variant, last_words, logger_of


class NoPycudaError(RuntimeError):
    """pycuda is missing or does not load; the text says what to type."""


def load_pycuda() -> Any:
    """Returns `pycuda.driver`, initialised. Raises NoGpuError or NoPycudaError."""
    first_gpu()  # the import fails in words of the linker without a driver
    if reason := why_no_pycuda():
        raise NoPycudaError(reason)
    try:
        driver = importlib.import_module("pycuda.driver")
    except ImportError as exc:
        raise NoPycudaError(f"pycuda is installed and does not load: {exc}") from exc
    driver.init()
    return driver


def why_no_pycuda() -> str | None:
    """Returns what to type where pycuda is not installed, None where it is."""
    if importlib.util.find_spec("pycuda") is not None:
        return None
    return "pycuda is not installed; it has no wheels and needs the CUDA toolkit (nvcc); then: pip install pycuda"


class LoadedEngine:
    """An engine in the memory of the GPU, whose context must be current from here to `close`.

    Raises UnusableEngineError where TensorRT does not take it: the engine of another version or GPU.
    """

    def __init__(self, stored: StoredEngine, variant: Variant) -> None:
        first_gpu()  # a Runtime without a driver is a segmentation fault
        data = read_engine(stored)
        self.variant = variant
        # in the order in which they may end, should the object be dropped without being closed
        self.contexts: list[Any] = []
        self.engine: Any = None
        self.runtime = variant.trt.Runtime(logger_of(variant))
        self.engine = self.runtime.deserialize_cuda_engine(data)
        if self.engine is None:
            raise UnusableEngineError(f"{variant} does not take {stored.path.name}: {last_words(variant)}")
        names = [self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors)]
        if not {FRAME, PAINTED} <= set(names) <= {FRAME, PAINTED, STYLE}:
            raise UnusableEngineError(f"{stored.path.name} has the tensors {names}, expected frame, style and painted")
        self.style_size = int(self.engine.get_tensor_shape(STYLE)[0]) if STYLE in names else 0

    def create_context(self, *strategy: Any) -> Any:
        """Returns an execution context, which belongs to the engine. Raises UnusableEngineError."""
        context = self.engine.create_execution_context(*strategy)
        if context is None:
            raise UnusableEngineError(f"{self.variant} gives the engine no context: {last_words(self.variant)}")
        self.contexts.append(context)
        return context

    def close(self) -> None:
        """Frees the contexts, then the engine, then its runtime: each must outlive the one before."""
        self.contexts.clear()
        del self.engine
        del self.runtime


@contextmanager
def paint_with_engine(stored: StoredEngine, variant: Variant) -> Iterator[Paint]:
    """Yields a function that paints one frame at a time on the first GPU, slowly.

    Raises NoGpuError, NoPycudaError or UnusableEngineError.
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
        raise RuntimeError(f"the engine does not run: {last_words(loaded.variant)}")
    stream.synchronize()
    driver.memcpy_dtoh(painted, buffers[PAINTED])
    return painted
