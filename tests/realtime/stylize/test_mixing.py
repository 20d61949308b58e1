"""Styles are vectors: a change of style is a walk, a mix is a mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from realtime.backends import Net
from realtime.frames import Pixels
from realtime.stylize.loaded_style import LazyVector, LoadedStyle
from realtime.stylize.mixing import Fader, MixError, weighted_mix
from tests.realtime.stand_ins import SHADE_NET, shade

OTHER_NET = Net("other", Path("other.onnx"), None, style_size=1, size_multiple=1)
SHADE_PICTURE = np.zeros((2, 2, 3), np.uint8)
BAKED = LoadedStyle("baked", "Baked", "", OTHER_NET, None)


def shade_of(style: LoadedStyle) -> float:
    assert style.vector is not None
    return float(style.vector[0])


def test_a_switch_walks_from_one_style_to_the_next_and_ends_exactly_there() -> None:
    fader, dark, light = Fader(2.0), shade("dark", 0), shade("light", 100)
    fader.towards(dark, 10.0)
    walk = [shade_of(fader.towards(light, 10.0 + seconds)) for seconds in (0.0, 0.5, 1.0, 1.5)]
    assert walk[0] == 0
    assert walk == sorted(walk)
    assert walk[2] == pytest.approx(50)
    assert fader.towards(light, 12.0) is light


def test_the_first_frame_after_a_switch_differs_already_and_a_pause_makes_no_leap() -> None:
    for pause_s in (0.04, 20.0):
        fader, dark, light = Fader(0.5), shade("dark", 0), shade("light", 100)
        fader.towards(dark, 1.0)
        assert 0 < shade_of(fader.towards(light, 1.0 + pause_s)) < 20


def test_a_switch_in_the_middle_of_a_walk_begins_where_the_walk_is() -> None:
    fader, dark, light = Fader(2.0), shade("dark", 0), shade("light", 100)
    fader.towards(dark, 0.0)
    fader.towards(light, 0.0)
    half_way = shade_of(fader.towards(light, 1.0))
    assert shade_of(fader.towards(dark, 1.0)) == pytest.approx(half_way)


def test_on_the_way_to_what_was_refined_of_a_style_all_is_of_one_lineage() -> None:
    def picture() -> Pixels:
        return SHADE_PICTURE

    first = replace(shade("postcard", 0), picture=picture)
    better, other = (
        replace(first, source=np.array([100], np.float32)),
        replace(shade("b", 9), picture=lambda: SHADE_PICTURE),
    )
    for target, stays in ((better, True), (other, False)):
        fader = Fader(2.0)
        assert fader.towards(first, 10.0).lineage is first.lineage
        between = fader.towards(target, 11.0)
        assert (between.lineage is first.lineage, between.lineage is target.lineage) == (stays, stays)
        assert fader.towards(target, 13.0).lineage is target.lineage


def test_without_a_duration_a_switch_is_a_cut() -> None:
    fader, light = Fader(0.0), shade("light", 100)
    fader.towards(shade("dark", 0), 0.0)
    assert fader.towards(light, 0.0) is light


def test_between_two_nets_the_old_painting_shows_through_ever_less() -> None:
    fader, dark = Fader(2.0), shade("dark", 0)
    fader.towards(dark, 0.0)
    left = []
    for at_s in (0.1, 1.0, 1.5):
        assert fader.towards(BAKED, at_s) is BAKED
        assert fader.under is not None
        assert fader.under[0] is dark
        left.append(fader.under[1])
    assert left == sorted(left, reverse=True)
    assert left[1] == pytest.approx(0.5)
    assert fader.towards(BAKED, 2.0) is BAKED
    assert fader.under is None


def test_between_two_nets_without_a_duration_a_switch_is_a_cut() -> None:
    fader = Fader(0.0)
    fader.towards(shade("dark", 0), 0.0)
    assert fader.towards(BAKED, 0.1) is BAKED
    assert fader.under is None


def test_a_mix_is_the_weighted_mean_and_says_what_it_is_of() -> None:
    mix = weighted_mix([(shade("dark", 0), 3), (shade("light", 100), 1)])
    assert shade_of(mix) == pytest.approx(25)
    assert mix.name == "dark 75 % + light 25 %"


def test_a_mix_with_a_picture_looks_at_it_when_it_is_painted_with() -> None:
    picture = LoadedStyle("a", "a", "", SHADE_NET, LazyVector(lambda: np.array([40], np.float32)))
    mix = weighted_mix([(shade("light", 100), 1.0), (picture, 1.0)])
    assert not mix.is_ready
    assert not picture.is_ready
    assert shade_of(mix) == pytest.approx(70)
    assert picture.is_ready
    assert weighted_mix([(shade("light", 100), 1.0), (picture, 1.0)]).is_ready


def test_a_style_with_a_net_of_its_own_cannot_be_mixed() -> None:
    with pytest.raises(MixError, match="different nets"):
        weighted_mix([(shade("dark", 0), 1), (BAKED, 1)])
    with pytest.raises(MixError, match="has a net of its own"):
        weighted_mix([(BAKED, 1), (shade("dark", 0), 1)])
