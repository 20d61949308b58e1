"""Writes a style encoder as an ONNX graph: a picture in, a style vector for each net out.

`picture: 1 x H x W x 3 uint8 RGB` in; for each head a vector `float32[K]` out, which is called like its net. As with
the nets, scaling is inside the graph, and it is written node by node from the weights file: it needs no torch. Each
batch norm is folded into its convolution. The tests show that the graph equals the module in styles/encoder.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from build_engines.onnx.options import HEADS, PICTURE, WEIGHTS_SHA256
from build_engines.onnx.writer import GraphWriter
from styles.encoder_weights import (
    COVARIANCE_SCALE,
    DEVIATION_EPS,
    EYE_LAYERS,
    EYE_PIXELS_KERNEL,
    EYE_STEM,
    EYE_STEM_KERNEL,
    EncoderConfig,
    EncoderHead,
    EncoderWeights,
    heads_to_json,
    is_read,
)
from styles.weights import WeightsError

# PyTorch's defaults.
_BATCH_NORM_EPS = _LAYER_NORM_EPS = 1e-5
# The pairs of channels whose covariances are read: RR, RG, RB, GG, GB, BB.
_ROWS, _COLUMNS = (0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2)


def onnx_from_encoder(weights: EncoderWeights) -> onnx.ModelProto:
    """Returns the ONNX model of an encoder with its heads.

    Its metadata holds the sha256 of the weights file, and of each net that a head belongs to.

    Args:
        weights: the encoder.

    Raises:
        WeightsError: the weights do not fit the config.
    """
    _check_weights(weights)
    writer = _EncoderWriter(weights)
    writer.write()
    inputs = [helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, [1, "height", "width", 3])]
    outputs = [
        helper.make_tensor_value_info(net, TensorProto.FLOAT, [len(head.bias)]) for net, head in weights.heads.items()
    ]
    metadata = {WEIGHTS_SHA256: weights.sha256, HEADS: heads_to_json(weights.heads)}
    return writer.model("encoder", inputs, outputs, metadata)


class _EncoderWriter(GraphWriter):
    """Writes the nodes of one encoder, all in float32."""

    def __init__(self, weights: EncoderWeights) -> None:
        super().__init__()
        self.config, self.arrays, self.heads = weights.config, weights.arrays, weights.heads
        self.plane = self.constant("plane", np.array([2, 3], np.int64))

    def write(self) -> None:
        picture = self.cast(PICTURE, TensorProto.FLOAT)
        x = self.op("Mul", self.op("Transpose", picture, perm=[0, 3, 1, 2]), self.number("one_255th", 1 / 255))
        code = self.eye(self.centred(x)) if self.config.seen else self.code(x)
        for net, head in self.heads.items():
            self.head(code, net, head)

    def code(self, x: str) -> str:
        """Adds the code of an encoder without an eye, of a picture with values in 0..1."""
        statistics = [*self.colour_statistics(x)]
        x = self.centred(x)
        for i in range(len(self.config.widths)):
            x = self.conv(x, f"convs.{i}.0", f"convs.{i}.1", stride=2)
            x = self.conv(x, f"convs.{i}.3", f"convs.{i}.4")
            statistics += self.feature_statistics(x)
        return self.mlp(self.op("Flatten", self.op("Concat", *statistics, axis=1)))

    def centred(self, x: str) -> str:
        return self.op("Sub", self.op("Mul", x, self.number("two", 2)), self.number("one", 1))

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float32))

    def mean(self, x: str) -> str:
        """Adds the mean of each channel: 1 x C x 1 x 1."""
        return self.op("ReduceMean", x, self.plane, keepdims=1)

    def colour_statistics(self, x: str) -> Iterator[str]:
        mean = self.mean(x)
        centred = self.op("Sub", x, mean)
        sides = (
            self.op("Gather", centred, self.constant(name, np.array(channels, np.int64)), axis=1)
            for name, channels in (("rows", _ROWS), ("columns", _COLUMNS))
        )
        yield mean
        yield self.op("Mul", self.mean(self.op("Mul", *sides)), self.number("covariance_scale", COVARIANCE_SCALE))

    def feature_statistics(self, x: str) -> Iterator[str]:
        mean = self.mean(x)
        centred = self.op("Sub", x, mean)
        variance = self.mean(self.op("Mul", centred, centred))
        yield mean
        yield self.op("Sqrt", self.op("Add", variance, self.number("deviation_eps", DEVIATION_EPS)))

    def conv(self, x: str, name: str, norm: str, stride: int = 1) -> str:
        """Adds a convolution with its batch norm in it, and a ReLU."""
        kernel, bias = folded_batch_norm(self.arrays, name, norm)
        side = kernel.shape[-1]
        inputs = (x, self.stored_as_half(f"{name}.weight", kernel), self.constant(f"{name}.bias", bias))
        pads = [side // 2] * 4
        return self.op("Relu", self.op("Conv", *inputs, kernel_shape=[side, side], pads=pads, strides=[stride, stride]))

    def eye(self, x: str) -> str:
        """Adds the code of what the eye sees: 1 x seen, of a picture with values in -1..1."""
        statistics = []
        maps = self.op("Relu", self.plain_conv(x, "eye.stem.0", stride=2))
        maps = self.op("Relu", self.plain_conv(maps, "eye.stem.2"))
        for i, layer in enumerate(EYE_LAYERS):
            if i:
                if is_read(layer):
                    maps = self.op("MaxPool", maps, kernel_shape=[2, 2], strides=[2, 2])
                maps = self.plain_conv(maps, f"eye.narrow.{i - 1}")
            maps = self.plain_conv(maps, f"eye.convs.{i}")
            if not i:
                maps = self.op("Add", maps, self.plain_conv(x, "eye.pixels", stride=2))
            maps = self.op("Relu", maps)
            if is_read(layer):
                power = self.mean(self.op("Mul", maps, maps))
                root = self.op("Sqrt", self.op("Add", power, self.number("deviation_eps", DEVIATION_EPS)))
                statistics += [self.mean(maps), root]
        found = self.op("Flatten", self.op("Concat", *statistics, axis=1))
        return self.linear(found, "eye.read", self.arrays["eye.read.weight"], self.arrays["eye.read.bias"])

    def plain_conv(self, x: str, name: str, stride: int = 1) -> str:
        """Adds a convolution, with its bias where it has one."""
        kernel, bias = self.arrays[f"{name}.weight"], self.arrays.get(f"{name}.bias")
        inputs = [x, self.stored_as_half(f"{name}.weight", kernel)]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias))
        side = kernel.shape[-1]
        return self.op("Conv", *inputs, kernel_shape=[side, side], pads=[side // 2] * 4, strides=[stride, stride])

    def mlp(self, x: str) -> str:
        """Adds the layer norm and the two layers that make the code: 1 x code."""
        x = self.op("Sub", x, self.last_mean(x))
        variance = self.last_mean(self.op("Mul", x, x))
        deviation = self.op("Sqrt", self.op("Add", variance, self.number("layer_norm_eps", _LAYER_NORM_EPS)))
        scale, shift = (self.constant(f"mlp.0.{part}", self.arrays[f"mlp.0.{part}"]) for part in ("weight", "bias"))
        x = self.op("Add", self.op("Mul", self.op("Div", x, deviation), scale), shift)
        for name in ("mlp.1", "mlp.3"):
            x = self.gelu(self.linear(x, name, self.arrays[f"{name}.weight"], self.arrays[f"{name}.bias"]))
        return x

    def last_mean(self, x: str) -> str:
        return self.op("ReduceMean", x, self.constant("last", np.array([-1], np.int64)), keepdims=1)

    def gelu(self, x: str) -> str:
        error = self.op("Erf", self.op("Mul", x, self.number("root_half", 0.5**0.5)))
        half = self.op("Mul", x, self.number("half", 0.5))
        return self.op("Mul", half, self.op("Add", error, self.number("one", 1)))

    def linear(self, x: str, name: str, weight: NDArray[np.floating], bias: NDArray[np.floating]) -> str:
        kernel, shift = self.stored_as_half(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)
        return self.op("Gemm", x, kernel, shift, transB=1)

    def head(self, code: str, net: str, head: EncoderHead) -> None:
        vector = self.linear(code, f"head.{net}", head.weight, head.bias)
        shape = self.constant("vector_shape", np.array([-1], np.int64))
        self.op("Reshape", vector, shape, output=net)


def folded_batch_norm(
    arrays: Mapping[str, NDArray[np.floating]], conv: str, norm: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the kernel and the bias of the convolution that does what a convolution and its batch norm do.

    Args:
        arrays: the weights.
        conv: the name of the convolution, which has no bias.
        norm: the name of the batch norm.
    """
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _BATCH_NORM_EPS)
    kernel = arrays[f"{conv}.weight"] * scale[:, None, None, None]
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * scale
    return kernel.astype(np.float32), bias.astype(np.float32)


