"""One photograph in every style, on one labelled sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.app.gallery import Cell, contact_sheet
from realtime.media.photo import Photo, read_photo, write_photo
from styles.registry import list_styles
from tests.realtime.clips import colourful
from tests.realtime.conftest import NstLive


def test_a_sheet_has_the_photograph_and_every_style(tmp_path: Path, nst_live: NstLive) -> None:
    write_photo(tmp_path / "photo.png", Photo(colourful(0, (160, 96))))
    told = nst_live("gallery", tmp_path / "photo.png", "-o", "sheet.png", "--width", "80", "--columns", "4")
    assert told.code == 0
    count = len(list_styles("fast"))
    assert f"in {count} styles on sheet.png" in told.err
    sheet = read_photo(tmp_path / "sheet.png").pixels
    assert sheet.shape[1] > 4 * 80
    assert sheet.shape[0] > -(-(count + 1) // 4) * 48


def test_each_cell_shows_its_picture_with_its_name_below() -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    cells = [Cell(np.full((60, 90, 3), colour, np.uint8), f"style {colour}", "a title") for colour in colours]
    sheet = contact_sheet(cells, columns=2)
    tops = []
    for colour in colours:
        rows, columns = np.nonzero((sheet == colour).all(axis=2))
        assert len(rows) == 60 * 90, "the whole picture, and nothing on it"
        tops.append((rows.min(), columns.min()))
        below = sheet[rows.max() + 1 : rows.max() + 25, columns.min() : columns.max()]
        assert below.min() < 100, "dark letters"
    assert tops == sorted(tops)
    assert tops[0][0] == tops[1][0] < tops[2][0]


def test_a_title_that_is_too_long_stays_in_its_cell() -> None:
    sheet = contact_sheet([Cell(np.zeros((20, 90, 3), np.uint8), "name", "a very long title " * 9)] * 2, columns=2)
    between = sheet[:, 90 + 4 : 90 + 6]
    assert between.min() > 200


@pytest.mark.parametrize("count", range(1, 12))
def test_a_sheet_is_neither_a_row_nor_a_column(count: int) -> None:
    sheet = contact_sheet([Cell(np.zeros((60, 80, 3), np.uint8), "name", "")] * count)
    assert count < 3 or 0.5 < sheet.shape[1] / sheet.shape[0] < 4


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["no.png", "-o", "sheet.png"], 3, "no file no.png"),
        (["photo.png", "-o", "sheet.gif"], 2, "cannot write sheet.gif of a picture"),
        (["photo.png", "-o", "photo.png", "-y"], 2, "it is the input itself"),
    ],
)
def test_what_cannot_be_is_told(arguments: list[str], code: int, words: str, tmp_path: Path, nst_live: NstLive) -> None:
    write_photo(tmp_path / "photo.png", Photo(colourful(0, (16, 16))))
    told = nst_live("gallery", *arguments)
    assert told.code == code
    assert words in told.complaint
