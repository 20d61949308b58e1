"""Weights and style vectors as safetensors files with their metadata. Needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from styles.architecture import NetworkConfig
from styles.support.atomic_file import write_atomically

Arrays = Mapping[str, NDArray[np.floating]]

# The metadata keys that tell a net from a style vector.
_NETWORK_KEY = "network_config"
_STYLE_INSIDE_KEY = "style_inside"
_VECTOR_NAME = "vector"


class WeightsError(ValueError):
    """A weights file is damaged, or holds something else than was wanted."""


@dataclass(frozen=True)
class NetworkWeights:
    """The convolutions of a transform net. `sha256` names this very training: style vectors refer to it.

    `vector`, float32[K], is there where the net was trained for one style alone, which lies in the same file.
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
) -> str:
    """Writes the net as float16, with `vector` (float[K]) inside where it has one style alone; returns its sha256."""
    if vector is not None:
        arrays, metadata = {**arrays, _VECTOR_NAME: vector}, {**metadata, _STYLE_INSIDE_KEY: "yes"}
    _save(path, arrays, {**metadata, _NETWORK_KEY: config.to_json()})
    return file_sha256(path)


def save_style(path: Path, vector: NDArray[np.floating], metadata: Mapping[str, str]) -> None:
    """Writes the style vector as float16."""
    _save(path, {_VECTOR_NAME: vector}, metadata)


def load_network(path: Path) -> NetworkWeights:
    """Returns the net in `path`, arrays in float32. Raises WeightsError or FileNotFoundError."""
    arrays, metadata = _load(path)
    if _NETWORK_KEY not in metadata:
        raise WeightsError(f"{path} is no transform net: its metadata lacks {_NETWORK_KEY!r}")
    try:
        config = NetworkConfig.from_json(metadata[_NETWORK_KEY])
    except ValueError as exc:
        raise WeightsError(f"{path} is no transform net: {exc}") from exc
    vector = arrays.pop(_VECTOR_NAME, None)
    return NetworkWeights(config, arrays, metadata, file_sha256(path), vector)


def load_style(path: Path) -> StyleVector:
    """Returns the style vector in `path`, alone or inside a net. Raises WeightsError or FileNotFoundError."""
    arrays, metadata = _load(path)
    vector = arrays.get(_VECTOR_NAME)
    if vector is None or vector.ndim != 1:
        raise WeightsError(f"{path} holds no style vector but {', '.join(sorted(arrays)[:4]) or 'nothing'}")
    return StyleVector(vector, metadata)


def read_metadata(path: Path) -> Mapping[str, str]:
    """Returns the metadata of a safetensors file without reading its tensors. Raises WeightsError."""
    try:
        with safe_open(path, "numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as exc:
        raise WeightsError(f"{path} cannot be read as safetensors: {exc}") from exc


def read_network_config(path: Path) -> NetworkConfig:
    """Returns the shape of the net in `path` without reading its weights. Raises WeightsError."""
    metadata = read_metadata(path)
    if _NETWORK_KEY not in metadata:
        raise WeightsError(f"{path} is no transform net: its metadata lacks {_NETWORK_KEY!r}")
    try:
        return NetworkConfig.from_json(metadata[_NETWORK_KEY])
    except ValueError as exc:
        raise WeightsError(f"{path} is no transform net: {exc}") from exc


def is_network(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file with this metadata holds convolutions."""
    return _NETWORK_KEY in metadata


def holds_style(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file with this metadata holds a style vector, alone or inside its net."""
    return not is_network(metadata) or _STYLE_INSIDE_KEY in metadata


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _load(path: Path) -> tuple[dict[str, NDArray[np.float32]], Mapping[str, str]]:
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {path}")
    metadata = read_metadata(path)
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}, metadata  # noqa: SIM118


def _save(path: Path, arrays: Arrays, metadata: Mapping[str, str]) -> None:
    halves = {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in arrays.items()}
    # bytes, not save_file: that would leave a file that only its owner may read
    write_atomically(path, save(halves, metadata=dict(metadata)))
