"""Paints huge pictures in bounded memory, band after band, with the instance-norm statistics of the whole picture.

An instance norm needs mean and variance of the whole picture, so no part can be painted by itself. Therefore the net is
cut before each instance norm. Each piece of it runs over the picture in bands of rows, which overlap by what its
convolutions see, and keeps what later pieces need as float16, with mean and variance. Every layer is computed once, and
the result is the painting of the whole picture up to rounding: nothing could make a seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.backends import Net, Vector
from realtime.frames import Pixels
from styles.support.openvino_core import compile_model, openvino_core
from styles.support.silent_imports import import_openvino

# About how many pixels of the picture are in work at once, and at least how many rows.
_BAND_PIXELS = 1_500_000
_LEAST_BAND_ROWS = 64
# The least rows of a wider picture take gigabytes.
_WIDEST = 200_000
# Layers that see each pixel by itself, or whose border is cut off with the overlap. A net with others cannot be cut.
# fmt: off
_LOCAL = frozenset({
    "Abs", "Add", "Clamp", "Concat", "Convert", "DepthToSpace", "Divide", "Elu", "Exp", "Floor", "Gelu", "HSwish",
    "Log", "MVN", "Maximum", "Minimum", "Mish", "Multiply", "Negative", "PRelu", "Pad", "Power", "Relu", "Result",
    "Round", "Selu", "ShapeOf", "Sigmoid", "SoftPlus", "Split", "Sqrt", "Subtract", "Swish", "Tanh", "Transpose",
    "VariadicSplit",
})
# fmt: on
_CONVOLUTIONS = frozenset(("Convolution", "GroupConvolution"))

Report = Callable[[float], object]
_Features = NDArray[np.float16]


class BandError(ValueError):
    """A picture cannot be painted in bands: the net has layers that forbid it, or a band is too wide."""


@dataclass(frozen=True)
class _Tensor:
    """What one piece leaves for later ones, 1 x channels x (rows / step) x width, and the node whose output it is."""

    node: str
    port: int
    channels: int
    width: int
    step: int


@dataclass(frozen=True)
class _Piece:
    """A part of the net, from the tensors that it reads to those that it keeps; the last one keeps none and paints.

    `normed` are the kept ones that an instance norm takes. A band depends on `overlap` rows of the picture beyond it.
    """

    reads: tuple[_Tensor, ...]
    keeps: tuple[_Tensor, ...]
    normed: tuple[_Tensor, ...]
    overlap: int


@dataclass(frozen=True)
class _Moments:
    """Mean and variance of each channel: float64[C]."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


