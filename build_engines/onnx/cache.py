"""The ONNX file of a net or a style encoder: the one beside its weights if it fits, else one in the cache."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_engines.onnx.options import WEIGHTS_SHA256, GraphOptions
from styles.encoder_weights import is_encoder, load_encoder
from styles.registry import network_sha256
from styles.support.atomic_file import write_atomically
from styles.support.user_folders import cache_folder
from styles.weights import load_network, read_metadata

# onnx.proto: ModelProto.metadata_props, StringStringEntryProto.key and .value
_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
# ModelProto.graph, GraphProto.input and .initializer, ValueInfoProto.name, TensorProto.name
_GRAPH, _INPUT, _INITIALIZER, _INPUT_NAME, _TENSOR_NAME = 7, 11, 5, 1, 8
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# A varint holds 64 bits in groups of seven. A longer one is garbage, and reading it would take quadratic time.
_LONGEST_VARINT_BITS = 70


class NoExporterError(RuntimeError):
    """An ONNX file must be written, but the package that writes it is not installed."""


class OnnxFileError(ValueError):
    """A file does not hold an ONNX model, or not one that can be used."""


def ready_onnx(weights_file: Path, folder: Path | None = None) -> Path:
    """Returns an ONNX file of a net or a style encoder in FP32, with free height and width.

    The file beside the weights is used if its metadata holds their checksum. Otherwise the file is in `folder`, and is
    exported now if it does not exist yet.

    Args:
        weights_file: the weights of the net or the encoder.
        folder: where to keep exported files; by default in the user's cache folder.

    Raises:
        NoExporterError: the file must be exported, and onnx is not installed.
        WeightsError: the weights cannot be read or do not fit the net or the encoder.
        FileNotFoundError: there is no weights file.
    """
    if not weights_file.is_file():
        raise FileNotFoundError(f"no weights file at {weights_file}")
    sha256 = network_sha256(weights_file)
    beside = weights_file.with_suffix(".onnx")
    if beside.is_file() and read_onnx_metadata(beside).get(WEIGHTS_SHA256) == sha256:
        return beside
    folder = folder or cache_folder() / "onnx"
    cached = folder / f"{weights_file.stem}-{sha256[:16]}.onnx"
    if not cached.is_file():
        write_onnx(weights_file, cached)
    return cached


def write_onnx(weights_file: Path, onnx_file: Path, options: GraphOptions | None = None) -> None:
    """Exports a net or a style encoder to an ONNX file.

    Args:
        weights_file: the weights of the net or the encoder.
        onnx_file: the file to write; an existing one is replaced.
        options: precision and size of a net's graph; by default FP32 with free height and width.

    Raises:
        NoExporterError: onnx is not installed.
        WeightsError: the weights cannot be read or do not fit the net or the encoder.
        FrameSizeError: the net cannot paint frames of the size in `options`.
        OSError: a file cannot be read or written.
    """
    check_exporter()
    from build_engines.onnx.encoder_graph import onnx_from_encoder
    from build_engines.onnx.graph import onnx_from_network

    if weights_file.is_file() and is_encoder(read_metadata(weights_file)):
        model = onnx_from_encoder(load_encoder(weights_file))
    else:
        model = onnx_from_network(load_network(weights_file), options)
    write_atomically(onnx_file, model.SerializeToString())


def check_exporter() -> None:
    """Raises NoExporterError if onnx is not installed."""
    if importlib.util.find_spec("onnx") is None:
        raise NoExporterError("an ONNX file must be written, but onnx is not installed; type: pip install onnx")


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """Returns the metadata of an ONNX file. It does not need onnx.

    Raises:
        OnnxFileError: the file is not an ONNX model.
        OSError: the file cannot be read.
    """
    with _parsing(path):
        entries = [dict(_fields(entry)) for number, entry in _fields(path.read_bytes()) if number == _METADATA_PROPS]
        return {entry.get(_KEY, b"").decode(): entry.get(_VALUE, b"").decode() for entry in entries}


def read_onnx_inputs(path: Path) -> list[str]:
    """Returns the names of the inputs of an ONNX model. It does not need onnx.

    Raises:
        OnnxFileError: the file is not an ONNX model.
        OSError: the file cannot be read.
    """
    with _parsing(path):
        graph = [field for number, part in _fields(path.read_bytes()) if number == _GRAPH for field in _fields(part)]
        inputs = [dict(_fields(part)).get(_INPUT_NAME, b"").decode() for number, part in graph if number == _INPUT]
        # old models list their weights among the inputs
        weights = {
            dict(_fields(part)).get(_TENSOR_NAME, b"").decode() for number, part in graph if number == _INITIALIZER
        }
        return [name for name in inputs if name not in weights]


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    try:
        yield
    except (IndexError, ValueError) as exc:
        raise OnnxFileError(f"{path} is not an ONNX model") from exc


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the number and content of each field of a protobuf message; numeric fields yield empty content."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _BYTES:
            length, position = _varint(message, position)
        elif not length:
            raise ValueError(f"unknown protobuf wire type {kind}")
        if position + length > len(message):
            raise IndexError("the message ends within a field")
        yield number, message[position : position + length] if kind == _BYTES else b""
        position += length


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < _LONGEST_VARINT_BITS:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a protobuf number of more than 64 bits")
