"""ONNX Runtime: whatever its execution providers offer (CUDA, DirectML, CoreML, CPU)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from build_engines.onnx.blend import FLOW, KEPT, LAST, MIXED, NEW, NEW_PAINTING, SHOWN
from build_engines.onnx.options import BLEND_GRAPH, FRAME, PAINTED, STYLE
from realtime.backends import BLENDS_BY_GRAPH, Blend, Graph, Net, Painter, Vector, not_installed, opening
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels
from styles.support.silent_imports import import_onnxruntime

# TensorRT has a backend of its own, and OpenVINO too.
_PROVIDERS = ("CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider", "CPUExecutionProvider")

# Providers whose devices have memory of their own, in which paintings may stay, with ONNX Runtime's name of it.
_DEVICES = {"CUDAExecutionProvider": "cuda"}
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


def open_graph(onnx: Path) -> Graph:
    """Returns a graph that is run once in a while, on the processor."""
    session = _session(onnx, ("CPUExecutionProvider",))
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.float32]]:
        return dict(zip(names, session.run(None, dict(inputs)), strict=True))

    return run


def onnx_painter(onnx: Path, width: int, height: int, *, blends: bool | None = None) -> WorkerPainter:
    """Returns a painter on the first of our execution providers that the installed ONNX Runtime has.

    Args:
        onnx: the graph.
        width: of the frames.
        height: of the frames.
        blends: whether paintings are blended by the graph, where they are; by default where that is faster.
    """
    net = _session(onnx)
    provider = net.get_providers()[0]
    device, shape = _DEVICES.get(provider, "cpu"), (1, height, width, 3)

    def paint(frame: Pixels, style: Vector | None) -> Any:
        binding, pixels = net.io_binding(), np.ascontiguousarray(frame).reshape(shape)
        binding.bind_cpu_input(FRAME, pixels)
        if style is not None:
            binding.bind_cpu_input(STYLE, style)
        binding.bind_output(PAINTED, device)
        net.run_with_iobinding(binding)
        return binding.get_outputs()[0]

    painter = WorkerPainter(f"onnxruntime {provider.removesuffix('ExecutionProvider')}", paint, _pixels)
    if (device in BLENDS_BY_GRAPH) if blends is None else blends:
        painter.blender = OnnxBlender(_session(BLEND_GRAPH), painter.take, device)
    return painter


class OnnxBlender:
    """Blends paintings on the device that paints them; see `realtime.backends.Blender`.

    Args:
        session: the blend's graph.
        take: returns the oldest painting, on the device.
        device: ONNX Runtime's name of it.
    """

    def __init__(self, session: Any, take: Callable[[], Any], device: str) -> None:
        self._session, self._take, self._device = session, take, device
        self._last: Any = None

    def finish(self, blend: Blend | None) -> Pixels:
        painted, last = self._take(), self._last
        if blend is None or last is None:
            self._last = painted
            return _pixels(painted)
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(LAST, last)
        binding.bind_ortvalue_input(NEW_PAINTING, painted)
        # named, since their memory must outlive the run
        inputs = {FLOW: blend.flow[None], NEW: blend.new[None], KEPT: np.array([blend.kept], np.float32)}
        for name, values in inputs.items():
            binding.bind_cpu_input(name, values)
        for name in (SHOWN, MIXED):
            binding.bind_output(name, self._device)
        self._session.run_with_iobinding(binding)
        shown, self._last = binding.get_outputs()
        return _pixels(shown)

    def kept(self) -> Pixels | None:
        return None if self._last is None else _pixels(self._last)

    def keep(self, painted: Pixels) -> None:
        value = import_onnxruntime().OrtValue
        self._last = value.ortvalue_from_numpy(np.ascontiguousarray(painted)[None], self._device, 0)


def _session(onnx: Path, wanted: Sequence[str] = _PROVIDERS) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    # what goes wrong is raised as well
    options.log_severity_level = _FATAL_ONLY
    available = onnxruntime.get_available_providers()
    providers = [name for name in wanted if name in available]
    return onnxruntime.InferenceSession(str(onnx), options, providers=providers)


def _pixels(value: Any) -> Pixels:
    """Returns a picture of ONNX Runtime's, 1 x H x W x 3, on the host."""
    pixels: Pixels = value.numpy()[0]
    return pixels
