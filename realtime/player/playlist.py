"""A show that runs by itself: styles in turn, each for its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_SECONDS = 20.0


class PlaylistError(ValueError):
    """A playlist names a style that is not there, or a time that is none."""


@dataclass(frozen=True)
class Playlist:
    """Places of styles with seconds, played round and round."""

    items: tuple[tuple[int, float], ...]

    def style_at(self, elapsed_s: float) -> int:
        """Returns the place of the style that is on after so many seconds."""
        left_s = elapsed_s % sum(seconds for _, seconds in self.items)
        for style, seconds in self.items:
            if left_s < seconds:
                return style
            left_s -= seconds
        return self.items[-1][0]


def every_style(count: int) -> Playlist:
    """Returns the playlist of all styles, DEFAULT_SECONDS each."""
    return Playlist(tuple((style, DEFAULT_SECONDS) for style in range(count)))


def parse_playlist(text: str, names: Sequence[str]) -> Playlist:
    """Returns the playlist of "wreck:20,wave"; a style without a time gets DEFAULT_SECONDS. Raises PlaylistError."""
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
            raise PlaylistError(f"{part!r} has no time; wanted NAME:SECONDS, as wreck:20")
        items.append((names.index(name), seconds))
    return Playlist(tuple(items))
