"""A file or the scene played at its own speed, as if it were a camera: for streams and virtual cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.audio.feed import AudioChunk, AudioFeed, FileAudio
from realtime.frames import Frame
from realtime.sources.base import Source, Wrapper

# Playback that is later than this does not catch up; its clock is reset.
_LATE_S = 1.0
# Audio is read this far ahead of its frame, which takes time to be painted.
_AUDIO_AHEAD_S = 0.2


class RealTime(Wrapper):
    """A source whose frames come when they are due, so that the player drops what it cannot paint in time.

    Args:
        source: a source that is not live.
        audio: takes the audio of its file.
    """

    def __init__(self, source: Source, audio: AudioFeed | None = None) -> None:
        clip = source.info.clip
        self._file_audio = None if clip is None or audio is None else FileAudio(clip)
        audible = self._file_audio is not None and self._file_audio.available
        super().__init__(source, replace(source.info, live=True, audio=audio if audible else None))
        self._stopped = threading.Event()
        self._audio_begins_s = Fraction(0)

    def frames(self) -> Iterator[Frame]:
        """Yields each frame when it is due."""
        began_s: float | None = None
        for frame in self._inner.frames():
            at_s = float(frame.time if frame.time is not None else frame.index / self.rate)
            now_s = time.monotonic()
            if began_s is None or now_s > began_s + at_s + _LATE_S:
                began_s = now_s - at_s
            due_s = began_s + at_s
            if self._stopped.wait(max(0.0, due_s - now_s)):
                return
            self._play_audio(began_s, at_s)
            yield replace(frame, captured_at_s=due_s)

    def _play_audio(self, began_s: float, at_s: float) -> None:
        """Puts audio into the feed, until shortly after `at_s` of the frames' clock, which was 0 at `began_s`."""
        clip, feed = self.info.clip, self.info.audio
        if clip is None or feed is None or self._file_audio is None:
            return
        if self._inner.clip_begins_s != self._audio_begins_s:
            self._file_audio.close()
            self._file_audio = FileAudio(clip)
            self._audio_begins_s = self._inner.clip_begins_s
            # audio that outlasts its video would be heard in the next round
            feed.discard_from(began_s + float(self._audio_begins_s))
        begins_s = float(self._audio_begins_s)
        for chunk in self._file_audio.read_until(at_s + _AUDIO_AHEAD_S - begins_s):
            feed.put(AudioChunk(began_s + begins_s + chunk.at_s, chunk.samples))

    def stop(self) -> None:
        self._stopped.set()
        super().stop()

    def close(self) -> None:
        if self._file_audio is not None:
            self._file_audio.close()
        super().close()
