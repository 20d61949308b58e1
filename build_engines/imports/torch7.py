"""Reads Torch7's binary files as data: tables, tensors, and objects as the tables of their fields.

Nothing in a file is executed, and nothing outside of it is read: a tensor must lie within its storage, and what a file
claims to hold cannot be more than its bytes.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from build_engines.imports.layers import ForeignNetError

# Of the kinds of values in a file: 0 nothing, 1 a number, 2 a text, 3 a table, 4 an object, 5 a truth value.
_TABLE = 3
# The types of tensors and storages, without the ending.
_TYPES = {
    "torch.Byte": "u1",
    "torch.Char": "i1",
    "torch.Short": "<i2",
    "torch.Int": "<i4",
    "torch.Long": "<i8",
    "torch.Float": "<f4",
    "torch.Double": "<f8",
    "torch.Cuda": "<f4",
}
_TENSOR, _STORAGE = "Tensor", "Storage"
# Nets have a few hundred values and lie a dozen tables deep.
_MOST_VALUES, _DEEPEST, _MOST_DIMENSIONS = 200_000, 60, 8
_LONGEST_NAME = 200
# Weights and their gradients may each lie in one storage of which the modules have views.
_MOST_COPIES = 4


@dataclass(frozen=True, eq=False)
class TorchObject:
    """An object of Torch7.

    Args:
        kind: its class, e.g. "nn.SpatialConvolution".
        fields: by name.
    """

    kind: str
    fields: dict[Any, Any] = field(default_factory=dict)


def read_torch7(data: bytes) -> Any:
    """Returns what a file holds: None, numbers, texts, truth values, arrays, tables as dicts, and TorchObjects.

    Raises ForeignNetError if it is damaged, or holds something else, e.g. a function.
    """
    try:
        return _Reader(data).value()
    except (struct.error, ValueError, TypeError, OverflowError) as exc:
        raise ForeignNetError(f"it cannot be read as a file of Torch7: {exc}") from exc


def read_torch7_file(path: Path) -> Any:
    """Returns what a file holds, as `read_torch7` does. Raises ForeignNetError or OSError."""
    return read_torch7(path.read_bytes())


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), 0
        self._known: dict[int, Any] = {}
        self._values = self._depth = self._copied = 0

    def value(self) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES or self._depth > _DEEPEST:
            raise ValueError("it has more values than a net")
        kind = self._int()
        match kind:
            case 0:
                return None
            case 1:
                return self._unpacked("<d")
            case 2:
                return self._text(len(self._data))
            case 5:
                return self._int() == 1
            case 3 | 4:
                self._depth += 1
                value = self._table() if kind == _TABLE else self._object()
                self._depth -= 1
                return value
            case _:
                raise ValueError(f"it holds a value of kind {kind}, e.g. a function")

    def _table(self) -> Any:
        index = self._int()
        if index in self._known:
            return self._known[index]
        table: dict[Any, Any] = {}
        self._known[index] = table
        for _ in range(self._count()):
            key = self.value()
            if not isinstance(key, str | float | bool):
                raise ValueError("a table has a key that is neither a text nor a number")
            table[key] = self.value()
        return table

    def _object(self) -> Any:
        index = self._int()
        if index in self._known:
            return self._known[index]
        kind = self._text(_LONGEST_NAME)
        if kind.startswith("V "):  # the version, which very old files lack
            kind = self._text(_LONGEST_NAME)
        for ending, read in ((_TENSOR, self._tensor), (_STORAGE, self._storage)):
            name = kind.removesuffix(ending)
            if name != kind and name.startswith("torch."):
                if name not in _TYPES:
                    raise ValueError(f"it holds a {kind}")
                self._known[index] = None
                self._known[index] = read(np.dtype(_TYPES[name]))
                return self._known[index]
        made = self._known[index] = TorchObject(kind)
        fields = self.value()
        if not isinstance(fields, dict):
            raise ValueError(f"it holds a {kind} without fields")
        made.fields.update(fields)
        return made

    def _tensor(self, dtype: np.dtype[Any]) -> Any:
        dimensions = self._int()
        if not 0 <= dimensions <= _MOST_DIMENSIONS:
            raise ValueError(f"it holds a tensor of {dimensions} dimensions")
        shape = [self._long() for _ in range(dimensions)]
        steps = [self._long() for _ in range(dimensions)]
        offset = self._long() - 1
        storage = self.value()
        if not shape or storage is None:
            return np.empty(0, dtype)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1 or storage.dtype != dtype:
            raise ValueError("a tensor has no storage of its type")
        if min(shape) < 0 or min(steps) < 0 or offset < 0 or math.prod(shape) > storage.size:
            raise ValueError("a tensor is larger than its storage")
        if not math.prod(shape):
            return np.empty(shape, dtype)
        if offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True)) >= storage.size:
            raise ValueError("a tensor ends behind its storage")
        self._copied += math.prod(shape) * dtype.itemsize
        if self._copied > _MOST_COPIES * len(self._data):
            raise ValueError("its tensors are larger than the file")
        strides = [step * dtype.itemsize for step in steps]
        return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides).copy()

    def _storage(self, dtype: np.dtype[Any]) -> Any:
        return np.frombuffer(self._bytes(self._long() * dtype.itemsize), dtype)

    def _text(self, longest: int) -> str:
        length = self._int()
        if length > longest:
            raise ValueError("it has a name that is too long")
        return bytes(self._bytes(length)).decode("utf-8", "replace")

    def _count(self) -> int:
        count = self._int()
        if not 0 <= count <= _MOST_VALUES:
            raise ValueError(f"it holds a table of {count} values")
        return count

    def _int(self) -> int:
        return int(self._unpacked("<i"))

    def _long(self) -> int:
        return int(self._unpacked("<q"))

    def _unpacked(self, form: str) -> Any:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))[0]

    def _bytes(self, count: int) -> memoryview:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]
