"""Style files that are whole as files and wrong as styles: of another type, of another length, of another graph."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.fuzz.damage import Damage

Header = dict[str, Any]
_ESCAPES = "\x1b]0;owned\x07\x1b[31mred\r\n[bold]"


def _tensor(header: Header, dice: Random) -> dict[str, Any]:
    """Returns the entry of one tensor, to be changed."""
    entry: dict[str, Any] = header[dice.choice([name for name in header if name != "__metadata__"])]
    return entry


def _other_type(header: Header, body: bytes, dice: Random) -> bytes:
    _tensor(header, dice)["dtype"] = dice.choice(("BF16", "F8_E4M3", "F32", "F64", "I16", "BOOL", "X7", "", 16))
    return body


def _bfloat(header: Header, body: bytes, dice: Random) -> bytes:
    _tensor(header, dice)["dtype"] = "BF16"
    return body


def _other_shape(header: Header, body: bytes, dice: Random) -> bytes:
    count = len(body) // 2
    _tensor(header, dice)["shape"] = dice.choice(
        ([0], [], [1, count], [count, 1], [count - 1], [2**31], [2**62], [2**64], [-1], ["many"], [count // 2, 2])
    )
    return body


def _other_length(header: Header, body: bytes, dice: Random) -> bytes:
    """A vector of another length, with everything in order."""
    count = dice.choice((0, 1, 16, 1631, 1633, 100_000))
    for entry in header.values():
        if "shape" in entry:
            entry["shape"], entry["data_offsets"], entry["dtype"] = [count], [0, 2 * count], "F16"
    for name in [name for name in header if name not in {"vector", "__metadata__"}]:
        del header[name]
    return (body * 64)[: 2 * count].ljust(2 * count, b"\x00")


def _other_offsets(header: Header, body: bytes, dice: Random) -> bytes:
    end = len(body)
    _tensor(header, dice)["data_offsets"] = dice.choice(
        ([0, end + 2], [2, end], [end, 0], [-1, end], [0, 2**63], [0], [0, end - 2], [2**64, 2**64])
    )
    return body


def _no_numbers(header: Header, body: bytes, dice: Random) -> bytes:
    value = dice.choice((np.nan, np.inf, -np.inf, 65504.0))
    values = np.frombuffer(body, np.float16).copy()
    values[dice.sample(range(len(values)), dice.choice((1, len(values))))] = value
    return values.tobytes()


def _other_words(header: Header, body: bytes, dice: Random) -> bytes:
    metadata = header.setdefault("__metadata__", {})
    key = dice.choice((*metadata, "title", "artist", "network", "network_config", "network_sha256", "style_inside"))
    metadata[key] = dice.choice(("", _ESCAPES, "x" * 2**20, "../../etc", "{}", "[]", "null", "\x00", 7, None, "fast"))
    return body


def _no_words(header: Header, body: bytes, dice: Random) -> bytes:
    header.pop("__metadata__", None)
    return body


def _other_config(header: Header, body: bytes, dice: Random) -> bytes:
    """The description of a net's stages, with a number changed."""
    metadata = header.setdefault("__metadata__", {})
    words = metadata.get("network_config", '{"stages": [1]}')
    digits = [index for index, letter in enumerate(words) if letter.isdigit()] or [0]
    at = dice.choice(digits)
    other = dice.choice(("0", "-1", "7", "99999999", "null", '"', "1e9"))
    metadata["network_config"] = words[:at] + other + words[at + 1 :]
    return body


def _without(header: Header, body: bytes, dice: Random) -> bytes:
    del header[dice.choice([name for name in header if name != "__metadata__"])]
    return body


def _more_tensors(header: Header, body: bytes, dice: Random) -> bytes:
    empty = {"dtype": "F16", "shape": [0], "data_offsets": [len(body)] * 2}
    header.update({f"more{index}": empty for index in range(2000)})
    return body


_OF_SAFETENSORS: Mapping[str, Callable[[Header, bytes, Random], bytes]] = {
    "a tensor of another type": _other_type,
    "a bfloat16 tensor": _bfloat,
    "a tensor of another shape": _other_shape,
    "a vector of another length": _other_length,
    "offsets that lie": _other_offsets,
    "NaN or infinity": _no_numbers,
    "metadata that lie": _other_words,
    "no metadata": _no_words,
    "a description that lies": _other_config,
    "a tensor missing": _without,
    "thousands of tensors": _more_tensors,
}


def _damaged_safetensors(change: Callable[[Header, bytes, Random], bytes]) -> Damage:
    def damage(data: bytes, dice: Random) -> bytes:
        length = struct.unpack_from("<Q", data)[0]
        header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
        body = change(header, body, dice)
        words = json.dumps(header).encode()
        words += b" " * (-len(words) % 8)
        size = len(words) if dice.random() < 0.9 else dice.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(words) + 8))
        return struct.pack("<Q", size) + words + body

    return damage


