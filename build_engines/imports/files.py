"""The files of other people's nets: what is in them is read as data, and never executed."""

from __future__ import annotations

import importlib.util
import os
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from build_engines.imports.families import Tensors, foreign_net
from build_engines.imports.layers import ForeignNet, ForeignNetError
from build_engines.imports.torch7 import read_torch7_file
from build_engines.imports.torch7_net import torch7_net
from styles.weights import WeightsError, load_tensors

# The nets that people paint with have 7 to 20 MB.
_LARGEST_FILE = 2**28
_MOST_TENSORS = 1000
# Under which names checkpoints keep the tensors, if not at the top.
_INNER = ("state_dict", "model_state_dict")
_PARALLEL = "module."
# What PyTorch says of a class or a function in a file.
_CLASS = "GLOBAL"


class NoTorchError(RuntimeError):
    """A file of PyTorch must be read, but PyTorch is not installed."""


def read_foreign_net(path: Path) -> ForeignNet:
    """Returns the net in a file of PyTorch, of Torch7 (.t7), or of safetensors.

    Args:
        path: the file.

    Raises:
        ForeignNetError: it is damaged, or holds no net that is known; the text begins with the path.
        NoTorchError: it is a file of PyTorch, which is not installed.
        FileNotFoundError: there is no such file.
    """
    _check_size(path)
    try:
        if path.suffix.lower() == ".t7":
            return torch7_net(read_torch7_file(path))
        return foreign_net(_tensors(path))
    except ForeignNetError as exc:
        raise ForeignNetError(f"{path} cannot be imported: {exc}") from exc
    except WeightsError as exc:
        raise ForeignNetError(str(exc)) from exc


def _check_size(path: Path) -> None:
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as exc:
        raise FileNotFoundError(f"no file {path}") from exc
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
        raise ForeignNetError(f"{path} cannot be imported: expected a file of at most {_LARGEST_FILE >> 20} MiB")


def _tensors(path: Path) -> Tensors:
    if path.suffix.lower() == ".safetensors":
        tensors, _ = load_tensors(path)
        return tensors
    return _state_dict(path)


def _state_dict(path: Path) -> Tensors:
    """Returns the tensors of a file of PyTorch, by name, in their order."""
    if importlib.util.find_spec("torch") is None:
        raise NoTorchError(
            'a file of PyTorch must be read, but PyTorch is not installed; type: pip install "nst-live[train]"'
        )
    import torch

    if zipfile.is_zipfile(path):
        _check_archive(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is in the file
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # a damaged file can raise anything
        if _CLASS in str(exc):
            raise ForeignNetError(
                "it holds more than tensors, which would have to be executed; save the net's state_dict()"
            ) from exc
        raise ForeignNetError("it is damaged, or not a file of PyTorch") from exc
    if isinstance(loaded, Mapping):
        loaded = next((loaded[name] for name in _INNER if isinstance(loaded.get(name), Mapping)), loaded)
    if not isinstance(loaded, Mapping) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ForeignNetError(f"it holds a {type(loaded).__name__}; expected the tensors of a net by name")
    if len(loaded) > _MOST_TENSORS or sum(tensor.numel() * 4 for tensor in loaded.values()) > _LARGEST_FILE:
        raise ForeignNetError("it holds more than a net")
    try:
        arrays = {str(name): np.ascontiguousarray(tensor.detach().float().numpy()) for name, tensor in loaded.items()}
    except (RuntimeError, TypeError, NotImplementedError) as exc:  # tensors that are sparse, quantized, on no device
        raise ForeignNetError("it holds tensors that are more than plain numbers") from exc
    return {name.removeprefix(_PARALLEL): values for name, values in arrays.items()}


def _check_archive(path: Path) -> None:
    """Raises ForeignNetError where an archive holds more than its bytes say."""
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(each.file_size for each in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise ForeignNetError("it is damaged, or not a file of PyTorch") from exc
    if total > _LARGEST_FILE:
        raise ForeignNetError(f"it would unpack to {total >> 20} MiB; expected at most {_LARGEST_FILE >> 20}")