def _check_weights(weights: EncoderWeights) -> None:
    shapes = {name: array.shape for name, array in weights.arrays.items()}
    wrong = sorted(name for name, shape in encoder_shapes(weights.config) if shapes.get(name) != shape)
    if wrong:
        raise WeightsError(f"the weights do not fit the style encoder: {', '.join(wrong[:3])}")


def encoder_shapes(config: EncoderConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the name and the shape of each array of an encoder."""
    if config.seen:
        yield from _eye_shapes(config)
        return
    inputs = 3
    for i, width in enumerate(config.widths):
        side = 3 if i else config.first_kernel
        yield f"convs.{i}.0.weight", (width, inputs, side, side)
        yield f"convs.{i}.3.weight", (width, width, 3, 3)
        for norm in (1, 4):
            for part in ("weight", "bias", "running_mean", "running_var"):
                yield f"convs.{i}.{norm}.{part}", (width,)
        inputs = width
    yield from ((f"mlp.0.{part}", (config.statistics,)) for part in ("weight", "bias"))
    for name, width, before in (("mlp.1", config.hidden, config.statistics), ("mlp.3", config.code, config.hidden)):
        yield f"{name}.weight", (width, before)
        yield f"{name}.bias", (width,)


def _eye_shapes(config: EncoderConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    maps, inputs = list(EYE_LAYERS.values()), (EYE_STEM, *config.eye)
    yield "eye.stem.0.weight", (EYE_STEM, 3, EYE_STEM_KERNEL, EYE_STEM_KERNEL)
    yield "eye.stem.2.weight", (EYE_STEM, EYE_STEM, 3, 3)
    yield from ((f"eye.stem.{i}.bias", (EYE_STEM,)) for i in (0, 2))
    yield "eye.pixels.weight", (maps[0], 3, EYE_PIXELS_KERNEL, EYE_PIXELS_KERNEL)
    for i, width in enumerate(maps):
        yield f"eye.convs.{i}.weight", (width, inputs[i], 3, 3)
        yield f"eye.convs.{i}.bias", (width,)
    for i, width in enumerate(config.eye):
        yield f"eye.narrow.{i}.weight", (width, maps[i], 1, 1)
    yield "eye.read.weight", (config.seen, config.eye_statistics)
    yield "eye.read.bias", (config.seen,)
