"""ONNX Runtime: whatever its execution providers offer (CUDA, DirectML, CoreML, CPU)."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from realtime.backends import Net, Vector, not_installed
from realtime.frames import Pixels

# TensorRT has a backend of its own, and OpenVINO too.
_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")


def why_not() -> str | None:
    return not_installed("onnxruntime", "onnxruntime")


def open_painter(net: Net, width: int, height: int) -> OnnxRuntimePainter:
    return OnnxRuntimePainter(net.onnx, width, height)


class OnnxRuntimePainter:
    """Runs one frame at a time in a thread of its own, where the library lets go of Python's lock."""

    depth = 2

    def __init__(self, onnx: Path, width: int, height: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        available = onnxruntime.get_available_providers()
        providers = [name for name in _PROVIDERS if name in available]
        self._session = onnxruntime.InferenceSession(str(onnx), options, providers=providers)
        self.description = f"onnxruntime {self._session.get_providers()[0].removesuffix('ExecutionProvider')}"
        self._size = (height, width, 3)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="onnxruntime")
        self._busy: deque[Future[Pixels]] = deque()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        self._busy.append(self._worker.submit(self._paint, frame, style))

    def finish(self) -> Pixels:
        return self._busy.popleft().result()

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def _paint(self, frame: Pixels, style: Vector | None) -> Pixels:
        inputs = {"frame": frame.reshape(1, *self._size)}
        if style is not None:
            inputs["style"] = style  # type: ignore[assignment]
        painted: Pixels = self._session.run(None, inputs)[0][0]
        return painted
