"""OpenVINO: the fastest way to run these nets on any x86 or Arm CPU (measured in docs/lab/live.md)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.backends import Blender, Graph, Net, Vector, not_installed, opening
from realtime.frames import Pixels
from styles.support.openvino_core import compile_model, compiling_or_running, openvino_core
from styles.support.silent_imports import import_openvino


def unavailable_reason() -> str | None:
    """Returns what to type if OpenVINO is not installed, None if it is."""
    return not_installed("openvino", "openvino")


def open_painter(net: Net, width: int, height: int) -> OpenVinoPainter:
    """Returns a painter for frames of that size. Raises BackendUnavailableError."""
    with opening("openvino", net):
        return OpenVinoPainter(net.onnx, width, height)


def open_painter_for_rate(net: Net, width: int, height: int) -> OpenVinoPainter:
    """Returns a painter that takes longer for each frame and paints more of them. Raises BackendUnavailableError."""
    with opening("openvino", net):
        return OpenVinoPainter(net.onnx, width, height, "THROUGHPUT")


def open_graph(onnx: Path) -> Graph:
    """Returns a graph that is run once in a while, on the processor, with the precision that it was trained in."""
    model = openvino_core().read_model(onnx)
    # bfloat16 would round the statistics of features
    settings = {"PERFORMANCE_HINT": "LATENCY", "EXECUTION_MODE_HINT": "ACCURACY"}
    compiled = compile_model(model, settings)
    names = [output.get_any_name() for output in compiled.outputs]

    def run(inputs: Mapping[str, NDArray[np.generic]]) -> Mapping[str, NDArray[np.float32]]:
        with compiling_or_running:
            results = compiled(dict(inputs))
        return {name: np.array(results[index], np.float32) for index, name in enumerate(names)}

    return run


class OpenVinoPainter:
    """Paints with two requests in turn on one stream of all cores: the next frame is queued when the running one ends.

    Args:
        onnx: the graph.
        width: of the frames.
        height: of the frames.
        hint: with "THROUGHPUT" there are several streams of one or few cores each, with a request for every stream.
    """

    blender: Blender | None = None

    def __init__(self, onnx: Path, width: int, height: int, hint: str = "LATENCY") -> None:
        model = openvino_core().read_model(onnx)
        model.reshape({"frame": [1, height, width, 3]})
        # for this hint OpenVINO decides by itself on bfloat16, if the CPU multiplies it natively
        settings = {"PERFORMANCE_HINT": hint, "EXECUTION_MODE_HINT": "PERFORMANCE"}
        self._compiled = compile_model(model, settings)
        precision = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.description = f"openvino {precision}"
        self.depth = max(2, self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._tensor = import_openvino().Tensor
        self._idle = deque(self._compiled.create_infer_request() for _ in range(self.depth))
        self._busy: deque[tuple[Any, Pixels, object]] = deque()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        request = self._idle.popleft()
        painted = np.empty_like(frame, order="C")
        inputs = [np.ascontiguousarray(frame)[None], style]
        request.set_input_tensor(0, self._tensor(inputs[0], shared_memory=True))
        if style is not None:
            request.set_input_tensor(1, self._tensor(style, shared_memory=True))
        request.set_output_tensor(self._tensor(painted[None], shared_memory=True))
        request.start_async()
        self._busy.append((request, painted, inputs))  # the inputs' memory must outlive the request

    def finish(self) -> Pixels:
        request, painted, _ = self._busy.popleft()
        request.wait()
        self._idle.append(request)
        return painted

    def close(self) -> None:
        while self._busy:
            self.finish()
