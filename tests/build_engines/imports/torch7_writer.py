"""Writes files as Torch7 does, for the tests that read them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from build_engines.imports.torch7 import TorchObject

_NAMES = {"float32": "Float", "float64": "Double", "int64": "Long", "uint8": "Byte"}


class Torch7Writer:
    """Collects the bytes of values, each object once."""

    def __init__(self) -> None:
        self.data = b""
        self._known: dict[int, int] = {}
        self._alive: list[Any] = []

    def write(self, value: Any) -> bytes:
        if value is None:
            self._ints(0)
        elif isinstance(value, bool):
            self._ints(5, int(value))
        elif isinstance(value, int | float):
            self._ints(1)
            self.data += struct.pack("<d", value)
        elif isinstance(value, str):
            self._ints(2)
            self._text(value)
        elif isinstance(value, list):
            self._table(dict(enumerate(value, start=1)), value)
        elif isinstance(value, Mapping):
            self._table(value, value)
        elif isinstance(value, TorchObject):
            if self._begin(4, value):
                self._class(value.kind)
                self.write(dict(value.fields))
        else:
            self._array(value)
        return self.data

    def _array(self, values: np.ndarray) -> None:
        name = _NAMES[values.dtype.name]
        flat = np.ascontiguousarray(values)
        self._begin(4, values)
        self._class(f"torch.{name}Tensor")
        steps = [step // values.itemsize for step in flat.strides]
        self._ints(values.ndim)
        self.data += struct.pack(f"<{2 * values.ndim + 1}q", *values.shape, *steps, 1)
        self._begin(4, object())
        self._class(f"torch.{name}Storage")
        self.data += struct.pack("<q", values.size) + flat.tobytes()

    def _table(self, pairs: Mapping[Any, Any], identity: object) -> None:
        if self._begin(3, identity):
            self._ints(len(pairs))
            for key, value in pairs.items():
                self.write(key)
                self.write(value)

    def _begin(self, kind: int, value: object) -> bool:
        """Writes the kind and the number of an object; returns whether its content must follow."""
        known = id(value) in self._known
        self._alive.append(value)
        self._ints(kind, self._known.setdefault(id(value), len(self._known) + 1))
        return not known

    def _class(self, name: str) -> None:
        self._text("V 1")
        self._text(name)

    def _text(self, text: str) -> None:
        data = text.encode()
        self._ints(len(data))
        self.data += data

    def _ints(self, *values: int) -> None:
        self.data += struct.pack(f"<{len(values)}i", *values)


def written(value: Any) -> bytes:
    """Returns the bytes of a file of Torch7."""
    return Torch7Writer().write(value)
