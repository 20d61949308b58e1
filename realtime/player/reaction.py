"""How a show follows its sound: the painting swells with the loudness and is lifted by each beat.

What flashes can harm people with photosensitive epilepsy, so there are never more than three flashes a second (WCAG
2.3.1; a flash is a pair of opposing changes of a tenth of the range or more): beats that come faster are left out, and
between beats nothing changes fast.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from realtime.audio.hearing import Hearing

# A little more than a third of a second, so that no second has a fourth flash.
_FLASH_EVERY_S = 0.35
# Up and down again in a third of a second it changes by no more than a tenth, which is no flash.
_MOST_CHANGE_A_S = 0.6
# How long a beat is seen, and how strong the painting is while nothing but loud sound is heard.
_PULSE_S, _BETWEEN_BEATS = 0.15, 0.6
# What is left of a beat below this is not worth a mix of its own.
_FADED = 0.08
# A clock that goes back by more is that of another source.
_ANOTHER_CLOCK_S = 1.0
# A beat that was heard so much too late is passed over.
_LATE_S = 0.05
_KEPT_SWELLS = 32


class FlashLimit:
    """Sees to it that there are no more than three flashes in any second."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def allows(self, at_s: float) -> bool:
        """Returns whether a strong change may happen at that moment, in seconds; if so, it counts as one."""
        if 0 <= at_s - self._last_s < _FLASH_EVERY_S:
            return False
        self._last_s = at_s
        return True


@dataclass(frozen=True)
class Swell:
    """What the sound does to a frame.

    Args:
        strength: a share of the strength, 0..1.
        lift: how much of a beat is seen, 0..1, times the amount.
        beats: how many beats there were until now.
        on_beat: whether a beat falls on this frame; None if nothing is listened to.
    """

    strength: float = 1.0
    lift: float = 0.0
    beats: int = 0
    on_beat: bool | None = None


_UNMOVED = Swell()


class Reaction:
    """Turns what is heard into what is seen, frame by frame.

    Args:
        listen: begins to listen from a moment of the frames' clock on, in seconds; returns None if there is no sound.
        interval_s: from frame to frame, in seconds.

    `deaf`: whether there is no sound to follow.
    """

    def __init__(self, listen: Callable[[float], Hearing | None], interval_s: float) -> None:
        self.deaf = False
        self._listen, self._interval_s = listen, interval_s
        self._hearing: Hearing | None = None
        self._limit = FlashLimit()
        self._swells: deque[tuple[float, Swell]] = deque(maxlen=_KEPT_SWELLS)
        self._level, self._beats, self._beat_s = 0.0, 0, -math.inf

    def at(self, at_s: float, amount: float) -> Swell:
        """Returns what the sound does to the frame of a moment.

        Args:
            at_s: of the frames' clock, in seconds. A moment that was asked for before is answered as before.
            amount: how much it does, 0..1; for 0 nothing is listened to.
        """
        if not amount:
            self.close()
            self.deaf = False  # the next source may have sound
            return _UNMOVED
        if self._swells and at_s < self._swells[-1][0] - _ANOTHER_CLOCK_S:
            self.close()
        if self._hearing is None and not self.deaf:
            self._hearing = self._listen(at_s)
            self.deaf = self._hearing is None
        if self._hearing is None:
            return _UNMOVED
        if self._swells and at_s <= self._swells[-1][0]:
            return next((swell for known_s, swell in self._swells if known_s == at_s), self._swells[-1][1])
        swell = self._next(self._hearing, at_s, amount)
        self._swells.append((at_s, swell))
        return swell

    def close(self) -> None:
        """Listens no more."""
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            hearing.close()
            self._swells.clear()
            self._level, self._beat_s = 0.0, -math.inf

    def _next(self, hearing: Hearing, at_s: float, amount: float) -> Swell:
        # a beat belongs to the frame that is nearest
        heard = hearing.at(at_s, at_s + self._interval_s / 2)
        due = any(beat_s >= at_s - max(_LATE_S, self._interval_s / 2) for beat_s in heard.beats)
        on_beat = due and self._limit.allows(at_s)
        if on_beat:
            self._beats, self._beat_s = self._beats + 1, at_s
        self._level = heard.level if not self._swells else self._followed(heard.level, at_s - self._swells[-1][0])
        pulse = math.exp(-(at_s - self._beat_s) / _PULSE_S)
        drive = max(_BETWEEN_BEATS * self._level, pulse)
        lift = amount * pulse if pulse > _FADED else 0.0
        return Swell(1 - amount * (1 - drive), lift, self._beats, on_beat)

    def _followed(self, level: float, passed_s: float) -> float:
        """Returns the level that is seen: on its way to the one that is heard, no faster than is safe."""
        most = _MOST_CHANGE_A_S * max(0.0, passed_s)
        return self._level + min(most, max(-most, level - self._level))