class _Sums:
    """Computes the moments of the whole from those of its bands."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = self._squares = np.zeros(1)

    def add(self, mean: NDArray[np.float32], root_of_squares: NDArray[np.float32], count: int) -> None:
        """Adds a band with `count` values in each channel."""
        self._count += count
        self._sum = self._sum + count * mean.reshape(-1).astype(np.float64)
        self._squares = self._squares + root_of_squares.reshape(-1).astype(np.float64) ** 2

    def moments(self) -> _Moments:
        mean = self._sum / self._count
        return _Moments(mean, np.maximum(self._squares / self._count - mean**2, 0))


class _Kept:
    """The bands of one tensor, returned by rows and dropped when they are no longer needed."""

    def __init__(self) -> None:
        self._bands: dict[int, _Features] = {}

    def add(self, first_row: int, band: _Features) -> None:
        self._bands[first_row] = band

    def rows(self, begin: int, end: int) -> _Features:
        """Returns 1 x C x (end - begin) x W."""
        parts = [
            band[:, :, max(0, begin - first) : end - first]
            for first, band in self._bands.items()
            if first < end and begin < first + band.shape[2]
        ]
        return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2))

    def forget_before(self, row: int) -> None:
        for first in [first for first, band in self._bands.items() if first + band.shape[2] <= row]:
            del self._bands[first]


def paint_in_bands(
    net: Net, pixels: Pixels, style: Vector | None, report: Report | None = None, band_pixels: int = _BAND_PIXELS
) -> Pixels:
    """Returns the painting of a picture of any size, H x W x 3 uint8 RGB.

    Besides the picture and its painting this takes about 8 bytes of memory per pixel with the net `fast`.

    Args:
        net: run by OpenVINO.
        pixels: the picture, H x W x 3 uint8 RGB.
        style: float32[K], or None for a net with one style baked in.
        report: called with the share done, 0..1.
        band_pixels: about how many pixels are in work at once.

    Raises BandError if the net cannot be run in bands, or the picture is so wide that a band does not fit into memory.
    """
    height, width = pixels.shape[:2]
    if width > _WIDEST:
        raise BandError(
            f"a picture of {width}x{height} is painted band by band, and a band is too wide above {_WIDEST} pixels; "
            f"make the picture smaller, e.g. with --max-size {_WIDEST}"
        )
    job = _Job(net, pixels, style, band_pixels)
    for done in job.run():
        if report is not None:
            report(done)
    return job.painted


class _Job:
    """One picture on its way through the net."""

    def __init__(self, net: Net, pixels: Pixels, style: Vector | None, band_pixels: int) -> None:
        self._pixels, self.painted = pixels, np.empty_like(pixels, order="C")
        multiple = net.size_multiple
        self._height, self._width = (-(-side // multiple) * multiple for side in pixels.shape[:2])
        self._cutter = _Cutter(net, self._height, self._width, style)
        overlap = max(piece.overlap for piece in self._cutter.pieces)
        rows = max(_LEAST_BAND_ROWS, overlap, band_pixels // self._width)
        self._band_rows = -(-rows // multiple) * multiple
        self._kept: dict[_Tensor, _Kept] = {}
        self._moments: dict[str, _Moments] = {}

    def run(self) -> Iterator[float]:
        """Yields the share done after each band."""
        pieces = self._cutter.pieces
        tops = range(0, self._height, self._band_rows)
        for index, piece in enumerate(pieces):
            compiled = self._cutter.compiled(piece, self._moments)
            later = {tensor for other in pieces[index + 1 :] for tensor in other.reads}
            spent = [tensor for tensor in piece.reads if tensor not in later]
            self._kept |= {tensor: _Kept() for tensor in piece.keeps}
            sums = {tensor: _Sums() for tensor in piece.normed}
            for number, top in enumerate(tops):
                self._run_band(compiled, piece, top, sums)
                for tensor in spent:
                    self._kept[tensor].forget_before((top + self._band_rows - piece.overlap) // tensor.step)
                yield (index + (number + 1) / len(tops)) / len(pieces)
            for tensor in spent:
                del self._kept[tensor]
            self._moments |= {tensor.node: sums[tensor].moments() for tensor in piece.normed}

    def _run_band(self, compiled: Any, piece: _Piece, top: int, sums: Mapping[_Tensor, _Sums]) -> None:
        bottom = min(top + self._band_rows, self._height)
        begin, end = max(0, top - piece.overlap), min(bottom + piece.overlap, self._height)
        wanted = {port.any_name for port in compiled.inputs}
        inputs: dict[str, object] = {"rows": np.array([top - begin, bottom - begin])}
        for tensor in piece.reads:
            if _name(tensor) in wanted:
                inputs[_name(tensor)] = self._kept[tensor].rows(begin // tensor.step, end // tensor.step)
        if "frame" in wanted:
            inputs["frame"] = self._rows_of_picture(begin, end)
        results = iter(compiled(inputs).values())
        for tensor in piece.keeps:
            self._kept[tensor].add(top // tensor.step, next(results))
        for tensor in piece.normed:
            sums[tensor].add(next(results), next(results), (bottom - top) // tensor.step * tensor.width)
        if not piece.keeps:
            height, width = self._pixels.shape[:2]
            self.painted[top:bottom] = next(results)[0, : min(bottom, height) - top, :width]

    def _rows_of_picture(self, begin: int, end: int) -> Pixels:
        """Returns rows of the picture, padded at the right and the bottom (mirrored) to the size that the net takes."""
        rows = self._pixels[begin:end]
        right, bottom = self._width - rows.shape[1], end - begin - rows.shape[0]
        if right or bottom:
            rows = np.asarray(cv2.copyMakeBorder(rows, 0, bottom, 0, right, cv2.BORDER_REFLECT), dtype=np.uint8)
        return np.ascontiguousarray(rows)[None]


class _Cutter:
    """Cuts a net before its instance norms, and makes models of the pieces."""

    def __init__(self, net: Net, height: int, width: int, style: Vector | None) -> None:
        self._onnx, self._width, self._style = net.onnx, width, style
        self._core = openvino_core()
        model = self._core.read_model(net.onnx)
        model.reshape({"frame": [1, height, width, 3]})
        self.pieces = _pieces(model, net, height)

    def compiled(self, piece: _Piece, moments: Mapping[str, _Moments]) -> Any:
        """Returns the piece ready to run, with style and statistics inside.

        Inputs: `frame` and the tensors that it reads, if it needs them, and `rows`: the band without its overlap.
        Outputs: what it keeps or the painting, without the overlap, then mean and root of the squares of each tensor
        that is normed.
        """
        openvino = import_openvino()
        ops = openvino.opset13

        model = self._core.read_model(self._onnx)
        model.reshape({"frame": [1, -1, self._width, 3]})
        nodes = {node.get_friendly_name(): node for node in model.get_ops()}
        rows = _named(ops.parameter([2], np.int64), "rows")
        parameters = [_named(ops.parameter([1, t.channels, -1, t.width], np.float16), _name(t)) for t in piece.reads]
        kept = [_trimmed(nodes[tensor.node].output(tensor.port), rows, tensor.step, axis=2) for tensor in piece.keeps]
        axes = ops.constant(np.array([2, 3]))
        normed = [kept[piece.keeps.index(tensor)] for tensor in piece.normed]
        statistics = [reduce(values, axes) for values in normed for reduce in (ops.reduce_mean, ops.reduce_l2)]
        results = [ops.convert(values, np.float16) for values in kept]
        if not kept:
            results = [_trimmed(model.get_results()[0].input_value(0), rows, 1, axis=1)]
        for norm in (node for node in nodes.values() if node.get_type_name() == "MVN"):
            known = moments.get(norm.input_value(0).get_node().get_friendly_name())
            if known is not None:
                _replace(norm.output(0), _normalized(norm, known))
        for tensor, parameter in zip(piece.reads, parameters, strict=True):
            _replace(nodes[tensor.node].output(tensor.port), ops.convert(parameter, np.float32))
        if self._style is not None:
            _replace(nodes["style"].output(0), ops.constant(self._style))
        results = [ops.result(output) for output in (*results, *statistics)]
        reached = set().union(*(_upstream(result) for result in results))
        inputs = [p for p in (nodes["frame"], *parameters, rows) if p.get_friendly_name() in reached]
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        return compile_model(openvino.Model(results, inputs), settings)


def _pieces(model: Any, net: Net, height: int) -> Sequence[_Piece]:
    """Returns the pieces of a net whose shapes are known, in order."""
    nodes = model.get_ordered_ops()
    moving = _downstream(model.input("frame").get_node())
    kinds = {node.get_type_name() for node in nodes if node.get_friendly_name() in moving}
    if strange := sorted(kinds - _LOCAL - _CONVOLUTIONS):
        raise BandError(
            f"a picture of this size is painted band by band, which the net {net.name!r} cannot do: it has layers of "
            f"the kind {strange[0]}; make the picture smaller, e.g. with --max-size 4000"
        )
    ends = [node.input_value(0) for node in nodes if node.get_type_name() == "MVN"]
    normed = {_tensor(end, height) for end in ends}
    pieces: list[_Piece] = []
    done: set[str] = set()
    reads: tuple[_Tensor, ...] = ()
    for end in [*ends, model.get_results()[0].output(0)]:
        fresh = _upstream(end.get_node()) - done
        done |= fresh
        crossing = [
            _tensor(output, height)
            for node in nodes
            if node.get_friendly_name() in done & moving
            for output in node.outputs()
            if any(target.get_node().get_friendly_name() not in done for target in output.get_target_inputs())
        ]
        reach = sum(_reach(node, height) for node in nodes if node.get_friendly_name() in fresh)
        keeps = tuple(tensor for tensor in crossing if tensor not in reads)
        overlap = -(-reach // net.size_multiple) * net.size_multiple
        pieces.append(_Piece(reads, keeps, tuple(tensor for tensor in keeps if tensor in normed), overlap))
        reads = tuple(crossing)
    return pieces


def _downstream(start: Any) -> set[str]:
    """Returns the names of the nodes through which the values of `start` pass; its shape alone does not count."""
    names: set[str] = set()
    ahead = [start]
    while ahead:
        reached = ahead.pop()
        followers = (target.get_node() for output in reached.outputs() for target in output.get_target_inputs())
        fresh = {node.get_friendly_name(): node for node in followers if node.get_friendly_name() not in names}
        names |= fresh.keys()
        ahead += [node for node in fresh.values() if node.get_type_name() != "ShapeOf"]
    return names


def _upstream(end: Any) -> set[str]:
    """Returns the names of the nodes that `end` depends on, and its own."""
    names: set[str] = set()
    ahead = [end]
    while ahead:
        node = ahead.pop()
        if node.get_friendly_name() not in names:
            names.add(node.get_friendly_name())
            ahead += [value.get_node() for value in node.input_values()]
    return names


def _reach(node: Any, height: int) -> int:
    """Returns how many rows of the picture beyond its own row a convolution sees, at most."""
    if node.get_type_name() not in _CONVOLUTIONS:
        return 0
    kernel = node.input_value(1).get_shape()[-2]
    dilation = node.get_attributes()["dilations"][0]
    return int((kernel - 1) * dilation // 2 * (height // node.get_output_shape(0)[2]))


def _tensor(output: Any, height: int) -> _Tensor:
    _, channels, rows, width = output.get_shape()
    return _Tensor(output.get_node().get_friendly_name(), output.get_index(), channels, width, height // rows)


def _name(tensor: _Tensor) -> str:
    return f"{tensor.node}/{tensor.port}"


def _named(parameter: Any, name: str) -> Any:
    parameter.output(0).get_tensor().set_names({name})
    return parameter


def _replace(output: Any, replacement: Any) -> None:
    for target in output.get_target_inputs():
        target.replace_source_output(replacement.output(0))


def _normalized(norm: Any, moments: _Moments) -> Any:
    """Returns what the norm gives, with known statistics."""
    ops = import_openvino().opset13

    eps = norm.get_attributes()["eps"]
    mean = moments.mean.reshape(1, -1, 1, 1).astype(np.float32)
    scale = (1 / np.sqrt(moments.variance + eps)).reshape(1, -1, 1, 1).astype(np.float32)
    return ops.multiply(ops.subtract(norm.input_value(0), ops.constant(mean)), ops.constant(scale))


def _trimmed(output: Any, rows: Any, step: int, axis: int) -> Any:
    """Returns the rows of a band without its overlap."""
    ops = import_openvino().opset13

    begin_and_end = ops.divide(rows, ops.constant(np.array([step])))
    one, two = ops.constant(np.array([1])), ops.constant(np.array([2]))
    begin = ops.slice(begin_and_end, ops.constant(np.array([0])), one, one)
    return ops.slice(output, begin, ops.slice(begin_and_end, one, two, one), one, ops.constant(np.array([axis])))
