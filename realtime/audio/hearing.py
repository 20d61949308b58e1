"""What is heard at the time of a frame: how loud it is, and whether a beat falls there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np

from realtime.audio.beats import BeatTracker
from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioFeed, FileAudio
from realtime.frames import ClipRange

# Loudness is that of the last second or so, so that single beats do not show in it.
_LOUDNESS_S = 1.0
_SILENT_DB = -55.0
# The loudest of the last while is 1; so much less is 0. It is forgotten at this rate.
_RANGE_DB, _FORGOTTEN_DB_S = 20.0, 0.5
# The sound of a file is known before its frames. When it is first listened to, so much before them is heard too.
_AHEAD_S, _BEFORE_S = 0.3, 6.0


class Sound(Protocol):
    """Sound that is read beside frames."""

    def read_until(self, at_s: float) -> Iterable[AudioChunk]:
        """Yields the chunks that begin until a moment of the frames' clock, each once."""

    def close(self) -> None:
        """Gives back what it holds."""


class FeedSound:
    """Live sound: of a microphone, of a stream, of a file that is played like a camera.

    Args:
        feed: also listened to while it is muted.
    """

    def __init__(self, feed: AudioFeed) -> None:
        self._feed = feed
        self._queue = feed.subscribe(while_muted=True)

    def read_until(self, at_s: float) -> Sequence[AudioChunk]:
        return self._queue.take_until(at_s)

    def close(self) -> None:
        self._feed.unsubscribe(self._queue)


class ClipSound:
    """The sound of a file whose frames are painted as they come; their clock is that of the file.

    Args:
        clip: the part of the file.
        from_s: where to begin, in seconds of the clip.
        begins_s: returns the time of the frames' clock at which the clip begins: a loop moves it on.
    """

    def __init__(self, clip: ClipRange, from_s: float, begins_s: Callable[[], Fraction]) -> None:
        self._clip, self._begins_s = clip, begins_s
        self._round_s = begins_s()
        self._skipped_s = max(Fraction(0), Fraction(from_s) - self._round_s - Fraction(_BEFORE_S))
        self._audio = FileAudio(replace(clip, begins_s=clip.begins_s + self._skipped_s))
        self.available = self._audio.available

    def read_until(self, at_s: float) -> Iterable[AudioChunk]:
        if (begins_s := self._begins_s()) != self._round_s:
            self._audio.close()
            self._round_s, self._skipped_s, self._audio = begins_s, Fraction(0), FileAudio(self._clip)
        offset_s = float(self._round_s + self._skipped_s)
        for chunk in self._audio.read_until(at_s + _AHEAD_S - offset_s):
            yield replace(chunk, at_s=chunk.at_s + offset_s)

    def close(self) -> None:
        self._audio.close()


class Loudness:
    """How loud it is beside the loudest of the last while: `level` in 0..1, 0 for silence."""

    def __init__(self) -> None:
        self.level = 0.0
        self._power = 0.0
        self._heard_s = 0.0
        self._loudest_db = _SILENT_DB

    def hear(self, chunk: AudioChunk) -> None:
        """Takes in sound."""
        seconds = chunk.samples.shape[1] / SAMPLE_RATE
        if not seconds:
            return
        self._heard_s += seconds
        # at the beginning the mean of what there is
        share = min(1.0, seconds / min(self._heard_s, _LOUDNESS_S))
        self._power += share * (float(np.mean(np.square(chunk.samples))) - self._power)
        loudness_db = 10 * math.log10(self._power + 1e-12)
        self._loudest_db = max(loudness_db, self._loudest_db - _FORGOTTEN_DB_S * seconds, _SILENT_DB)
        level = 1 + (loudness_db - self._loudest_db) / _RANGE_DB
        self.level = min(1.0, max(0.0, level)) if loudness_db > _SILENT_DB else 0.0


@dataclass(frozen=True)
class Heard:
    """What is heard at the time of a frame.

    Args:
        level: the loudness, 0..1.
        beats: the times of the beats since the last frame, in seconds.
    """

    level: float
    beats: Sequence[float]


class Hearing:
    """Listens to sound beside frames.

    Args:
        sound: closed by `close`.
    """

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._loudness, self._tracker = Loudness(), BeatTracker()

    def at(self, at_s: float, until_s: float) -> Heard:
        """Returns what is heard at a moment.

        Args:
            at_s: of the frames' clock, later than before.
            until_s: up to where beats belong to it.
        """
        for chunk in self._sound.read_until(at_s):
            self._loudness.hear(chunk)
            self._tracker.hear(chunk)
        return Heard(self._loudness.level, self._tracker.beats_until(until_s))

    def close(self) -> None:
        """Closes the sound."""
        self._sound.close()
