"""Writes the nodes and constants of an ONNX graph. Methods that add a node return the name of its output tensor."""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

OPSET = 18
_IR_VERSION = 10  # what ONNX Runtime 1.20 and TensorRT 10 read


class GraphWriter:
    """Collects the nodes and initializers of a graph, in the order in which they run."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._constants: dict[bytes, str] = {}

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: int | float | str | list[int]) -> str:
        """Adds a node with one output; it is named after its kind unless `output` is given."""
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        node = helper.make_node(kind, list(inputs), [output], name=output)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Adds an initializer, once for each value: equal ones are shared."""
        key = values.tobytes() + str((values.dtype, values.shape)).encode()
        if key not in self._constants:
            self._constants[key] = name
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return self._constants[key]

    def cast(self, x: str, onnx_type: int) -> str:
        """Adds a conversion to another type of number."""
        return self.op("Cast", x, to=onnx_type)


def model_of(
    writer: GraphWriter, name: str, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """Returns the model of a graph that was written."""
    graph = helper.make_graph(writer.nodes, name, inputs, outputs, writer.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="nst-live")
    model.ir_version = _IR_VERSION
    return model
