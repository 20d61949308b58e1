"""A painting is enlarged with the camera picture's edges; strength and colours lie between camera and painting."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.sources.scene import Scene
from realtime.stylize.compositing import at_strength, enlarged, with_colors_of

PHOTO = Scene(160, 120).draw(0)
SMALL = np.asarray(cv2.resize(PHOTO, (80, 60), interpolation=cv2.INTER_AREA), np.uint8)


def test_a_painting_of_the_right_size_is_passed_on_untouched() -> None:
    assert enlarged(PHOTO, PHOTO, PHOTO) is PHOTO


@pytest.mark.parametrize("size", [(160, 120), (161, 119), (97, 63)])
def test_it_has_the_size_of_the_frame(size: tuple[int, int]) -> None:
    photo = Scene(*size).draw(0)
    large = enlarged(SMALL, SMALL, photo)
    assert large.shape == photo.shape
    assert large.dtype == np.uint8


def test_it_is_nearer_to_the_frame_than_without_the_camera_picture() -> None:
    """The painting here is the picture itself, so that what it should be is known."""
    plain = cv2.resize(SMALL, (160, 120), interpolation=cv2.INTER_CUBIC)
    large = enlarged(SMALL, SMALL, PHOTO)
    assert cv2.PSNR(large, PHOTO) > cv2.PSNR(plain, PHOTO) + 2


def test_where_the_camera_picture_lost_nothing_nothing_is_added() -> None:
    flat = np.full((120, 160, 3), 90, np.uint8)
    painted = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    plain = cv2.resize(painted, (160, 120), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(enlarged(painted, flat[::2, ::2], flat), plain)


def test_bright_and_dark_do_not_wrap_around() -> None:
    rng = np.random.default_rng(0)
    photo = (rng.integers(0, 2, (120, 160, 1)) * np.full(3, 255)).astype(np.uint8)
    small = np.asarray(cv2.resize(photo, (80, 60), interpolation=cv2.INTER_AREA), np.uint8)
    white = enlarged(np.full((60, 80, 3), 255, np.uint8), small, photo)
    assert white.min() > 100


def test_strength_lies_between_camera_and_painting() -> None:
    painted, photo = np.full((2, 2, 3), 200, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    assert at_strength(painted, photo, 1.0) is painted
    assert np.array_equal(at_strength(painted, photo, 0.0), photo)
    assert int(at_strength(painted, photo, 0.25)[0, 0, 0]) == 125


def test_the_cameras_colours_take_only_the_brightness_of_the_painting() -> None:
    photo = np.full((2, 2, 3), (180, 60, 60), np.uint8)
    painted = np.full((2, 2, 3), (120, 120, 120), np.uint8)
    result = with_colors_of(painted, photo).astype(int)[0, 0]
    assert 0.299 * result[0] + 0.587 * result[1] + 0.114 * result[2] == pytest.approx(120, abs=2)
    assert result[0] - result[1] == pytest.approx(120, abs=3)
