"""ONNX Runtime with the best of its execution providers: CUDA, DirectML, CoreML or the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from realtime.backends import Net, Painter, Vector, not_installed, opening
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels
from styles.support.silent_imports import import_onnxruntime

# TensorRT and OpenVINO have backends of their own.
_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")


def unavailable_reason() -> str | None:
    return not_installed("onnxruntime", "onnxruntime")


def finds_cuda() -> bool:
    if unavailable_reason():
        return False
    return "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def open_painter(net: Net, width: int, height: int) -> Painter:
    with opening("onnxruntime", net):
        return onnx_painter(net.onnx, width, height)


def onnx_painter(onnx: Path, width: int, height: int) -> Painter:
    """Returns a painter on the first provider in our list that the installed ONNX Runtime has.

    Args:
        onnx: the ONNX file of the net.
        width: the width of the frames in pixels.
        height: the height of the frames in pixels.
    """
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
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
