"""The ONNX file that belongs to a weights file is found, or made."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import onnx
import pytest

from build_engines.onnx.cache import (
    NoExporterError,
    OnnxFileError,
    read_onnx_inputs,
    read_onnx_metadata,
    ready_onnx,
    write_onnx,
)
from styles.weights import file_sha256
from tests.build_engines.conftest import SaveNet


def test_metadata_are_read_without_the_onnx_package(save_net: SaveNet, tmp_path: Path) -> None:
    weights, file = save_net("fast"), tmp_path / "net.onnx"
    write_onnx(weights, file)
    metadata = read_onnx_metadata(file)
    assert metadata == {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert metadata["weights_sha256"] == file_sha256(weights)
    assert metadata["size_multiple"] == "8"


def test_inputs_are_read_without_the_onnx_package_and_weights_are_none_of_them(tmp_path: Path) -> None:
    picture, weight = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, [1]) for name in ("picture", "weight")
    )
    node = onnx.helper.make_node("Add", ["picture", "weight"], ["sum"])
    values = [onnx.helper.make_tensor("weight", onnx.TensorProto.UINT8, [1], [3])]
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [picture, weight], [], values)), tmp_path / "g"
    )
    assert read_onnx_inputs(tmp_path / "g") == ["picture"]


def test_the_file_beside_the_weights_is_used_where_it_belongs_to_them(save_net: SaveNet, tmp_path: Path) -> None:
    weights = save_net("fast")
    write_onnx(weights, weights.with_suffix(".onnx"))
    assert ready_onnx(weights, tmp_path / "cache") == weights.with_suffix(".onnx")
    assert not (tmp_path / "cache").exists()


def test_a_stale_file_beside_the_weights_is_passed_over_for_a_fresh_one_in_the_cache(
    save_net: SaveNet, tmp_path: Path
) -> None:
    weights = save_net("fast")
    write_onnx(weights, weights.with_suffix(".onnx"))
    assert save_net("fast", seed=1) == weights
    fresh = ready_onnx(weights, tmp_path / "cache")
    assert fresh.parent == tmp_path / "cache"
    assert read_onnx_metadata(fresh)["weights_sha256"] == file_sha256(weights)
    written = fresh.stat().st_mtime_ns
    assert ready_onnx(weights, tmp_path / "cache") == fresh
    assert fresh.stat().st_mtime_ns == written


def test_by_default_the_cache_is_the_users(save_net: SaveNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert (tmp_path / "home") in ready_onnx(save_net("fast")).parents or sys.platform != "linux"


def test_without_onnx_it_says_what_to_type(save_net: SaveNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = save_net("fast")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NoExporterError, match="onnx is not installed; type: pip install onnx"):
        ready_onnx(weights, tmp_path)
    assert sorted(tmp_path.iterdir()) == [weights]


@pytest.mark.parametrize("data", [b"hello, world", b"\x08", b"\xff" * 40])
def test_garbage_is_no_onnx_model(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "garbage.onnx"
    file.write_bytes(data)
    with pytest.raises(OnnxFileError, match=r"garbage\.onnx is not an ONNX model"):
        read_onnx_metadata(file)


def test_a_truncated_file_is_no_onnx_model(save_net: SaveNet, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    write_onnx(save_net("fast"), file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(OnnxFileError):
        read_onnx_metadata(file)


def test_garbage_is_refused_in_linear_time(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\xff" * 20_000_000)
    started_s = time.process_time()
    for read in (read_onnx_metadata, read_onnx_inputs):
        with pytest.raises(OnnxFileError, match=r"a\.onnx is not an ONNX model"):
            read(tmp_path / "a.onnx")
    assert time.process_time() - started_s < 2
