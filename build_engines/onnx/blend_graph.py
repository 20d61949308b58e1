"""Writes the blend of the temporal stabilizer as an ONNX graph, which runs after the net on the same device.

`last`, `painted: 1 x H x W x 3 uint8 RGB`, `flow: 1 x 2 x h x w float32`, `new: 1 x h x w uint8` (255 or 0) and
`kept: float32[1]` in; `shown`, `mixed: 1 x H x W x 3 uint8 RGB` out: see `blend.blend`. All sizes are free.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from build_engines.onnx.blend import (
    EVERY_ROWS,
    FLOW,
    KEPT,
    LAST,
    MIXED,
    NEW,
    NEW_PAINTING,
    SHOWN,
    BlendInputs,
    blend,
)
from build_engines.onnx.options import BLEND_GRAPH
from build_engines.onnx.writer import GraphWriter
from styles.support.atomic_file import write_atomically


def blend_graph() -> onnx.ModelProto:
    """Returns the model of the blend."""
    writer = GraphWriter()
    ops = _GraphOps(writer)
    last, painted = ops.picture(LAST), ops.picture(NEW_PAINTING)
    new = ops.tensor("Unsqueeze", ops.from_bytes(NEW), ops.integers("channel_axis", [1])) * (1 / 255)
    shown, mixed = blend(ops, BlendInputs(last, painted, _Tensor(FLOW, ops), new, _Tensor(KEPT, ops)))
    ops.to_bytes(shown, SHOWN)
    ops.to_bytes(mixed, MIXED)
    picture: list[str | int | None] = [1, "height", "width", 3]
    view: list[str | int | None] = ["view_height", "view_width"]
    inputs = [
        helper.make_tensor_value_info(LAST, TensorProto.UINT8, picture),
        helper.make_tensor_value_info(NEW_PAINTING, TensorProto.UINT8, picture),
        helper.make_tensor_value_info(FLOW, TensorProto.FLOAT, [1, 2, *view]),
        helper.make_tensor_value_info(NEW, TensorProto.UINT8, [1, *view]),
        helper.make_tensor_value_info(KEPT, TensorProto.FLOAT, [1]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.UINT8, picture) for name in (SHOWN, MIXED)]
    return writer.model("blend", inputs, outputs, {})


def write_blend_graph(path: Path) -> None:
    """Writes the model into a file; an existing one is replaced."""
    write_atomically(path, blend_graph().SerializeToString())


class _Tensor:
    """A tensor of the graph that is being written: arithmetic with it adds nodes."""

    def __init__(self, name: str, ops: _GraphOps) -> None:
        self.name, self._ops = name, ops

    def __add__(self, other: _Tensor | float, /) -> _Tensor:
        return self._ops.tensor("Add", self, other)

    def __sub__(self, other: _Tensor | float, /) -> _Tensor:
        return self._ops.tensor("Sub", self, other)

    def __mul__(self, other: _Tensor | float, /) -> _Tensor:
        return self._ops.tensor("Mul", self, other)

    def __truediv__(self, other: _Tensor | float, /) -> _Tensor:
        return self._ops.tensor("Div", self, other)

    def __neg__(self) -> _Tensor:
        return self._ops.tensor("Neg", self)


_Input = _Tensor | float | str


class _GraphOps:
    """The steps of the blend as nodes of a graph; see `blend.BlendOps`."""

    def __init__(self, writer: GraphWriter) -> None:
        self._writer = writer
        self._grids: dict[str, tuple[_Tensor, _Tensor]] = {}

    def op(self, kind: str, *inputs: _Input, output: str = "", **attributes: int | float | str | list[int]) -> str:
        """Adds a node; numbers among its inputs become constants."""
        return self._writer.op(kind, *map(self._name, inputs), output=output, **attributes)

    def tensor(self, kind: str, *inputs: _Input, **attributes: int | float | str | list[int]) -> _Tensor:
        """Adds a node and returns its output."""
        return _Tensor(self.op(kind, *inputs, output="", **attributes), self)

    def integers(self, name: str, values: list[int]) -> str:
        return self._writer.constant(name, np.array(values, np.int64))

    def from_bytes(self, name: str) -> _Tensor:
        return _Tensor(self._writer.cast(name, TensorProto.FLOAT), self)

    def picture(self, name: str) -> _Tensor:
        """Returns an input of bytes, 1 x H x W x 3, as levels, 1 x 3 x H x W."""
        # cast first: TensorRT takes uint8 only as the input and output of a graph
        return self.tensor("Transpose", self.from_bytes(name), perm=[0, 3, 1, 2])

    def to_bytes(self, picture: _Tensor, name: str) -> None:
        """Makes levels, 1 x 3 x H x W, an output of bytes, 1 x H x W x 3."""
        rows = self.op("Transpose", picture, perm=[0, 2, 3, 1])
        self.op("Cast", rows, to=TensorProto.UINT8, output=name)

    def moved(self, picture: _Tensor, flow: _Tensor) -> _Tensor:
        middle, steps = self._grid(picture)
        grid = self.op("Transpose", middle + flow * steps, perm=[0, 2, 3, 1])
        return self.tensor("GridSample", picture, grid, mode="bilinear", padding_mode="border", align_corners=0)

    def enlarged(self, flow: _Tensor, like: _Tensor) -> _Tensor:
        sizes = self._sizes(like, 2)
        return self.tensor("Resize", flow, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")

    def repeated(self, mask: _Tensor, like: _Tensor) -> _Tensor:
        return self.tensor(
            "Resize",
            mask,
            "",
            "",
            self._sizes(like, 1),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def highest_around(self, picture: _Tensor) -> _Tensor:
        return self.tensor("MaxPool", picture, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def mean_around(self, picture: _Tensor, side: int) -> _Tensor:
        return self.rounded(self._means(picture, (side, side), (1, 1)))

    def row_means(self, picture: _Tensor, width: int) -> _Tensor:
        return self.rounded(self._means(picture, (1, width), (EVERY_ROWS, 1)))

    def mean_difference(self, one: _Tensor, other: _Tensor) -> _Tensor:
        return self.tensor("ReduceMean", self.op("Abs", one - other), self.integers("all_axes", [0, 1, 2, 3]))

    def within(self, values: _Tensor, lowest: _Tensor | float, highest: _Tensor | float) -> _Tensor:
        return self.tensor("Min", self.op("Max", values, lowest), highest)

    def if_above(self, values: _Tensor, least: float) -> _Tensor:
        return self.tensor("Where", self.op("Less", values, least), 0.0, values)

    def rounded(self, values: _Tensor) -> _Tensor:
        return self.tensor("Round", values)

    def _name(self, value: _Input) -> str:
        if isinstance(value, _Tensor):
            return value.name
        return value if isinstance(value, str) else self._writer.constant(f"{value:g}", np.array(value, np.float32))

    def _means(self, picture: _Tensor, kernel: tuple[int, int], strides: tuple[int, int]) -> _Tensor:
        top, left = kernel[0] // 2, kernel[1] // 2
        pads = self.integers(f"reflect_{top}_{left}", [0, 0, top, left] * 2)
        padded = self.op("Pad", picture, pads, mode="reflect")
        return self.tensor("AveragePool", padded, kernel_shape=list(kernel), strides=list(strides))

    def _sides(self, like: _Tensor) -> str:
        """Returns height and width of a picture, int64[2]."""
        return self.op("Shape", like, start=2, end=4)

    def _sizes(self, like: _Tensor, channels: int) -> str:
        return self.op("Concat", self.integers(f"{channels}_channels", [1, channels]), self._sides(like), axis=0)

    def _grid(self, picture: _Tensor) -> tuple[_Tensor, _Tensor]:
        """Returns where each pixel is in -1..1, 1 x 2 x H x W, and how far one pixel is, 1 x 2 x 1 x 1; x is first."""
        sides = self._sides(picture)
        height, width = (
            self.op("Gather", sides, self._writer.constant(f"{i}_th", np.array(i, np.int64))) for i in (0, 1)
        )
        steps, places = [], []
        for side, shape in ((width, [1, 1, 1, -1]), (height, [1, 1, -1, 1])):
            step = _Tensor(self.op("Div", 2.0, self._writer.cast(side, TensorProto.FLOAT)), self)
            zero, one = (self._writer.constant(f"{i}_th", np.array(i, np.int64)) for i in (0, 1))
            numbers = self.from_bytes(self.op("Range", zero, side, one))
            place = (numbers + 0.5) * step - 1.0
            places.append(self.tensor("Reshape", place, self.integers(f"shape_{shape[2]}", shape)))
            steps.append(self.op("Reshape", step, self.integers("one_number", [1, 1, 1, 1])))
        whole = self._sizes(picture, 1)
        middle = self.tensor("Concat", *(self.op("Expand", place, whole) for place in places), axis=1)
        return middle, self.tensor("Concat", *steps, axis=1)


if __name__ == "__main__":
    write_blend_graph(BLEND_GRAPH)
