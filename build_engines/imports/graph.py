"""Writes a net that somebody else has trained as an ONNX graph that takes and returns 8-bit RGB pictures.

`frame: 1 x H x W x 3 uint8 RGB` in, `painted`, the same, out: what `nst-live --style FILE.onnx` paints with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatchmethod

import numpy as np
import onnx
from onnx import TensorProto, helper

from build_engines.imports.layers import (
    Affine,
    Array,
    Conv,
    Enlarge,
    ForeignNet,
    InstanceNorm,
    Layer,
    Levels,
    Margins,
    Pad,
    Relu,
    Residual,
    Tanh,
    TransposedConv,
    check_net,
)
from build_engines.onnx.options import FRAME, PAINTED
from build_engines.onnx.writer import GraphWriter


def onnx_from_foreign(net: ForeignNet) -> onnx.ModelProto:
    """Returns the ONNX model of a net. Raises ForeignNetError if it does not make pictures of pictures."""
    check_net(net)
    writer = _ForeignWriter()
    writer.write(net)
    picture: list[str | int | None] = [1, "height", "width", 3]
    inputs, outputs = ([helper.make_tensor_value_info(name, TensorProto.UINT8, picture)] for name in (FRAME, PAINTED))
    multiple = net.size_multiple
    metadata = {"network": net.family, "size_multiple": str(multiple), "smallest_side": str(_smallest_side(net))}
    return writer.model("imported", inputs, outputs, metadata | {"baked": "true", "precision": "fp32"})


def _smallest_side(net: ForeignNet) -> int:
    """Returns the smallest side in pixels: mirrored edges must be smaller than the picture at every resolution."""
    least = scale = net.size_multiple
    resolution = 1
    for layer in net.layers:
        if isinstance(layer, Conv):
            resolution *= layer.stride
        inner = layer.layers if isinstance(layer, Residual) else [layer]
        mirrored = max((each.width for each in inner if isinstance(each, Pad)), default=0)
        least = max(least, resolution * (mirrored + 1))
    return -(-least // scale) * scale


class _ForeignWriter(GraphWriter):
    """Writes the nodes of one net."""

    def write(self, net: ForeignNet) -> None:
        x = self.op("Transpose", self.cast(FRAME, TensorProto.FLOAT), perm=[0, 3, 1, 2])
        levels = net.levels
        if levels.bgr:
            x = self.turned(x)
        x = self.op("Sub", x, self.per_channel(levels.means)) if any(levels.means) else x
        x = self.op("Div", x, self.per_channel(levels.deviations)) if _scales(levels) else x
        x = self.layers(x, net.layers)
        x = self.op("Mul", x, self.per_channel(levels.deviations)) if _scales(levels) else x
        x = self.op("Add", x, self.per_channel(levels.means)) if any(levels.means) else x
        if levels.bgr:
            x = self.turned(x)
        x = self.op("Clip", self.op("Round", x), self.number(0), self.number(255))
        self.op("Cast", self.op("Transpose", x, perm=[0, 2, 3, 1]), to=TensorProto.UINT8, output=PAINTED)

    def layers(self, x: str, layers: Sequence[Layer]) -> str:
        for layer in layers:
            x = self.layer(layer, x)
        return x

    @singledispatchmethod
    def layer(self, layer: Layer, x: str) -> str:
        raise TypeError(f"{type(layer).__name__}, after {x}, is not a layer")

    @layer.register
    def _(self, layer: Conv, x: str) -> str:
        pads = _pads(layer.padding)
        values = self.values(layer.weight), self.values(layer.bias)
        return self.op("Conv", x, *values, strides=[layer.stride] * 2, pads=pads)

    @layer.register
    def _(self, layer: TransposedConv, x: str) -> str:
        values, strides, extra = (
            (self.values(layer.weight), self.values(layer.bias)),
            [layer.stride] * 2,
            [layer.extra] * 2,
        )
        return self.op("ConvTranspose", x, *values, strides=strides, pads=_pads(layer.padding), output_padding=extra)

    @layer.register
    def _(self, layer: Pad, x: str) -> str:
        pads = self.constant(f"pads_by_{layer.width}", np.array([0, 0, layer.width, layer.width] * 2, np.int64))
        return self.op("Pad", x, pads, mode=layer.mode)

    @layer.register
    def _(self, layer: InstanceNorm, x: str) -> str:
        values = self.values(layer.scale), self.values(layer.shift)
        return self.op("InstanceNormalization", x, *values, epsilon=layer.eps)

    @layer.register
    def _(self, layer: Affine, x: str) -> str:
        scale, shift = (self.values(part[None, :, None, None]) for part in (layer.scale, layer.shift))
        return self.op("Add", self.op("Mul", x, scale), shift)

    @layer.register
    def _(self, _layer: Relu, x: str) -> str:
        return self.op("Relu", x)

    @layer.register
    def _(self, layer: Enlarge, x: str) -> str:
        scales = self.values(np.array([1, 1, layer.factor, layer.factor], np.float32))
        steps = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.op("Resize", x, "", scales, **steps)

    @layer.register
    def _(self, layer: Tanh, x: str) -> str:
        x = self.op("Mul", self.op("Tanh", x), self.number(layer.factor))
        return self.op("Add", x, self.number(layer.offset)) if layer.offset else x

    @layer.register
    def _(self, layer: Residual, x: str) -> str:
        return self.op("Add", self.layers(x, layer.layers), self.shaved(x, layer.shaved) if layer.shaved else x)

    def shaved(self, x: str, pixels: int) -> str:
        """Cuts so many pixels off each edge."""
        starts, ends, axes = ([pixels] * 2, [-pixels] * 2, [2, 3])
        named = zip(("starts", "ends", "axes"), (starts, ends, axes), strict=True)
        return self.op("Slice", x, *(self.constant(f"{name}_{pixels}", np.array(v, np.int64)) for name, v in named))

    def turned(self, x: str) -> str:
        """Swaps red and blue."""
        return self.op("Gather", x, self.constant("blue_first", np.array([2, 1, 0], np.int64)), axis=1)

    def per_channel(self, values: Sequence[float]) -> str:
        return self.values(np.array(values, np.float32)[None, :, None, None])

    def number(self, value: float) -> str:
        return self.values(np.array(value, np.float32))

    def values(self, values: Array) -> str:
        return self.constant(f"values_{len(self.initializers)}", values.astype(np.float32))


def _scales(levels: Levels) -> bool:
    return any(deviation != 1 for deviation in levels.deviations)


def _pads(padding: Margins) -> list[int]:
    """Returns ONNX's order: before on both axes, after on both axes."""
    before, after = padding
    return [before, before, after, after]
