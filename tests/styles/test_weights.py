"""Weights files: round trips, and refusals that say what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from styles.architecture import CONFIGS
from styles.weights import (
    WeightsError,
    file_sha256,
    holds_style,
    is_network,
    load_network,
    load_style,
    read_metadata,
    save_network,
    save_style,
)

ARRAYS = {"a.weight": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 2, 2), "b": np.ones(3, np.float32)}
VECTOR = np.array([1.0, -0.5, 0.25], np.float32)


def test_a_net_comes_back_in_half_precision_with_its_config(tmp_path: Path) -> None:
    path = tmp_path / "new" / "net.safetensors"
    sha256 = save_network(path, CONFIGS["fast"], ARRAYS, {"seed": "3"})
    net = load_network(path)
    assert net.config == CONFIGS["fast"]
    assert net.metadata["seed"] == "3"
    assert net.sha256 == sha256 == file_sha256(path)
    assert net.vector is None
    assert net.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert net.arrays[name].dtype == np.float32
        np.testing.assert_array_equal(net.arrays[name], array.astype(np.float16))


def test_a_style_comes_back(tmp_path: Path) -> None:
    save_style(tmp_path / "s.safetensors", VECTOR, {"title": "Ünique"})
    style = load_style(tmp_path / "s.safetensors")
    assert style.metadata["title"] == "Ünique"
    np.testing.assert_array_equal(style.vector, VECTOR)
    metadata = read_metadata(tmp_path / "s.safetensors")
    assert holds_style(metadata)
    assert not is_network(metadata)


def test_a_net_with_its_style_inside_is_both(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_network(path, CONFIGS["fast"], ARRAYS, {}, vector=VECTOR)
    net = load_network(path)
    assert net.vector is not None
    np.testing.assert_array_equal(net.vector, VECTOR)
    assert net.arrays.keys() == ARRAYS.keys()
    np.testing.assert_array_equal(load_style(path).vector, VECTOR)
    assert holds_style(read_metadata(path))
    assert is_network(read_metadata(path))


def test_a_half_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_network(path, CONFIGS["fast"], ARRAYS, {})
    path.write_bytes(path.read_bytes()[:-40])
    for read in (load_network, load_style, read_metadata):
        with pytest.raises(WeightsError, match=r"net\.safetensors cannot be read as safetensors"):
            read(path)


def test_one_is_not_taken_for_the_other(tmp_path: Path) -> None:
    save_network(tmp_path / "net.safetensors", CONFIGS["fast"], ARRAYS, {})
    save_style(tmp_path / "style.safetensors", VECTOR, {})
    with pytest.raises(WeightsError, match=r"holds no style vector but a\.weight, b"):
        load_style(tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="is not a transform net: its metadata lacks 'network_config'"):
        load_network(tmp_path / "style.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        load_network(tmp_path / "none.safetensors")
