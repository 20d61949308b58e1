"""The bundled scene has something to paint at every size, moves, and repeats without a seam."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.frames import Pixels
from realtime.sources.scene import LOOP_FRAMES, Scene

SIZES = [(16, 16), (17, 16), (16, 61), (64, 48), (333, 77), (640, 480)]


def difference(one: Pixels, other: Pixels) -> float:
    """Returns the mean difference of two frames, 0 to 255."""
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def steps_between_columns(picture: Pixels) -> NDArray[np.float64]:
    """Returns the mean difference of each column and the one to its right."""
    steps: NDArray[np.float64] = np.abs(np.diff(picture.astype(int), axis=1)).mean(axis=(0, 2))
    return steps


@pytest.mark.parametrize("size", SIZES)
def test_a_scene_can_be_drawn_in_any_size_from_16_pixels(size: tuple[int, int]) -> None:
    scene = Scene(*size)
    for index in range(0, LOOP_FRAMES, 37):
        picture = scene.draw(index)
        assert picture.shape == (size[1], size[0], 3)
        assert picture.dtype == np.uint8


def test_two_scenes_are_the_same_to_the_last_pixel() -> None:
    one, other = Scene(64, 48), Scene(64, 48)
    for index in (0, 1, 299):
        np.testing.assert_array_equal(one.draw(index), other.draw(index))


def test_a_frame_does_not_depend_on_those_drawn_before() -> None:
    scene = Scene(64, 48)
    first = scene.draw(7).copy()
    for index in range(20):
        scene.draw(index)
    np.testing.assert_array_equal(scene.draw(7), first)


def test_a_drawn_frame_is_never_drawn_over() -> None:
    scene = Scene(64, 48)
    kept = scene.draw(0)
    copy = kept.copy()
    scene.draw(100)
    np.testing.assert_array_equal(kept, copy)


def test_the_scene_repeats_as_smoothly_as_it_moves() -> None:
    scene = Scene(96, 72)
    np.testing.assert_array_equal(scene.draw(0), scene.draw(LOOP_FRAMES))
    usual = [difference(scene.draw(index), scene.draw(index + 1)) for index in range(0, LOOP_FRAMES - 1, 23)]
    assert difference(scene.draw(LOOP_FRAMES - 1), scene.draw(LOOP_FRAMES)) <= max(usual)


@pytest.mark.parametrize("size", [(16, 16), (160, 120)])
def test_everything_moves_all_the_time(size: tuple[int, int]) -> None:
    scene = Scene(*size)
    pictures = [scene.draw(index) for index in range(0, LOOP_FRAMES, 20)]
    assert min(difference(one, other) for one, other in pairwise(pictures)) > 2
    # sky, hills and sea alike, not only a part of the frame
    changed = np.mean([one != other for one, other in pairwise(pictures)], axis=(0, 2, 3))
    assert changed.min() > 0.2


def test_the_scene_has_colours_light_and_texture() -> None:
    picture = Scene(160, 120).draw(50)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 2000
    assert picture.min() < 40
    assert picture.max() > 220
    # blocks of 8 x 8 without any texture would give a style nothing to hold on to
    blocks = picture[:120, :160].mean(axis=2).reshape(15, 8, 20, 8).std(axis=(1, 3))
    assert (blocks > 1).mean() > 0.9


@pytest.mark.parametrize("rows", [slice(0, 30), slice(110, 120)], ids=["sky", "sea"])
def test_there_is_no_seam_where_a_layer_wraps_around(rows: slice) -> None:
    # these rows are above and below the boat, and over a loop every column of their strips passes
    scene = Scene(160, 120)
    steps = [steps_between_columns(scene.draw(index)[rows]) for index in range(0, LOOP_FRAMES, 10)]
    # a seam would be one column that stands out in the frames that have it
    assert max(np.sort(step)[-1] / np.sort(step)[-9] for step in steps) < 1.6
