"""Squares of many pictures: read once, left out by name or content, and the same for the same files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from styles.training.base.squares import load_squares, read_names, select_pictures
from styles.training.pictures import PictureError, centre_crop, read_picture, resize_short_side
from tests.styles.conftest import textured


@pytest.fixture
def folder(photos_folder: Path, tmp_path: Path) -> Path:
    """Four pictures that can be used, a broken one and one that is too small."""
    return Path(shutil.copytree(photos_folder, tmp_path / "photos"))


def test_squares_are_the_middles_of_the_pictures_that_can_be_used(folder: Path, tmp_path: Path) -> None:
    paths = select_pictures([folder])
    squares = load_squares(paths, [folder], 48, tmp_path / "cache" / "photos")
    assert squares.pixels.shape == (4, 3, 48, 48)
    expected = centre_crop(resize_short_side(read_picture(folder / "2.png"), 48), 48)
    np.testing.assert_array_equal(squares.picture(2), expected)
    assert [line.split(" ", 1)[1] for line in sorted(squares.skipped)] == [
        "is not a picture that OpenCV can read; expected JPEG, PNG, WebP, BMP or TIFF",
        "is 20 x 20; expected 28 pixels a side and more (see --crop)",
    ]


def test_pictures_are_read_once(folder: Path, tmp_path: Path) -> None:
    paths = select_pictures([folder])
    first = load_squares(paths, [folder], 48, tmp_path / "photos")
    read: list[int] = []
    again = load_squares(paths, [folder], 48, tmp_path / "photos", lambda done, *_: read.append(done))
    assert not read
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert (again.fingerprint, again.skipped) == (first.fingerprint, first.skipped)
    other = load_squares(paths[1:], [folder], 48, tmp_path / "photos", lambda done, *_: read.append(done))
    assert read
    assert other.fingerprint != first.fingerprint
    assert len(other) == len(first) - 1


def test_a_change_of_a_square_in_memory_stays_there(folder: Path, tmp_path: Path) -> None:
    paths = select_pictures([folder])
    load_squares(paths, [folder], 48, tmp_path / "photos").pixels[:] = 0
    assert load_squares(paths, [folder], 48, tmp_path / "photos").pixels.any()


def test_pictures_are_left_out_by_name_and_by_content(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "held_out.txt").write_text("1.png\n\n3.jpg\n")
    shutil.copy(folder / "2.png", folder / "copy of another.png")
    names = read_names(tmp_path / "held_out.txt")
    assert names == {"1", "3"}
    left = {path.name for path in select_pictures([folder], names, [folder / "2.png"])}
    assert left == {"0.png", "broken.jpg", "tiny.png"}
    with pytest.raises(PictureError, match=r"no picture is left in .*photos without those that are left out"):
        select_pictures([folder], {path.stem for path in folder.iterdir()})


def test_what_cannot_be_used_is_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("[0-9].png"):
        path.unlink()
    with pytest.raises(PictureError, match=r"no usable picture in .*: .*broken\.jpg is not a picture"):
        load_squares(select_pictures([folder]), [folder], 48, tmp_path / "photos")
    with pytest.raises(PictureError, match=r"none\.txt cannot be read: No such file"):
        read_names(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(PictureError, match=r"empty\.txt names no picture; expected"):
        read_names(tmp_path / "empty.txt")
    (tmp_path / "picture.txt").write_bytes(textured(8, 8, 0).tobytes())
    with pytest.raises(PictureError, match=r"picture\.txt cannot be read"):
        read_names(tmp_path / "picture.txt")
