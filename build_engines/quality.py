"""The accuracy report: how close an engine, or its graph, comes to the net in FP32."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from build_engines.onnx.options import FRAME, STYLE
from styles.support.silent_imports import import_onnxruntime

Pixels = NDArray[np.uint8]
Vector = NDArray[np.float32]
# Paints one H x W x 3 frame with a style vector, or None for a net with one style baked in.
Paint = Callable[[Pixels, Vector | None], Pixels]

FLOOR_DB = 40.0
_LEAST_ERROR = 1e-10  # identical pictures score 148 dB


@dataclass(frozen=True)
class AccuracyReport:
    """The worst PSNR over all frames and styles.

    `psnr_db` is in dB and was found with `worst_style`. `measured` names what was measured, `reference` what it was
    compared with, and `frames` is the number of frames.
    """

    psnr_db: float
    worst_style: str
    measured: str
    reference: str
    frames: int

    @property
    def good(self) -> bool:
        return self.psnr_db >= FLOOR_DB

    def __str__(self) -> str:
        verdict = "" if self.good else f" — below {FLOOR_DB:g} dB: paintings will differ visibly"
        style = f" at worst ({self.worst_style})" if self.worst_style else ""
        return f"{self.measured} against {self.reference}: {self.psnr_db:.1f} dB{style}{verdict}"


def psnr_db(one: Pixels, other: Pixels) -> float:
    """Returns the peak signal-to-noise ratio in dB of two uint8 pictures of the same shape."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), _LEAST_ERROR)))


def measure_quality(
    paint: tuple[str, Paint],
    reference: tuple[str, Paint],
    frames: Sequence[Pixels],
    styles: Mapping[str, Vector | None],
) -> AccuracyReport:
    """Returns the accuracy report of `paint` against `reference`.

    Args:
        paint: the name and the function of what is measured.
        reference: the name and the function of what it is compared with.
        frames: H x W x 3 uint8 RGB each; at least one.
        styles: a vector float32[K] for each name, or None for a net with one style baked in; at least one.
    """
    worst = min(
        (psnr_db(paint[1](frame, vector), reference[1](frame, vector)), name)
        for frame in frames
        for name, vector in styles.items()
    )
    return AccuracyReport(worst[0], worst[1], paint[0], reference[0], len(frames))


def smooth_frames(width: int, height: int) -> list[Pixels]:
    """Returns three frames that are hardest for FP16: a sky, a dark ramp and a vignette, all without grain."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / height, x / width
    sky = np.stack([90 + 60 * y, 140 + 50 * y, 220 - 10 * y], axis=-1)
    dark = np.stack([20 + 30 * x * y, 16 + 24 * x * y, 12 + 18 * x * y], axis=-1)
    vignette = np.stack([200 * np.exp(-4 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))] * 3, axis=-1)
    return [np.clip(np.round(frame), 0, 255).astype(np.uint8) for frame in (sky, dark, vignette)]


def sample_frames(width: int, height: int) -> list[Pixels]:
    """Returns six drawn frames: soft edges, hard edges with grain, flat black, and those of `smooth_frames`."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(width, height)
    rng = np.random.default_rng(0)
    soft = np.stack([np.sin(9 * x + 2 * y), np.cos(7 * y - 3 * x), np.sin(5 * (x + y) ** 2)], axis=-1) * 110 + 128
    hard = np.where(((8 * x).astype(int) + (8 * y).astype(int))[..., None] % 2, soft, 255 - soft[::-1])
    dark = np.where((np.hypot(x - 0.5, y - 0.3) < 0.2)[..., None], soft, 0)
    pictures = (soft, hard + rng.normal(0, 12, hard.shape), dark)
    drawn = [np.clip(np.round(picture), 0, 255).astype(np.uint8) for picture in pictures]
    return [*drawn, *smooth_frames(width, height)]


