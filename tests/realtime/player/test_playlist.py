"""A playlist shows styles in turn, each for its time, round and round."""

from __future__ import annotations

from realtime.player.playlist import DEFAULT_SECONDS, Playlist, every_style


def test_each_style_is_on_for_its_time_and_then_it_begins_again() -> None:
    playlist = Playlist(((1, 20), (0, 5)))
    assert [playlist.style_at(seconds) for seconds in (0, 19.9, 20, 24.9, 25, 46)] == [1, 1, 0, 0, 1, 0]


def test_all_styles_in_turn_are_on_for_the_usual_time() -> None:
    assert every_style(2).items == ((0, DEFAULT_SECONDS), (1, DEFAULT_SECONDS))