def _changed_graph(change: Callable[[onnx.GraphProto, Random], object]) -> Damage:
    def damage(data: bytes, dice: Random) -> bytes:
        model = onnx.load_from_string(data)
        change(model.graph, dice)
        changed: bytes = model.SerializeToString()
        return changed

    return damage


def _other_end_type(graph: onnx.GraphProto, dice: Random) -> None:
    kinds = (TensorProto.FLOAT, TensorProto.STRING, TensorProto.BOOL, TensorProto.UNDEFINED, TensorProto.FLOAT16, 99)
    dice.choice((graph.input, graph.output))[0].type.tensor_type.elem_type = dice.choice(kinds)


def _other_end_shape(graph: onnx.GraphProto, dice: Random) -> None:
    shape = dice.choice((graph.input, graph.output))[0].type.tensor_type.shape
    axis = dice.choice(list(shape.dim))
    axis.dim_value = dice.choice((0, -1, 1, 4, 3, 2**40))
    if dice.random() < 0.3:
        del shape.dim[dice.randrange(len(shape.dim))]


def _other_name(graph: onnx.GraphProto, dice: Random) -> None:
    names = ("", "image", "frame", "painted", _ESCAPES, "x" * 70_000)
    dice.choice((graph.input, graph.output))[0].name = dice.choice(names)


def _other_node(graph: onnx.GraphProto, dice: Random) -> None:
    graph.node[0].op_type = dice.choice(("Nonsense", "", "Transpose", "Not", "Sqrt", "Shape", "Loop", "If", "NonZero"))


def _another_domain(graph: onnx.GraphProto, dice: Random) -> None:
    graph.node[0].domain = dice.choice(("com.microsoft", "nowhere", _ESCAPES))


def _circle(graph: onnx.GraphProto, dice: Random) -> None:
    graph.node.extend([helper.make_node("Add", ["b", "frame"], ["a"]), helper.make_node("Identity", ["a"], ["b"])])


def _no_node(graph: onnx.GraphProto, dice: Random) -> None:
    del graph.node[:]


def _no_end(graph: onnx.GraphProto, dice: Random) -> None:
    del dice.choice((graph.input, graph.output))[:]


def _second_input(graph: onnx.GraphProto, dice: Random) -> None:
    graph.input.append(helper.make_tensor_value_info(dice.choice(("style", "more")), TensorProto.FLOAT, [1632]))


def _huge(graph: onnx.GraphProto, dice: Random) -> None:
    """A graph of a few bytes that wants very much memory."""
    target = helper.make_tensor("target", TensorProto.INT64, [4], [1, 2**15, 2**15, 3])
    graph.initializer.append(target)
    graph.node[0].op_type = "Expand"
    graph.node[0].input.append("target")


def _far_weights(graph: onnx.GraphProto, dice: Random) -> None:
    """Weights that are said to lie in another file."""
    weights = graph.initializer.add(name="white", data_type=TensorProto.UINT8, data_location=TensorProto.EXTERNAL)
    weights.dims.extend([1])
    weights.external_data.add(key="location", value=dice.choice(("/etc/passwd", "../secret", "gone.bin", "/dev/zero")))
    graph.node[0].op_type = "Sub"
    graph.node[0].input.insert(0, "white")


def _other_size(graph: onnx.GraphProto, dice: Random) -> None:
    """Paints frames of another size than it is given."""
    graph.node[0].op_type = "Tile"
    graph.initializer.append(helper.make_tensor("twice", TensorProto.INT64, [4], [1, 2, 2, 1]))
    graph.node[0].input.append("twice")


_OF_ONNX: Mapping[str, Damage] = {
    "another type": _changed_graph(_other_end_type),
    "another shape": _changed_graph(_other_end_shape),
    "another name": _changed_graph(_other_name),
    "another node": _changed_graph(_other_node),
    "another domain": _changed_graph(_another_domain),
    "a circle": _changed_graph(_circle),
    "no node": _changed_graph(_no_node),
    "no input or output": _changed_graph(_no_end),
    "a second input": _changed_graph(_second_input),
    "a picture that grows": _changed_graph(_huge),
    "weights in another file": _changed_graph(_far_weights),
    "a picture of another size": _changed_graph(_other_size),
}

STYLE_DAMAGE: Mapping[str, Mapping[str, Damage]] = {
    ".safetensors": {name: _damaged_safetensors(change) for name, change in _OF_SAFETENSORS.items()},
    ".onnx": _OF_ONNX,
}
