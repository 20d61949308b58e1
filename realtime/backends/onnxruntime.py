"""ONNX Runtime: whatever its execution providers offer (CUDA, DirectML, CoreML, CPU)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.backends import Net, Painter, Vector, not_installed, opening
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels
from styles.support.silent_imports import import_onnxruntime

# TensorRT has a backend of its own, and OpenVINO too.
_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")

# ONNX Runtime's own log, in colour and on stderr.
_FATAL_ONLY = 4


def unavailable_reason() -> str | None:
    """Returns what to type if ONNX Runtime is not installed, None if it is."""
    return not_installed("onnxruntime", "onnxruntime")


def finds_cuda() -> bool:
    """Whether the installed ONNX Runtime runs on NVIDIA cards."""
    if unavailable_reason():
        return False
    return "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def open_painter(net: Net, width: int, height: int) -> Painter:
    """Returns a painter for frames of that size. Raises BackendUnavailableError."""
    with opening("onnxruntime", net):
        return onnx_painter(net.onnx, width, height)


def onnx_painter(onnx: Path, width: int, height: int) -> Painter:
    """Returns a painter on the first of our execution providers that the installed ONNX Runtime has."""
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    # what goes wrong is raised as well
    options.log_severity_level = _FATAL_ONLY
    available = onnxruntime.get_available_providers()
    providers = [name for name in _PROVIDERS if name in available]
    session = onnxruntime.InferenceSession(str(onnx), options, providers=providers)

    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        inputs: dict[str, object] = {"frame": np.ascontiguousarray(frame).reshape(1, height, width, 3)}
        if style is not None:
            inputs["style"] = style
        painted: Pixels = session.run(None, inputs)[0][0]
        return painted

    return WorkerPainter(f"onnxruntime {session.get_providers()[0].removesuffix('ExecutionProvider')}", paint)
