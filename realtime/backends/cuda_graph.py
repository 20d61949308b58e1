"""CUDA graphs: the kernels of a frame, recorded once and launched in one call. pycuda lacks them; this uses libcuda."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

# cuda.h: CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: calls of other threads do not invalidate the recording
_THREAD_LOCAL = 1


class CudaGraphError(RuntimeError):
    """A CUDA graph could not be recorded or launched."""


class CudaGraph:
    """A recording of what `enqueue` puts on the stream. Call `enqueue` once before: first runs allocate memory.

    Args:
        library: the driver's library.
        stream: the handle of a stream; it must not be the default stream.
        enqueue: puts the work on the stream.

    Raises:
        CudaGraphError: the work cannot be recorded.
    """

    def __init__(self, library: Any, stream: int, enqueue: Callable[[], None]) -> None:
        self._library, self._stream = library, ctypes.c_void_p(stream)
        self._graph = ctypes.c_void_p()
        graph = ctypes.c_void_p()
        _check(library.cuStreamBeginCapture_v2(self._stream, _THREAD_LOCAL), "cannot be recorded")
        try:
            enqueue()
        except Exception as exc:
            library.cuStreamEndCapture(self._stream, ctypes.byref(graph))  # otherwise the stream keeps recording
            if graph:
                library.cuGraphDestroy(graph)
            raise CudaGraphError(f"the CUDA graph cannot be recorded: {exc}") from exc
        _check(library.cuStreamEndCapture(self._stream, ctypes.byref(graph)), "cannot be recorded")
        try:
            made = library.cuGraphInstantiateWithFlags(ctypes.byref(self._graph), graph, ctypes.c_ulonglong(0))
            _check(made, "cannot be instantiated")
        finally:
            library.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Puts the recorded work on the stream.

        Raises:
            CudaGraphError: the graph cannot be launched.
        """
        _check(self._library.cuGraphLaunch(self._graph, self._stream), "cannot be launched")

    def close(self) -> None:
        if self._graph:
            self._library.cuGraphExecDestroy(self._graph)
            self._graph = ctypes.c_void_p()


def _check(status: int, trouble: str) -> None:
    if status:
        raise CudaGraphError(f"the CUDA graph {trouble} (CUDA error {status})")
