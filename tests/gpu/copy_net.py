"""The least that a GPU can do, a net that copies its frame: pycuda, streams and CUDA graphs without TensorRT."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from realtime.backends.cuda_graph import CudaGraph
from realtime.backends.gpu import Launch
from realtime.backends.pycuda_device import PycudaDevice, PycudaMemory, PycudaStream


class CopyNet:
    """A `GpuNet` (realtime/backends/gpu.py) for frames of `shape`; with `libcuda`, as a CUDA graph."""

    style_size = 0
    description = "copy"

    def __init__(self, device: PycudaDevice, shape: tuple[int, int, int], libcuda: Any = None) -> None:
        self.queue: PycudaStream = device.queue()
        self._driver: Any = device.driver
        self._bytes, self._libcuda = prod(shape) * np.dtype(np.uint8).itemsize, libcuda
        self._graphs: list[CudaGraph] = []

    def prepare(self, frame: PycudaMemory, style: PycudaMemory | None, painted: PycudaMemory) -> Launch:
        def copy() -> None:
            self._driver.memcpy_dtod_async(int(painted), int(frame), self._bytes, self.queue)

        copy()
        self.queue.synchronize()
        if self._libcuda is None:
            return copy
        self._graphs.append(CudaGraph(self._libcuda, self.queue.handle, copy))
        return self._graphs[-1].launch

    def settle(self) -> None:
        """Nothing to wait for."""

    def close(self) -> None:
        for graph in self._graphs:
            graph.close()
        self._graphs.clear()
