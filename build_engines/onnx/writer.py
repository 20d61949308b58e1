"""What all graphs are written with: nodes, constants that are shared, kernels as float16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
_IR_VERSION = 10  # what ONNX Runtime 1.20 and TensorRT 10 read


class GraphWriter:
    """Collects the nodes and initializers of a graph. Methods that add a node return the name of its output tensor."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._constants: dict[bytes, str] = {}

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: int | float | str | list[int]) -> str:
        """Adds a node with one output, which is named after it unless `output` is given."""
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
        """Adds a cast to a type of `onnx.TensorProto`."""
        return self.op("Cast", x, to=onnx_type)

    def stored_as_half(self, name: str, values: NDArray[np.floating]) -> str:
        """Adds float32 weights that are float16 in the file. A runtime casts them once, on loading."""
        return self.cast(self.constant(name, values.astype(np.float16)), TensorProto.FLOAT)

    def model(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        metadata: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Returns the model of all that was added."""
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="nst-live")
        model.ir_version = _IR_VERSION
        helper.set_model_props(model, dict(metadata))
        return model
