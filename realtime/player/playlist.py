"""A show that runs by itself: styles in turn, each for its time."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SECONDS = 20.0


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
