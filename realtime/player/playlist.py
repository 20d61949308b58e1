"""A show that runs by itself: styles in turn, each for its time."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SECONDS = 20.0
_NEARLY = 0.9


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


class Turns:
    """Whose turn it is if styles change on beats: each is on for its seconds, and until the next beat after them.

    Args:
        playlist: the order and the seconds.
        at_s: when the first style is on, in seconds.
    """

    def __init__(self, playlist: Playlist, at_s: float) -> None:
        self._items, self._turn, self._since_s = playlist.items, 0, at_s

    def style_at(self, at_s: float, on_beat: bool) -> int:
        """Returns the index of the style that is on at a moment, given whether that is a beat."""
        # a beat that comes a little early is not waited out
        if on_beat and at_s - self._since_s >= _NEARLY * self._items[self._turn][1]:
            self._turn, self._since_s = (self._turn + 1) % len(self._items), at_s
        return self._items[self._turn][0]


def every_style(count: int) -> Playlist:
    """Returns the playlist of all styles, DEFAULT_SECONDS each."""
    return Playlist(tuple((index, DEFAULT_SECONDS) for index in range(count)))
