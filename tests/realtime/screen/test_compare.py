"""The compare view: the camera picture is where it should be, the painting elsewhere, neither is changed."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.screen.compare import compared
from realtime.session import VIEWS, Session, move_split
from tests.realtime.stand_ins import press

PHOTO, PAINTED = np.full((48, 64, 3), 10, np.uint8), np.full((48, 64, 3), 200, np.uint8)


def test_without_a_comparison_the_painting_is_passed_on_untouched() -> None:
    assert compared("painting", 0.5, PHOTO, PAINTED) is PAINTED


def test_side_by_side_both_are_whole() -> None:
    both = compared("side by side", 0.5, PHOTO, PAINTED)
    assert both.shape == (96, 128, 3), "the shape of the window stays"
    np.testing.assert_array_equal(both[24:72, :64], PHOTO)
    np.testing.assert_array_equal(both[24:72, 64:], PAINTED)
    assert not both[:24].any()
    assert not both[72:].any()


def test_side_by_side_large_pictures_are_halved() -> None:
    photo, painted = (np.full((720, 1280, 3), shade, np.uint8) for shade in (10, 200))
    both = compared("side by side", 0.5, photo, painted)
    assert both.shape == (720, 1280, 3)
    assert (both[180:540, :640] == 10).all()
    assert (both[180:540, 640:] == 200).all()


@pytest.mark.parametrize("split", [0.0, 0.25, 0.5, 1.0])
def test_split_shows_the_camera_left_of_a_line_and_the_painting_right_of_it(split: float) -> None:
    both = compared("split", split, PHOTO, PAINTED)
    column = round(64 * split)
    line = (both == 255).all(axis=(0, 2))
    assert line.sum() == 1
    assert abs(int(np.flatnonzero(line)[0]) - column) <= 1
    assert (both[:, :column][:, ~line[:column]] == 10).all()
    assert (both[:, column:][:, ~line[column:]] == 200).all()
    assert (PAINTED == 200).all()


def test_the_key_goes_through_all_views_and_back() -> None:
    session = Session(("wave",))
    seen = []
    for _ in VIEWS:
        session = press(session, "v")
        seen.append(session.view)
    assert seen == [*VIEWS[1:], VIEWS[0]]


def test_the_mouse_moves_the_line_only_where_there_is_one() -> None:
    split = press(press(Session(("wave",)), "v"), "v")
    assert move_split(0.3)(split).split == 0.3
    assert move_split(7.0)(split).split == 1.0
    plain = Session(("wave",))
    assert move_split(0.3)(plain) is plain
