"""ReadOptions photographs: what is skipped, what is refused, what a batch is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from styles.training.pictures import (
    MAX_ZOOM,
    PictureError,
    centre_crop,
    load_photos,
    picture_paths,
    read_picture,
    resize_short_side,
    to_picture,
    to_tensor,
    write_picture,
)
from tests.styles.conftest import textured


def test_a_picture_survives_a_file_with_its_colours(tmp_path: Path) -> None:
    picture = textured(9, 7, seed=0)
    write_picture(tmp_path / "pïcture.png", picture)
    assert np.array_equal(read_picture(tmp_path / "pïcture.png"), picture)


def test_a_picture_survives_a_tensor() -> None:
    picture = textured(9, 7, seed=0)
    assert np.array_equal(to_picture(to_tensor(picture)), picture)


def test_something_else_than_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(PictureError, match=r"a\.jpg is not a picture that OpenCV can read"):
        read_picture(tmp_path / "a.jpg")
    with pytest.raises(PictureError, match=r"no picture at .*b\.jpg"):
        read_picture(tmp_path / "b.jpg")


def test_an_unknown_format_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"\.xyz is not a picture format"):
        write_picture(tmp_path / "a.xyz", textured(8, 8, seed=0))


@pytest.mark.parametrize(("height", "width"), [(30, 50), (50, 30), (7, 7)])
def test_short_side_and_centre(height: int, width: int) -> None:
    resized = resize_short_side(textured(height, width, seed=0), 20)
    assert min(resized.shape[:2]) == 20
    assert max(resized.shape[:2]) == round(20 * max(height, width) / min(height, width))
    assert centre_crop(resized, 20).shape == (20, 20, 3)


def test_photographs_too_small_or_broken_are_skipped_with_the_reason(photos_folder: Path) -> None:
    photos = load_photos([photos_folder], crop=32)
    assert len(photos.photos) == 4
    assert all(min(photo.shape[1:]) == photos.short_side == 40 for photo in photos.photos)
    broken, tiny = sorted(photos.skipped)
    assert "broken.jpg is not a picture" in broken
    assert "tiny.png is 20 x 20, smaller than the crop of 32" in tiny


def test_of_too_many_photographs_an_even_choice_is_kept(tmp_path: Path) -> None:
    for shade in range(10):
        write_picture(tmp_path / f"{shade}.png", np.full((16, 16, 3), 10 * shade, np.uint8))
    photos = load_photos([tmp_path], crop=16, most=5)
    assert [int(photo[0, 0, 0]) for photo in photos.photos] == [0, 20, 40, 60, 80]


def test_folders_without_a_usable_photograph_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no folder of photographs at"):
        picture_paths([tmp_path / "none"])
    with pytest.raises(PictureError, match=r"no photographs in .*; expected files ending in"):
        picture_paths([tmp_path])
    write_picture(tmp_path / "small.png", textured(8, 8, seed=0))
    with pytest.raises(PictureError, match=r"no usable photograph in .*smaller than the crop of 64"):
        load_photos([tmp_path], crop=64)


def test_a_batch_is_of_different_photographs_and_follows_from_the_random_state(photos_folder: Path) -> None:
    photos = load_photos([photos_folder], crop=32)
    batches = [photos.batch(3, 32, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    (one, zooms), (again, _), (other, _) = batches
    assert one.shape == (3, 3, 32, 32)
    assert one.min() >= 0
    assert one.max() <= 1
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])
    assert ((zooms >= 1) & (zooms <= MAX_ZOOM)).all()


def test_photographs_are_seen_from_whole_to_near_and_some_overexposed(tmp_path: Path) -> None:
    grey = np.full((80, 80, 3), 120, dtype=np.uint8)
    for name in "abcdefgh":
        write_picture(tmp_path / f"{name}.png", grey)
    photos = load_photos([tmp_path], crop=64)
    batches = [photos.batch(8, 64, np.random.default_rng(seed)) for seed in range(60)]
    zooms = np.concatenate([zooms for _, zooms in batches])
    assert 0.04 < (zooms == 1).mean() < 0.13
    # as likely between 1 and the square root of the nearest as between that and the nearest
    assert (zooms > MAX_ZOOM**0.5).mean() == pytest.approx(0.46, abs=0.08)
    assert 1.9 < zooms.max() <= MAX_ZOOM
    levels = torch.cat([images for images, _ in batches]).mean(dim=(1, 2, 3)).numpy() * 255
    brighter = levels > 121
    assert 0.07 < brighter.mean() < 0.18
    assert levels[~brighter] == pytest.approx(120, abs=0.5)
    assert 200 < levels.max() <= 240
