"""Measures the blend of the stabilizer on this processor: in OpenCV, and by the graph in OpenVINO and ONNX Runtime.

`realtime.backends.BLENDS_BY_GRAPH` follows from it. Type: python -m tools.measure_blend --size 640x480 1280x720
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from build_engines.onnx.blend import FLOW, KEPT, LAST, NEW, NEW_PAINTING
from build_engines.onnx.options import BLEND_GRAPH
from realtime.backends import Blend
from realtime.frames import Size
from realtime.session import DEFAULT_STEADINESS
from realtime.sources.scene import Scene
from realtime.stylize.scene_motion import MotionEstimator
from realtime.stylize.stabilizer import PixelBlender
from styles.support.openvino_core import openvino_core
from styles.support.readers import parse_size
from styles.support.silent_imports import import_onnxruntime
from styles.support.terminal import print_line

Run = Callable[[], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, nargs="+", default=[(640, 480)], metavar="WxH")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    # as nst-live does
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 2))
    for size in arguments.size:
        runs = contenders(size)
        for name, (wall_ms, cpu_ms) in measured(runs, arguments.rounds).items():
            print_line(f"{size[0]}x{size[1]}  {name:16} {wall_ms:7.2f} ms, {cpu_ms:7.2f} ms of processor time")


def contenders(size: Size) -> dict[str, Run]:
    """Returns what blends two frames of the bundled scene, by name."""
    scene, motion = Scene(*size), MotionEstimator()
    before, frame = scene.draw(0), scene.draw(1)
    motion.watch(before, "style", DEFAULT_STEADINESS)
    blend = motion.watch(frame, "style", DEFAULT_STEADINESS).blend
    assert blend is not None
    blender = PixelBlender()
    blender.keep(before)
    inputs = _inputs(before, frame, blend)
    return {
        "OpenCV": lambda: blender.blend(frame, blend),
        "OpenVINO": _openvino(inputs),
        "ONNX Runtime": _onnxruntime(inputs),
    }


def measured(runs: dict[str, Run], rounds: int) -> dict[str, tuple[float, float]]:
    """Returns the median of the time and of the processor time of each, in ms; they run in turn."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            began, used = time.perf_counter(), time.process_time()
            run()
            if number:  # the first round warms up
                times[name].append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - used)))
    return {name: (_median([w for w, _ in both]), _median([c for _, c in both])) for name, both in times.items()}


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _inputs(last: Any, painted: Any, blend: Blend) -> dict[str, Any]:
    return {
        LAST: last[None],
        NEW_PAINTING: painted[None],
        FLOW: blend.flow[None],
        NEW: blend.new[None],
        KEPT: np.array([blend.kept], np.float32),
    }


def _openvino(inputs: dict[str, Any]) -> Run:
    model = openvino_core().read_model(BLEND_GRAPH)
    model.reshape({name: list(values.shape) for name, values in inputs.items()})
    compiled = openvino_core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    return lambda: compiled(inputs)


def _onnxruntime(inputs: dict[str, Any]) -> Run:
    session = import_onnxruntime().InferenceSession(str(BLEND_GRAPH), providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


if __name__ == "__main__":
    main()
