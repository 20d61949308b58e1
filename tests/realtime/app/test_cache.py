"""What is kept on the disk is listed with its size, and removed when that is asked for, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from build_engines.onnx.cache import ready_onnx
from realtime.app.cache import KINDS
from styles.registry import SHIPPED_FOLDER
from tests.realtime.conftest import NstLive


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, with something of each kind in it and something that is not ours."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NST_LIVE_ENGINES", raising=False)
    folder = tmp_path / "cache" / "nst-live"
    for name, size in {
        "engines/fast-640x480.engine": 3_000_000,
        "engines/fast-640x480.json": 1_000,
        "engines/timing-rtx-1.7.cache": 200_000,
        "engines/notes.txt": 10,
        "predictions/postcard.npy": 5_000,
        "kernels/triton/abc/kernel.so": 40_000,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(size))
    return folder


def lines_of(out: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}


def test_each_kind_is_listed_with_size_and_place(cache: Path, nst_live: NstLive) -> None:
    told = nst_live("cache")
    assert (told.code, told.err) == (0, "")
    lines = lines_of(told.out)
    assert list(lines) == list(KINDS)
    assert lines["engines"].startswith("3.2 MB in 3 files ")
    assert lines["engines"].endswith(str(cache / "engines"))
    assert lines["graphs"].startswith("0.0 MB in 0 files ")
    assert lines["predictions"].startswith("0.0 MB in 1 file ")
    assert lines["kernels"].startswith("0.0 MB in 1 file ")


def test_one_kind_is_removed_and_the_others_stay(cache: Path, nst_live: NstLive) -> None:
    told = nst_live("cache", "--clear", "kernels")
    assert told.code == 0
    assert re.fullmatch(rf"kernels +0\.0 MB in 1 file +removed from {cache}/kernels\n", told.out)
    assert not (cache / "kernels").exists()
    assert (cache / "predictions" / "postcard.npy").exists()


def test_all_is_removed_but_what_is_not_ours(cache: Path, nst_live: NstLive) -> None:
    assert nst_live("cache", "--clear").code == 0
    assert [path.relative_to(cache) for path in cache.rglob("*") if path.is_file()] == [Path("engines/notes.txt")]
    assert all("0.0 MB in 0 files" in line for line in lines_of(nst_live("cache").out).values())


def test_what_is_removed_is_made_again(cache: Path, tmp_path: Path, nst_live: NstLive) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes((SHIPPED_FOLDER / "fast.safetensors").read_bytes())
    made = ready_onnx(weights)
    assert made.parent == cache / "onnx"
    assert lines_of(nst_live("cache").out)["graphs"].startswith(f"{made.stat().st_size / 1e6:.1f} MB in 1 file ")
    assert nst_live("cache", "--clear", "graphs").code == 0
    assert not made.exists()
    assert ready_onnx(weights) == made
    assert made.exists()


def test_the_folder_of_engines_that_the_settings_name_is_meant(
    cache: Path, tmp_path: Path, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.engine").write_bytes(bytes(1_000_000))
    monkeypatch.setenv("NST_LIVE_ENGINES", str(tmp_path / "mine"))
    assert nst_live("cache").out.splitlines()[0].endswith(str(tmp_path / "mine"))
    assert nst_live("cache", "--clear", "engines").code == 0
    assert not list((tmp_path / "mine").glob("*"))
    assert (cache / "engines" / "fast-640x480.engine").exists()


def test_a_kind_that_there_is_not_is_a_mistake(cache: Path, nst_live: NstLive) -> None:
    told = nst_live("cache", "--clear", "films")
    assert told.code == 2
    assert "nothing called 'films' is kept; expected one of engines, graphs, predictions, kernels" in told.err
    assert (cache / "engines" / "fast-640x480.engine").exists()
