"""The sheets for blind judges: all pairs, shuffled, and no word on them of who painted what."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from styles.training.pictures import read_picture, write_picture
from tests.styles.conftest import save_onnx, textured
from tools.blind_pairs import BESIDE, OURS, main, shuffled_pairs


def test_every_style_and_photograph_comes_once_and_ours_is_a_in_half_of_them() -> None:
    pairs = shuffled_pairs(["wave", "wreck", "udnie"], ["1.jpg", "2.jpg"], seed=0)
    assert [pair.sheet for pair in pairs] == [1, 2, 3, 4, 5, 6]
    assert len({(pair.style, pair.photo) for pair in pairs}) == 6
    assert all({pair.a, pair.b} == {OURS, BESIDE} for pair in pairs)
    assert sum(pair.a == OURS for pair in pairs) == 3
    assert pairs == shuffled_pairs(["wave", "wreck", "udnie"], ["1.jpg", "2.jpg"], seed=0)
    assert pairs != shuffled_pairs(["wave", "wreck", "udnie"], ["1.jpg", "2.jpg"], seed=1)


def test_sheets_lie_in_the_folder_and_the_key_outside_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = textured(40, 64, seed=0)
    write_picture(tmp_path / "photo.png", photo)
    write_picture(tmp_path / "wave.png", textured(30, 30, seed=1))
    save_onnx(tmp_path / "wave.onnx")  # paints the photograph as it is
    words = [
        "--beside",
        str(tmp_path),
        "--pictures",
        str(tmp_path),
        "--styles",
        "wave",
        "--size",
        "64",
        "--net",
        "fast",
    ]
    main([str(tmp_path / "pairs"), *words, "--photos", str(tmp_path / "photo.png")])
    key = tmp_path / "pairs-key.json"
    assert capsys.readouterr().out.strip() == str(key)
    (pair,) = json.loads(key.read_text())
    assert (pair["sheet"], pair["style"], pair["photo"]) == (1, "wave", str(tmp_path / "photo.png"))
    assert [path.name for path in (tmp_path / "pairs").iterdir()] == ["pair-01.png"]
    shown = read_picture(tmp_path / "pairs" / "pair-01.png")
    top, left = 28 + 12, 12 + 64 + 12
    assert np.array_equal(shown[top : top + 40, left : left + 64], photo)
    place = left + (64 + 12) * (1 + ["a", "b"].index(next(name for name in "ab" if pair[name] == BESIDE)))
    assert np.array_equal(shown[top : top + 40, place : place + 64], photo)
