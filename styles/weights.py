"""Weights and style vectors as safetensors files with their metadata. Needs no torch."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save

from styles.architecture import NetworkConfig
from styles.support.atomic_file import write_atomically

Arrays = Mapping[str, NDArray[np.floating]]
# Inode, time of the last change in ns, and size in bytes.
FileState = tuple[int, int, int]

# The metadata keys that tell a net from a style vector.
_NETWORK_KEY = "network_config"
_STYLE_INSIDE_KEY = "style_inside"
_VECTOR_NAME = "vector"
# The tensor with the bytes of a small copy of the style picture, as `styles.kept_picture` makes and reads it.
_PICTURE_NAME = "picture"
# What lists need of this many files is kept, so that they are quick to make again.
_MOST_HEADS = 2**15
# What is larger is a net, or is looked at more closely only when it is wanted.
_MOST_BYTES_OF_A_STYLE = 2**18
# The types of vectors in the names of safetensors.
_FLOATS: Mapping[str, str] = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
# Wider or longer nets than that are damaged.
_LARGEST_NUMBER = 4096
# What safetensors raises for headers and tensors that are not what they should be, bfloat16 among them.
_LOAD_ERRORS = (
    SafetensorError,
    OSError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
)


class WeightsError(ValueError):
    """A weights file is damaged, or holds something else than expected."""


@dataclass(frozen=True)
class NetworkWeights:
    """The convolutions of a transform net. `sha256` names this very training: style vectors refer to it.

    `vector`, float32[K], is the style of a net that was trained for one style alone, and None for other nets.
    """

    config: NetworkConfig
    arrays: Arrays
    metadata: Mapping[str, str]
    sha256: str
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class StyleVector:
    """A style of a net: `vector` is float32[K]; the metadata says what it is and which net it belongs to."""

    vector: NDArray[np.float32]
    metadata: Mapping[str, str]


def save_network(
    path: Path,
    config: NetworkConfig,
    arrays: Arrays,
    metadata: Mapping[str, str],
    vector: NDArray[np.floating] | None = None,
    *,
    picture: bytes | None = None,
) -> str:
    """Writes the net as float16 and returns its sha256.

    A net with one style alone also holds `vector` (float[K]) and the small copy of the style picture.
    """
    if vector is not None:
        arrays, metadata = {**arrays, _VECTOR_NAME: vector}, {**metadata, _STYLE_INSIDE_KEY: "yes"}
    save_tensors(path, arrays, {**metadata, _NETWORK_KEY: config.to_json()}, picture)
    return file_sha256(path)


def save_style(
    path: Path, vector: NDArray[np.floating], metadata: Mapping[str, str], picture: bytes | None = None
) -> None:
    """Writes the style vector as float16, and beside it the small copy of its picture, if there is one."""
    save_tensors(path, {_VECTOR_NAME: vector}, metadata, picture)


def load_network(path: Path) -> NetworkWeights:
    """Returns the net in `path`, arrays in float32. Raises WeightsError or FileNotFoundError."""
    arrays, metadata = load_tensors(path)
    config = _config(path, metadata)
    vector = arrays.pop(_VECTOR_NAME, None)
    return NetworkWeights(config, arrays, metadata, file_sha256(path), vector)


def load_style(path: Path) -> StyleVector:
    """Returns the style vector in `path`, alone or inside a net. Raises WeightsError or FileNotFoundError."""
    head = _existing_head(path)
    if head.vector is not None:
        vector = head.vector.astype(np.float32)
    else:
        arrays, _ = load_tensors(path)
        if _VECTOR_NAME not in arrays or arrays[_VECTOR_NAME].ndim != 1:
            raise WeightsError(f"{path} holds no style vector but {', '.join(sorted(arrays)[:4]) or 'nothing'}")
        vector = arrays[_VECTOR_NAME]
    if not np.isfinite(vector).all():
        raise WeightsError(f"{path} holds a style vector with values that are not numbers (NaN or infinite)")
    return StyleVector(vector, head.metadata)


def picture_bytes(path: Path) -> bytes | None:
    """Returns the small copy of the style picture that the file holds, as the bytes of a WebP, or None without one.

    Raises WeightsError.
    """
    try:
        with safe_open(path, "numpy") as file:
            there = _PICTURE_NAME in file.keys()  # noqa: SIM118
            return file.get_tensor(_PICTURE_NAME).astype(np.uint8).tobytes() if there else None
    except (SafetensorError, OSError) as exc:
        raise WeightsError(f"{path} cannot be read as safetensors: {exc}") from exc


def holds_picture(path: Path) -> bool:
    """Returns whether the file holds a small copy of the style picture. Raises WeightsError."""
    return _head(str(path), file_state(path)).has_picture


def read_metadata(path: Path, state: FileState | None = None) -> Mapping[str, str]:
    """Returns the metadata of a safetensors file. Raises WeightsError.

    Args:
        path: the file.
        state: that of the file, if it was just asked for.
    """
    return _head(str(path), state or file_state(path)).metadata


def file_state(path: Path) -> FileState:
    """Returns what changes when a file is written again. Raises WeightsError if it cannot be a safetensors file."""
    try:
        status = os.stat(path)  # noqa: PTH116 (of ten thousand files, Path.stat is felt)
    except (OSError, ValueError) as exc:
        raise WeightsError(f"{path} cannot be read as safetensors: {exc}") from exc
    if not stat.S_ISREG(status.st_mode):  # opening a pipe waits for the other end
        raise WeightsError(f"{path} cannot be read as safetensors: it is not a regular file")
    return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass(frozen=True, eq=False)
class _Head:
    """What lists of styles need of a file, read in one go: opening a file costs more than what is read.

    Args:
        metadata: all of them.
        has_picture: whether the file holds a small copy of the style picture.
        vector: the style vector as it is in the file, None if there is none or it has to be looked at more closely.
    """

    metadata: Mapping[str, str]
    has_picture: bool
    vector: NDArray[np.floating] | None


def _existing_head(path: Path) -> _Head:
    """Returns the head of a file. Raises FileNotFoundError if there is none, and WeightsError."""
    try:
        return _head(str(path), file_state(path))
    except WeightsError as exc:
        if not path.is_file():
            raise FileNotFoundError(f"no weights file at {path}") from exc
        raise


@functools.lru_cache(maxsize=_MOST_HEADS)
def _head(path: str, state: FileState) -> _Head:
    try:
        if state[2] <= _MOST_BYTES_OF_A_STYLE:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (of ten thousand files, Path.open is felt)
                return _head_in(file.read())
        with safe_open(path, "numpy") as opened:
            return _Head(dict(opened.metadata() or {}), _PICTURE_NAME in opened.keys(), None)  # noqa: SIM118
    except _LOAD_ERRORS as exc:
        raise WeightsError(f"{path} cannot be read as safetensors: {exc}") from exc


def _head_in(data: bytes) -> _Head:
    """Returns the head of a file that was read; a small one is read in a third of the time that mapping it takes."""
    tensors = dict(deserialize(data))  # type: ignore[no-untyped-call] # which checks all of the header, and leaves out the metadata
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    described = tensors.get(_VECTOR_NAME)
    vector = None
    if described is not None and described["dtype"] in _FLOATS and len(described["shape"]) == 1:
        vector = np.frombuffer(described["data"], _FLOATS[described["dtype"]])
    return _Head(metadata, _PICTURE_NAME in tensors, vector)


def read_network_config(path: Path) -> NetworkConfig:
    """Returns the shape of the net in `path` without reading its weights. Raises WeightsError."""
    return _config(path, read_metadata(path))


def is_network(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file with this metadata holds convolutions."""
    return _NETWORK_KEY in metadata


