"""The look as a whole: styles fade, colours and strength hold, several frames in flight, and an earlier run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from realtime.backends import Blender
from realtime.frames import Frame, Pixels
from realtime.media.photo import Photo
from realtime.stylize.colors import palette_of
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.stylizer import DEFAULT_LOOK, FrameStylizer, Look
from tests.realtime.stand_ins import shade, shade_backend

DARK, LIGHT = shade("dark", 0), shade("light", 200)
STEADY = Look(steadiness=1.0)


def frame(index: int, pixels: Pixels | None = None) -> Frame:
    """Returns a frame of a file at ten frames a second."""
    if pixels is None:
        pixels = np.full((48, 64, 3), index, np.uint8)
    return Frame(pixels, index, captured_at_s=0.0, time=Fraction(index, 10))


@pytest.fixture
def stylizer() -> Iterator[FrameStylizer]:
    with FrameStylizer(shade_backend()) as entered:
        yield entered


def shades(stylizer: FrameStylizer, styles: Sequence[LoadedStyle], first: int = 0) -> list[int]:
    """Returns the shade of a frame in each style, one frame after the other."""
    painted = []
    for index, style in enumerate(styles, start=first):
        stylizer.start(frame(index), style)
        painted.append(int(stylizer.finish().pixels[0, 0, 0]))
    return painted


def test_a_frame_is_painted_in_the_style_and_frames_come_in_order(stylizer: FrameStylizer) -> None:
    stylizer.start(frame(7), DARK)
    stylizer.start(frame(8), LIGHT)
    assert (stylizer.in_flight, stylizer.depth) == (2, 2)
    painted = list(stylizer.drain())
    assert [(each.frame.index, int(each.pixels[0, 0, 0])) for each in painted] == [(7, 0), (8, 200)]
    assert stylizer.in_flight == 0


def test_a_change_of_style_is_a_fade_by_the_time_of_the_frames() -> None:
    with FrameStylizer(shade_backend(), fade_s=1.0) as stylizer:
        walk = shades(stylizer, [DARK] * 3 + [LIGHT] * 12)
    assert walk[:3] == [0, 0, 0]
    assert walk[3:] == sorted(walk[3:])
    assert [value for value in walk if 0 < value < 200] == walk[3:12]
    assert walk[12:] == [200, 200, 200]


def test_strength_and_colours_hold_from_the_next_frame_that_is_finished(stylizer: FrameStylizer) -> None:
    for index in range(2):
        stylizer.start(frame(100 + index), LIGHT)
    stylizer.look = Look(strength=0.5)
    assert int(stylizer.finish().pixels[0, 0, 0]) == 150
    stylizer.look = Look(keep_colors=True)
    assert int(stylizer.finish().pixels[0, 0, 0]) == 200
    red = palette_of(Photo(np.full((8, 8, 3), (200, 0, 0), np.uint8)), "red.png")
    stylizer.start(frame(100), LIGHT)
    stylizer.look = Look(palette=red)
    level = stylizer.finish().pixels[0, 0].astype(int)
    assert level[0] > level[1] + 100


def test_the_original_passes_as_it_is_in_its_turn(stylizer: FrameStylizer) -> None:
    stylizer.start(frame(1), LIGHT)
    stylizer.look = Look(original=True, strength=0.5)
    original = frame(2)
    stylizer.start(original, LIGHT)
    stylizer.look = Look(strength=0.5)
    first, second = stylizer.drain()
    assert int(first.pixels[0, 0, 0]) == 100
    assert second.pixels is original.pixels


def test_mirroring_swaps_the_frame_and_the_painting(stylizer: FrameStylizer) -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = 255
    stylizer.look = Look(original=True, mirrored=True)
    stylizer.start(frame(0, pixels), LIGHT)
    painted = stylizer.finish()
    np.testing.assert_array_equal(painted.pixels, pixels[:, ::-1])
    np.testing.assert_array_equal(painted.frame.pixels, pixels[:, ::-1])


def test_frames_that_are_withdrawn_can_be_started_again_in_another_look(stylizer: FrameStylizer) -> None:
    stylizer.look = Look(mirrored=True)
    given = [frame(1), frame(2)]
    for each in given:
        stylizer.start(each, DARK)
    withdrawn = stylizer.withdraw()
    assert all(one is other for one, other in zip(withdrawn, given, strict=True)), "as given, not mirrored"
    assert stylizer.in_flight == 0
    for each in withdrawn:
        stylizer.start(each, LIGHT)
    assert [int(each.pixels[0, 0, 0]) for each in stylizer.drain()] == [200, 200]


def test_the_next_frame_is_started_while_the_oldest_is_composed(stylizer: FrameStylizer) -> None:
    stylizer.start(frame(0), DARK)
    counts = []

    def start_next() -> None:
        stylizer.start(frame(1), LIGHT)
        counts.append(stylizer.in_flight)

    assert int(stylizer.finish(start_next).pixels[0, 0, 0]) == 0
    assert counts == [1]
    assert int(stylizer.finish().pixels[0, 0, 0]) == 200


def scene() -> list[Pixels]:
    """Returns one picture with fresh noise in each copy."""
    rng = np.random.default_rng(0)
    still = cv2.resize(rng.uniform(0, 255, (12, 16, 3)).astype(np.float32), (160, 120), interpolation=cv2.INTER_CUBIC)
    return [np.clip(still + 3 * rng.standard_normal(still.shape), 0, 255).astype(np.uint8) for _ in range(12)]


class Echo:
    """A painter that returns the frame as it is."""

    depth, description = 2, "echo"
    blender: Blender | None = None

    def __init__(self) -> None:
        self._started: list[Pixels] = []

    def start(self, frame: Pixels, style: object) -> None:
        self._started.append(frame)

    def finish(self) -> Pixels:
        return self._started.pop(0)

    def close(self) -> None: ...


def echoed(look: Look, pictures: Sequence[Pixels], skipped: int = 0, kept: Pixels | None = None) -> list[Pixels]:
    """Returns the pictures behind the skipped ones as they come out of a net that changes nothing."""
    results = []
    with FrameStylizer(replace(shade_backend(), open=lambda _net, _width, _height: Echo()), look) as stylizer:
        for index, pixels in enumerate(pictures):
            if index < skipped:
                stylizer.skip(frame(index, pixels), DARK, kept=kept if index == skipped - 1 else None)
                assert stylizer.finish().pixels is pixels
            else:
                stylizer.start(frame(index, pixels), DARK)
                results.append(stylizer.finish().pixels)
    return results


def test_flicker_is_held_only_if_the_look_says_so() -> None:
    pictures = scene()

    def flicker(results: Sequence[Pixels]) -> float:
        return float(np.std(np.asarray(results, np.float32)[4:], axis=0).mean())

    plain, steady = echoed(DEFAULT_LOOK, pictures), echoed(STEADY, pictures)
    assert all(np.array_equal(one, other) for one, other in zip(plain, pictures, strict=True))
    assert flicker(steady) < 0.7 * flicker(plain)


def test_a_run_that_goes_on_paints_what_one_without_a_break_paints() -> None:
    pictures, at = scene(), 5
    with FrameStylizer(replace(shade_backend(), open=lambda _net, _width, _height: Echo()), STEADY) as stylizer:
        for index in range(at):
            stylizer.start(frame(index, pictures[index]), DARK)
            stylizer.finish()
        kept = stylizer.kept
    assert kept is not None
    whole, rest = echoed(STEADY, pictures), echoed(STEADY, pictures, skipped=at, kept=kept)
    for one, other in zip(whole[at:], rest, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (echoed(STEADY, pictures, skipped=at)[0] != whole[at]).any(), "without what was kept it is another painting"