def photographs(folder: Path, width: int, height: int, count: int = 20) -> list[Pixels]:
    """Returns the first pictures in a folder by name, scaled to cover the frame and cropped to its middle.

    Args:
        folder: the folder of the pictures; files of other kinds are skipped.
        width: the width of the frame in pixels.
        height: the height of the frame in pixels.
        count: the largest number of pictures to return.

    Raises:
        FileNotFoundError: the folder has no pictures.
    """
    import cv2

    pictures: list[Pixels] = []
    for path in sorted(folder.glob("*")):
        data = np.frombuffer(path.read_bytes(), np.uint8) if path.is_file() else np.empty(0, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if bgr is None:
            continue
        scale = max(width / bgr.shape[1], height / bgr.shape[0])
        size = max(width, round(bgr.shape[1] * scale)), max(height, round(bgr.shape[0] * scale))
        bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        middle = bgr[top : top + height, left : left + width]
        pictures.append(np.asarray(cv2.cvtColor(middle, cv2.COLOR_BGR2RGB), np.uint8))
        if len(pictures) == count:
            break
    if not pictures:
        raise FileNotFoundError(f"no pictures in {folder}")
    return pictures


class NoAccuracyReportError(RuntimeError):
    """Nothing that could measure the quality is installed; the message says what to type."""


def with_fp16_storage(fp16_model: bytes) -> bytes:
    """Returns a serialized float32 graph that rounds every tensor which a GPU would store in FP16.

    A GPU multiplies FP16 numbers, sums in FP32 and rounds the result when it stores it. ONNX Runtime on a CPU skips
    the rounding between the operators of an FP16 graph, and so hides the accuracy that FP16 costs.

    Args:
        fp16_model: the serialized FP16 graph.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    wide = onnx.load_model_from_string(fp16_model)
    inferred = onnx.shape_inference.infer_shapes(wide).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    for tensor in wide.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    nodes = []
    for node in wide.graph.node:
        stored = [name for name in node.output if kinds.get(name) == TensorProto.FLOAT16]
        if stored and node.op_type == "Cast":
            node.attribute[0].i = TensorProto.FLOAT
        for index, name in enumerate(node.output):
            node.output[index] = f"{name}_exact" if name in stored else name
        nodes.append(node)
        for name in stored:
            nodes.append(helper.make_node("Cast", [f"{name}_exact"], [f"{name}_half"], to=TensorProto.FLOAT16))
            nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    del wide.graph.node[:], wide.graph.value_info[:]
    wide.graph.node.extend(nodes)
    model: bytes = wide.SerializeToString()
    return model


def paint_with_onnxruntime(model: bytes) -> Paint:
    """Returns a function that paints with a serialized ONNX graph on the CPU.

    Raises:
        NoAccuracyReportError: ONNX Runtime is not installed.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise NoAccuracyReportError(
            "the quality is not measured: onnxruntime is not installed; type: pip install onnxruntime"
        )
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        inputs = {FRAME: frame[None]} if style is None else {FRAME: frame[None], STYLE: style}
        painted: Pixels = session.run(None, inputs)[0][0]
        return painted

    return paint


def paint_with_pytorch(weights: Path) -> Paint:
    """Returns a function that paints with the net itself, in FP32 on the CPU."""
    import torch

    from build_engines.onnx.pixel_net import pixel_net_from_weights

    net = pixel_net_from_weights(weights)

    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        with torch.inference_mode():
            painted = net(torch.from_numpy(frame)[None], None if style is None else torch.from_numpy(style))
            pixels: Pixels = painted[0].numpy()
            return pixels

    return paint


def fp32_reference(weights: Path) -> tuple[str, Paint]:
    """Returns the name and the function of the reference: the net in FP32 under PyTorch.

    If PyTorch is not installed, that is the FP32 graph under ONNX Runtime; the two differ by at most one level.

    Raises:
        NoAccuracyReportError: neither PyTorch nor ONNX Runtime is installed.
    """
    if importlib.util.find_spec("torch") is not None:
        return "FP32 PyTorch", paint_with_pytorch(weights)
    from build_engines.onnx.graph import onnx_from_network
    from styles.weights import load_network

    model = onnx_from_network(load_network(weights)).SerializeToString()
    return "the FP32 graph under ONNX Runtime", paint_with_onnxruntime(model)
