"""Makes a published net of the article measurable: python tools/article_net.py wave.safetensors wave.onnx

In: the variables of a net of fast-style-transfer (TensorFlow's HWIO kernels; for layer i `Variable_{3i}` is the kernel,
the next two are shift and scale of its instance norm). Out: an ONNX graph with pixels at both ends, to be compared with
ours: nst-train evaluate wave=wave.onnx --pictures … --photos …. Such nets are for measuring with, never for shipping.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 18
EPS = 1e-3
# Three convolutions down, five residual blocks of two, two transposed ones up, and the last.
_STRIDES = (1, 2, 2, *[1] * 10, 2, 2, 1)
_TRANSPOSED = (13, 14)
_BLOCKS = range(3, 13, 2)
_LAST = 15


class _Graph:
    """The nodes of the graph so far; every method returns the name of the tensor that it made."""

    def __init__(self, arrays: dict[str, NDArray[np.floating]]) -> None:
        self.arrays = arrays
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, values: NDArray[np.floating] | float) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, np.float32), name))
        return name

    def variable(self, number: int) -> NDArray[np.float32]:
        return self.arrays[f"Variable_{number}" if number else "Variable"].astype(np.float32)

    def layer(self, x: str, index: int, relu: bool = True) -> str:
        """A convolution with TensorFlow's SAME padding, its instance norm, and ReLU but where said."""
        kernel, shift, scale = (self.variable(3 * index + part) for part in range(3))
        # HWIO; a transposed kernel has its outputs before its inputs, which is ONNX's order for it once turned round
        weight = self.constant(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        stride = _STRIDES[index]
        if index in _TRANSPOSED:
            x = self.op("ConvTranspose", x, weight, strides=[2, 2], pads=[0, 0, 1, 1])
        else:
            x = self.op("Conv", x, weight, strides=[stride, stride], auto_pad="SAME_UPPER")
        norm = self.constant(scale.ravel()), self.constant(shift.ravel())
        x = self.op("InstanceNormalization", x, *norm, epsilon=EPS)
        return self.op("Relu", x) if relu else x


def article_onnx(arrays: dict[str, NDArray[np.floating]]) -> onnx.ModelProto:
    """Returns the net as `frame: 1 x H x W x 3 uint8 RGB` → `painted`, the same; H and W multiples of 4."""
    graph = _Graph(arrays)
    x = graph.op("Transpose", graph.op("Cast", "frame", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    for index in range(3):
        x = graph.layer(x, index)
    for index in _BLOCKS:
        x = graph.op("Add", x, graph.layer(graph.layer(x, index), index + 1, relu=False))
    for index in _TRANSPOSED:
        x = graph.layer(x, index)
    x = graph.op("Tanh", graph.layer(x, _LAST, relu=False))
    x = graph.op("Add", graph.op("Mul", x, graph.constant(150)), graph.constant(127.5))
    x = graph.op("Round", graph.op("Clip", x, graph.constant(0), graph.constant(255)))
    x = graph.op("Cast", graph.op("Transpose", x, perm=[0, 2, 3, 1]), to=TensorProto.UINT8)
    graph.nodes.append(helper.make_node("Identity", [x], ["painted"]))
    picture: list[str | int | None] = [1, "height", "width", 3]
    ends = [helper.make_tensor_value_info(name, TensorProto.UINT8, picture) for name in ("frame", "painted")]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "article", ends[:1], ends[1:], graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    model.ir_version = 10
    helper.set_model_props(model, {"size_multiple": "4", "baked": "true"})
    return model


def main(words: Sequence[str]) -> None:
    source, target = (Path(word) for word in words)
    onnx.save(article_onnx(load_file(source)), target)


if __name__ == "__main__":
    main(sys.argv[1:])
