"""The sound of a file that is painted, played to those who hear it live: a stream, a recording by key."""

from __future__ import annotations

from fractions import Fraction

from realtime.audio.feed import AudioChunk, AudioFeed, FileAudio
from realtime.frames import ClipRange, Frame, Pixels

# Playback that is ahead or behind by more has paused or jumped, and its sound begins again there.
_JUMP_S = 0.25


class FileSound:
    """A sink that takes no pixels: it plays the sound that belongs to the frames, at the times of their capture.

    Args:
        clip: the part of the file that is painted.
        rate: frames per second, for frames without a time.
        feed: takes the sound.

    `available` says whether the file has any.
    """

    def __init__(self, clip: ClipRange, rate: Fraction, feed: AudioFeed) -> None:
        self.feed = feed
        self._audio, self._rate = FileAudio(clip), rate
        self.available = self._audio.available
        # where the clock of the clip stands on ours
        self._began_s: float | None = None

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a sink's signature
        """Plays what is heard up to a frame."""
        time_s = float(frame.index / self._rate if frame.time is None else frame.time)
        began_s = frame.captured_at_s - time_s
        if self._began_s is None or abs(began_s - self._began_s) > _JUMP_S:
            self._began_s = began_s
        for chunk in self._audio.read_until(time_s):
            self.feed.put(AudioChunk(self._began_s + chunk.at_s, chunk.samples))

    def close(self) -> None:
        """Closes the file."""
        self._audio.close()