def holds_style(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file with this metadata holds a style vector, alone or inside its net."""
    return not is_network(metadata) or _STYLE_INSIDE_KEY in metadata


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _config(path: Path, metadata: Mapping[str, str]) -> NetworkConfig:
    if _NETWORK_KEY not in metadata:
        raise WeightsError(f"{path} is not a transform net: its metadata lacks {_NETWORK_KEY!r}")
    try:
        config = NetworkConfig.from_json(metadata[_NETWORK_KEY])
        numbers = [config.head_kernel, config.head_scale]
        for stage in (*config.down, *config.up):
            numbers += [stage.width, stage.kernel, stage.scale, stage.blocks + 1]
        if not config.down or not all(type(number) is int and 1 <= number <= _LARGEST_NUMBER for number in numbers):
            raise ValueError(f"its numbers are not from 1 to {_LARGEST_NUMBER}")
    except (ValueError, TypeError, RecursionError) as exc:
        raise WeightsError(f"{path} is not a transform net: {exc}") from exc
    return config


def load_tensors(path: Path) -> tuple[dict[str, NDArray[np.float32]], Mapping[str, str]]:
    """Returns the tensors of a safetensors file as float32, without the picture in it, and its metadata.

    Raises:
        WeightsError: the file is damaged, or holds values of another type.
        FileNotFoundError: there is no such file.
    """
    metadata = _existing_head(path).metadata
    try:
        with safe_open(str(path), "numpy") as file, np.errstate(all="ignore"):
            names = [name for name in file.keys() if name != _PICTURE_NAME]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in names}
            arrays = {name: array.astype(np.float32) for name, array in tensors.items()}
    except _LOAD_ERRORS as exc:
        raise WeightsError(f"{path} cannot be read as safetensors: {exc}") from exc
    # whether NumPy knows bfloat16 depends on what else is installed
    if other := [str(array.dtype) for array in tensors.values() if array.dtype.kind != "f"]:
        raise WeightsError(f"{path} holds values of type {other[0]}; expected float16, float32 or float64")
    return arrays, metadata


def save_tensors(path: Path, arrays: Arrays, metadata: Mapping[str, str], picture: bytes | None = None) -> None:
    """Writes arrays as float16, and beside them the small copy of a picture, if there is one; atomically."""
    tensors: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(array, dtype=np.float16) for name, array in arrays.items()
    }
    if picture is not None:
        tensors[_PICTURE_NAME] = np.frombuffer(picture, np.uint8)
    # bytes, not save_file: that would leave a file that only its owner may read
    write_atomically(path, save(tensors, metadata=dict(metadata)))
