"""A playlist shows styles in turn, each for its time, round and round."""

from __future__ import annotations

import pytest

from realtime.player.playlist import DEFAULT_SECONDS, PlaylistError, every_style, parse_playlist

NAMES = ("wave", "wreck")


def test_each_style_is_on_for_its_time_and_then_it_begins_again() -> None:
    playlist = parse_playlist("wreck:20, wave:5", NAMES)
    assert [playlist.style_at(seconds) for seconds in (0, 19.9, 20, 24.9, 25, 46)] == [1, 1, 0, 0, 1, 0]


def test_a_style_without_a_time_gets_the_usual_one() -> None:
    assert parse_playlist("wave", NAMES).items == ((0, DEFAULT_SECONDS),)
    assert every_style(2).items == ((0, DEFAULT_SECONDS), (1, DEFAULT_SECONDS))


@pytest.mark.parametrize("text", ["wave:0", "wave:-1", "wave:soon", "wave:inf"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PlaylistError, match="expected NAME:SECONDS"):
        parse_playlist(text, NAMES)


def test_an_unknown_style_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(PlaylistError, match="no style 'wavy' for the playlist; there are: wave, wreck"):
        parse_playlist("wavy:3", NAMES)
