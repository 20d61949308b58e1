"""What is written over the picture: there when it is asked for, readable, within the picture, never in the original."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.frames import Pixels
from realtime.screen.hud import Readings, draw_hud
from realtime.session import HUDS, Session
from realtime.sources.scene import Scene
from tests.realtime.stand_ins import press

SESSION = Session(("wave", "wreck"))
BARE = replace(SESSION, hud="off")
READINGS = Readings(fps=29.7, latency_ms=41.2, dropped=0, backend="openvino bf16", caption="The Great Wave, Hokusai")


def grey(width: int, height: int) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def changed(session: Session, readings: Readings = READINGS, size: tuple[int, int] = (640, 480)) -> NDArray[np.bool_]:
    """Returns where a grey picture is written on, H x W."""
    picture = grey(*size)
    drawn: NDArray[np.bool_] = (draw_hud(picture, session, readings) != picture).any(axis=2)
    return drawn


def box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of what is set."""
    rows, columns = np.nonzero(mask)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33), (64, 48), (640, 480)])
def test_every_combination_draws_at_every_size_and_leaves_the_input_as_it_is(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    before = picture.copy()
    for hud, helped, frozen, original in product(HUDS, (False, True), (False, True), (False, True)):
        session = replace(SESSION, hud=hud, help=helped, frozen=frozen, original=original)
        for shown, recorded_s, dropped in ((session, None, 0), (session.with_notice("saved x.png"), 61.5, 12)):
            drawn = draw_hud(picture, shown, replace(READINGS, recorded_s=recorded_s, dropped=dropped))
            assert drawn.shape == picture.shape
            assert drawn.dtype == np.uint8
            np.testing.assert_array_equal(picture, before)


def test_without_anything_to_write_the_picture_is_passed_on_untouched() -> None:
    picture = grey(64, 48)
    assert draw_hud(picture, BARE, READINGS) is picture


def test_text_is_light_on_a_dark_panel_whatever_is_behind_it() -> None:
    for background in (0, 128, 255):
        picture = np.full((480, 640, 3), background, np.uint8)
        drawn = draw_hud(picture, SESSION, READINGS)
        left, top, right, bottom = box(changed(SESSION))
        panel = drawn[top : bottom + 1, left : right + 1].mean(axis=2)
        assert np.percentile(panel, 50) < 80, "the panel is dark"
        assert panel.max() > 200, "the letters are light"
        assert 0.02 < (panel > 150).mean() < 0.5, "there are letters, and room between them"


def test_the_hud_is_in_the_corner_and_leaves_most_of_the_picture_free() -> None:
    left, top, right, bottom = box(changed(SESSION))
    assert (left, top) == (12, 12)
    assert right < 500
    assert bottom < 120


def test_the_picture_shows_through_the_panel() -> None:
    scene = Scene(640, 480).draw(0)
    drawn = draw_hud(scene, SESSION, READINGS)
    inside = np.s_[14:20, 60:200]
    assert np.corrcoef(scene[inside].ravel(), drawn[inside].ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    "other",
    [{"fps": 12.0}, {"latency_ms": 190.0}, {"backend": "pytorch cpu f32"}, {"caption": "Udnie"}, {"dropped": 3}],
)
def test_each_reading_changes_what_is_written(other: dict[str, object]) -> None:
    picture = grey(640, 480)
    one = draw_hud(picture, SESSION, READINGS)
    two = draw_hud(picture, SESSION, replace(READINGS, **other))  # type: ignore[arg-type]
    assert (one != two).any()


def test_the_original_is_called_so_in_place_of_the_style() -> None:
    named = replace(READINGS, caption="original")
    one = draw_hud(grey(640, 480), replace(SESSION, original=True), READINGS)
    np.testing.assert_array_equal(one, draw_hud(grey(640, 480), SESSION, named))


def test_while_it_records_there_is_a_red_dot_with_the_time() -> None:
    def red(recorded_s: float | None) -> int:
        drawn = draw_hud(grey(640, 480), SESSION, replace(READINGS, recorded_s=recorded_s)).astype(int)
        return int(((drawn[..., 0] > 200) & (drawn[..., 1] < 120) & (drawn[..., 2] < 120)).sum())

    assert red(None) == 0
    assert red(3.0) > 50
    one, two = (draw_hud(grey(640, 480), SESSION, replace(READINGS, recorded_s=s)) for s in (59.0, 60.0))
    assert (one != two).any()


def test_a_message_is_at_the_bottom_for_a_while() -> None:
    _, top, _, _ = box(changed(BARE.with_notice("saved wave.png")))
    assert top > 400
    over = replace(BARE, notice="saved wave.png", notice_until_s=time.monotonic() - 1)
    assert not changed(over).any()


def test_a_message_too_long_for_the_picture_is_cut_off_at_its_edge() -> None:
    mask = changed(BARE.with_notice("saved " + "a very long name " * 20), size=(160, 120))
    left, _, right, _ = box(mask)
    assert (left, right) == (0, 159)


@pytest.mark.parametrize("size", [(320, 240), (640, 480), (1280, 720)])
def test_the_help_is_in_the_middle_and_fits_into_the_picture(size: tuple[int, int]) -> None:
    left, top, right, bottom = box(changed(press(BARE, "h"), size=size))
    width, height = size
    assert abs(left + right - width) <= 2
    assert abs(top + bottom - height) <= 2
    assert left > 0
    assert top > 0


def test_the_help_has_a_line_for_each_key() -> None:
    drawn = draw_hud(np.zeros((480, 640, 3), np.uint8), press(BARE, "h"), READINGS)
    written = (drawn.mean(axis=2) > 100).any(axis=1)
    lines = int(np.diff(written.astype(int)).clip(0).sum())
    assert lines >= 10
