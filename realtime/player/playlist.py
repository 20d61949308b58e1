"""A show that runs by itself: styles in turn, each for its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_SECONDS = 20.0


class PlaylistError(ValueError):
    """A playlist names a style that does not exist, or something that is not a time."""


@dataclass(frozen=True)
class Playlist:
    """Indices of styles, each with its seconds; after the last the first is on again."""

    items: tuple[tuple[int, float], ...]

    def style_at(self, elapsed_s: float) -> int:
        """Returns the index of the style that is on after `elapsed_s` seconds."""
        left_s = elapsed_s % sum(seconds for _, seconds in self.items)
        for index, seconds in self.items:
            if left_s < seconds:
                return index
            left_s -= seconds
        return self.items[-1][0]


def every_style(count: int) -> Playlist:
    """Returns the playlist of all styles, DEFAULT_SECONDS each."""
    return Playlist(tuple((index, DEFAULT_SECONDS) for index in range(count)))


def parse_playlist(text: str, names: Sequence[str]) -> Playlist:
    """Returns the playlist that is written e.g. "wreck:20,wave".

    Args:
        text: names of styles, each with its seconds; without a time a style is on for DEFAULT_SECONDS.
        names: all styles, in the order of their indices.

    Raises PlaylistError.
    """
    items = []
    for part in text.split(","):
        name, _, seconds_text = part.strip().partition(":")
        if name not in names:
            raise PlaylistError(f"no style {name!r} for the playlist; there are: {', '.join(names)}")
        try:
            seconds = float(seconds_text) if seconds_text else DEFAULT_SECONDS
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise PlaylistError(f"{part!r} in the playlist has no valid time; expected NAME:SECONDS, e.g. wreck:20")
        items.append((names.index(name), seconds))
    return Playlist(tuple(items))
