"""The small copy of its picture that a style file holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from styles.encoder_weights import SHORT_SIDE
from styles.kept_picture import kept_picture, small_copy
from styles.registry import SHIPPED_FOLDER
from styles.weights import WeightsError, load_style, save_style
from tests.conftest import ROOT
from tests.styles.conftest import textured

VECTOR = np.ones(3, np.float32)


def test_the_copy_is_as_small_as_what_the_encoder_looks_at(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    save_style(path, VECTOR, {"title": "T"}, small_copy(textured(600, 900, seed=0)))
    picture = kept_picture(path)
    assert picture is not None
    assert picture.shape == (SHORT_SIDE, SHORT_SIDE * 3 // 2, 3)
    assert picture.dtype == np.uint8
    assert path.stat().st_size < 90_000


def test_the_vector_and_its_facts_are_the_same_with_and_without_it(tmp_path: Path) -> None:
    for name, copy in (("with", small_copy(textured(40, 30, seed=0))), ("without", None)):
        save_style(tmp_path / name, VECTOR, {"title": "T"}, copy)
    one, other = (load_style(tmp_path / name) for name in ("with", "without"))
    assert np.array_equal(one.vector, other.vector)
    assert one.metadata == other.metadata
    assert kept_picture(tmp_path / "without") is None


def test_a_very_long_picture_is_kept_within_what_webp_can_hold(tmp_path: Path) -> None:
    save_style(tmp_path / "s", VECTOR, {}, small_copy(textured(40, 20_000, seed=0)))
    picture = kept_picture(tmp_path / "s")
    assert picture is not None
    assert picture.shape == (8, 4096, 3)


def test_a_damaged_copy_is_named(tmp_path: Path) -> None:
    save_style(tmp_path / "s.safetensors", VECTOR, {}, small_copy(textured(40, 30, seed=0))[:30])
    with pytest.raises(WeightsError, match=r"s\.safetensors holds a picture that cannot be read"):
        kept_picture(tmp_path / "s.safetensors")


def test_the_shipped_styles_hold_none() -> None:
    shipped = sorted(SHIPPED_FOLDER.rglob("*.safetensors"))
    assert shipped
    assert [path for path in shipped if kept_picture(path) is not None] == []


def test_it_is_read_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import styles.kept_picture"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)
