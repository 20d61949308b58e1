"""Writes a trained net as an ONNX graph that takes and returns 8-bit RGB pictures.

`frame: 1 x H x W x 3 uint8 RGB` and `style: float32[K]` in, `painted: 1 x H x W x 3 uint8 RGB` out. Scaling, channel
order and rounding are inside the graph, so every backend stays short and only bytes are copied to a GPU. A graph
without `style` is a net with one style baked in.

The graph is written node by node from the weights file; torch.onnx.export does not trace it. That takes milliseconds
instead of seconds (docs/lab/nets.md), needs no torch and leaves no trace of the machine in the file. It also gives
every tensor an explicit type, which TensorRT 11 needs: it only has strongly typed networks. The tests show that the
graph equals the net in styles/network.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from build_engines.onnx.layout import check_size, check_weights, normed_convolutions, smallest_side, style_size
from build_engines.onnx.options import FRAME, MIDDLE_LEVEL, PAINTED, STYLE, WEIGHTS_SHA256, GraphOptions
from build_engines.onnx.writer import GraphWriter
from styles.architecture import Stage
from styles.weights import NetworkWeights

FIRST_CONV = "down.0.0.conv"
INSTANCE_NORM_EPS = 1e-5  # as in styles/network.py, which needs torch


def onnx_from_network(weights: NetworkWeights, options: GraphOptions | None = None) -> onnx.ModelProto:
    """Returns the ONNX model of a net, with its style baked in if the weights hold one.

    Its metadata holds the network's name, its size limits, the sha256 of the weights file and the precision.

    Args:
        weights: the weights of the net.
        options: precision and size of the graph; by default FP32 with free height and width.

    Raises:
        WeightsError: the weights do not fit the config.
        FrameSizeError: the net cannot paint frames of `options.size`.
    """
    options = options or GraphOptions()
    if options.precision == "fp32":
        options = replace(options, statistics="fp32")
    width, height = options.size or ("width", "height")
    if options.size is not None:
        check_size(weights.config, *options.size)
    check_weights(weights)
    writer = _NetWriter(weights, options)
    writer.write()
    picture = [1, height, width, 3]
    inputs = [helper.make_tensor_value_info(FRAME, TensorProto.UINT8, picture)]
    if weights.vector is None:
        inputs.append(helper.make_tensor_value_info(STYLE, TensorProto.FLOAT, [style_size(weights.config)]))
    outputs = [helper.make_tensor_value_info(PAINTED, TensorProto.UINT8, picture)]
    return writer.model(weights.config.name, inputs, outputs, _metadata(weights, options))


def _metadata(weights: NetworkWeights, options: GraphOptions) -> dict[str, str]:
    return {
        "network": weights.config.name,
        "size_multiple": str(weights.config.size_multiple),
        "smallest_side": str(smallest_side(weights.config)),
        WEIGHTS_SHA256: weights.sha256,
        "baked": str(weights.vector is not None).lower(),
        "precision": options.precision,
        "statistics": options.statistics,
    }


def subpixel_kernel(kernel: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns the low-resolution kernel that equals bilinear x2 upsampling followed by a 3 x 3 kernel.

    It does the same as `styles.network.subpixel_kernel`, without torch. A depth-to-space by 2 must follow it.

    Args:
        kernel: out x in x 3 x 3.

    Returns:
        (out * 4) x in x 3 x 3.
    """
    # Row t of spread[phase] holds the low-resolution weights (at -1, 0, +1) of tap t of the kernel.
    spread = np.array(
        [
            [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
            [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
        ],
        np.float32,
    )
    folded = np.einsum("oiyx,pya,qxb->opqiab", kernel, spread, spread, optimize=True)
    return np.ascontiguousarray(folded.reshape(-1, kernel.shape[1], 3, 3), np.float32)


class _NetWriter(GraphWriter):
    """Writes the nodes of one net."""

    def __init__(self, weights: NetworkWeights, options: GraphOptions) -> None:
        super().__init__()
        self.config, self.arrays, self.vector = weights.config, weights.arrays, weights.vector
        self.widths = {name: shape[0] for name, shape in normed_convolutions(weights.config)}
        self.half = options.precision == "fp16"
        self.island = self.half and options.statistics == "fp32"
        self.type: type[np.floating] = np.float16 if self.half else np.float32
        self.onnx_type = TensorProto.FLOAT16 if self.half else TensorProto.FLOAT
        self.styles: Mapping[str, tuple[str, str]] = {}

    def kernel(self, name: str, weight: NDArray[np.floating]) -> str:
        """Adds the weights of a convolution, float16 in the file."""
        return self.constant(name, weight.astype(np.float16)) if self.half else self.stored_as_half(name, weight)

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, self.type))

    def write(self) -> None:
        self.styles = self.style_parts()
        # cast first: TensorRT takes uint8 only as the input and output of a graph
        x = self.op("Transpose", self.cast(FRAME, TensorProto.FLOAT), perm=[0, 3, 1, 2])
        if self.half:
            # FP16 and TF32 hold these numbers exactly. They would round pixels in 0..1 so coarsely that a smooth
            # gradient, which the norms magnify, is painted below 30 dB.
            x = self.op("Sub", x, self.constant("middle", np.array(MIDDLE_LEVEL, np.float32)))
        else:
            x = self.op("Sub", self.op("Mul", x, self.number("one_255th", 1 / 255)), self.number("half", 0.5))
        skips: dict[int, str] = {}
        resolution = 1
        for i, stage in enumerate(self.config.down):
            x = self.stage(x, f"down.{i}", stage, stride=stage.scale)
            resolution *= stage.scale
            skips[resolution] = x
        for i, stage in enumerate(self.config.up):
            resolution //= stage.scale
            skip = skips[resolution] if stage.skip else ""
            x = self.stage(x, f"up.{i}", stage, upsample=stage.scale == 2, skip=skip)
        x = self.conv(x, "head", upsample=self.config.head_scale == 2)
        # a sigmoid stays within 0..1, so no clamp is needed
        x = self.op("Mul", self.op("Sigmoid", x), self.number("white", 255))
        x = self.op("Transpose", self.op("Round", x), perm=[0, 2, 3, 1])
        self.op("Cast", x, to=TensorProto.UINT8, output=PAINTED)

    def style_parts(self) -> Mapping[str, tuple[str, str]]:
        """Returns scale and shift of each layer: 1 x C x 1 x 1, or constants of shape C to bake into the norm."""
        parts = {name: (f"{name}.scale", f"{name}.shift") for name in self.widths}
        sizes = np.array([width for width in self.widths.values() for _ in range(2)], np.int64)
        names = [part for pair in parts.values() for part in pair]
        if self.vector is not None:
            pieces = np.split(self.vector.astype(self.norm_type), np.cumsum(sizes)[:-1])
            constants = iter([self.constant(name, piece) for name, piece in zip(names, pieces, strict=True)])
            return {name: (next(constants), next(constants)) for name in parts}
        style = STYLE
        if self.norm_type == np.float16:
            style = self.cast(style, TensorProto.FLOAT16)
        style = self.op("Reshape", style, self.constant("style_shape", np.array([1, -1, 1, 1], np.int64)))
        self.nodes.append(
            helper.make_node("Split", [style, self.constant("style_sizes", sizes)], names, name="split_style", axis=1)
        )
        return parts

    @property
    def norm_type(self) -> type[np.floating]:
        return np.float32 if self.island else self.type

    def stage(
        self, x: str, prefix: str, stage: Stage, *, stride: int = 1, upsample: bool = False, skip: str = ""
    ) -> str:
        """Adds a convolution to the stage's width and resolution, then its residual blocks."""

        def normed(x: str, j: int, stride: int = 1, upsample: bool = False) -> str:
            name = f"{prefix}.{j}"
            return self.norm(self.conv(x, f"{name}.conv", stride, upsample), name, *self.styles[name])

        x = self.op("Relu", normed(x, 0, stride, upsample))
        if skip:
            x = self.op("Add", x, skip)
        for j in range(1, 1 + 2 * stage.blocks, 2):
            x = self.op("Add", x, normed(self.op("Relu", normed(x, j)), j + 1))
        return x

    def conv(self, x: str, name: str, stride: int = 1, upsample: bool = False) -> str:
        """Adds a padded convolution like `styles.network.ConvLayer`; to upsample, a sub-pixel kernel and a shuffle.

        The first one of an FP16 graph is in FP32: it reads only three channels, and its norm magnifies rounding most.
        """
        weight, bias = self.arrays[f"{name}.weight"], self.arrays.get(f"{name}.bias")
        if upsample:
            weight = subpixel_kernel(weight)
            bias = None if bias is None else np.repeat(bias, 4)
        pad = weight.shape[-1] // 2
        pads = self.constant(f"pads_by_{pad}", np.array([0, 0, pad, pad] * 2, np.int64))
        mode = "edge" if upsample and bias is None else "reflect"
        if self.half and name == FIRST_CONV:
            kernel = self.constant(f"{name}.weight", weight.astype(np.float16).astype(np.float32) / np.float32(255))
        else:
            kernel = self.kernel(f"{name}.weight", weight)
        inputs = [self.op("Pad", x, pads, mode=mode), kernel]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias.astype(self.type)))
        x = self.op("Conv", *inputs, kernel_shape=list(weight.shape[2:]), strides=[stride, stride])
        return self.op("DepthToSpace", x, blocksize=2, mode="CRD") if upsample else x

    def norm(self, x: str, name: str, scale: str, shift: str) -> str:
        """Adds an instance norm, then scale and shift. With FP32 statistics in an FP16 graph all of it is in FP32."""
        first = self.half and f"{name}.conv" == FIRST_CONV
        if self.island and not first:
            x = self.cast(x, TensorProto.FLOAT)
        if self.vector is not None and not (first and not self.island):
            x = self.op("InstanceNormalization", x, scale, shift, epsilon=INSTANCE_NORM_EPS)
            return self.cast(x, self.onnx_type) if self.island else x
        x = self.unit_norm(x, self.widths[name], np.float32 if first else self.norm_type)
        if first and not self.island:
            x = self.cast(x, self.onnx_type)
        if self.vector is not None:
            shape = self.constant("channels_first", np.array([1, -1, 1, 1], np.int64))
            scale, shift = self.op("Reshape", scale, shape), self.op("Reshape", shift, shape)
        x = self.op("Add", self.op("Mul", x, scale), shift)
        return self.cast(x, self.onnx_type) if self.island else x

    def unit_norm(self, x: str, width: int, kind: type[np.floating]) -> str:
        """Adds an instance norm to mean 0 and variance 1, of a tensor of type `kind`."""
        suffix = f"{width}" if kind == self.norm_type else f"{width}_{np.dtype(kind).name}"
        ones = self.constant(f"ones_{suffix}", np.ones(width, kind))
        zeros = self.constant(f"zeros_{suffix}", np.zeros(width, kind))
        return self.op("InstanceNormalization", x, ones, zeros, epsilon=INSTANCE_NORM_EPS)
