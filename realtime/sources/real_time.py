"""A file or the scene played at its own speed, as if it were a camera: for those who watch and cannot wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from realtime.audio.feed import AudioChunk, AudioFeed, FileAudio
from realtime.frames import Frame
from realtime.sources.base import ClipRange, Closing, Source
from realtime.sources.looping import Looping

# Who is later than that does not catch up in a hurry; the clock is set anew.
_LATE_S = 1.0
# Sound is read so far ahead of its picture, which takes its time to be painted.
_SOUND_AHEAD_S = 0.2


class RealTime(Closing):
    """Another source whose frames come when they are due; what is not painted in time is dropped, as of a camera.

    heard: takes the file's sound, if it has any.
    """

    live = True

    def __init__(self, source: Source, heard: AudioFeed | None = None) -> None:
        self.name, self.size, self.rate, self.time_base = source.name, source.size, source.rate, source.time_base
        self.frame_count, self.sound = source.frame_count, source.sound
        self.presentation, self.notes = source.presentation, source.notes
        self._source = source
        self._stopped = threading.Event()
        self._sound_from_s = Fraction(0)
        self._file_sound: FileAudio | None = None
        if heard is not None and self.sound is not None:
            self._file_sound = _open_sound(self.sound)
            self.heard = heard if self._file_sound.there else None

    @property
    def shortfall(self) -> str | None:  # type: ignore[override]
        return self._source.shortfall

    def frames(self) -> Iterator[Frame]:
        began_s: float | None = None
        for frame in self._source.frames():
            at_s = float(frame.time if frame.time is not None else frame.index / self.rate)
            now_s = time.monotonic()
            if began_s is None or now_s > began_s + at_s + _LATE_S:
                began_s = now_s - at_s
            due_s = began_s + at_s
            if self._stopped.wait(max(0.0, due_s - now_s)):
                return
            self._hear(began_s, at_s)
            yield replace(frame, captured_at_s=due_s)

    def _hear(self, began_s: float, at_s: float) -> None:
        if self.sound is None or self._file_sound is None or self.heard is None:
            return
        if isinstance(self._source, Looping) and self._source.zero_s != self._sound_from_s:
            self._file_sound.close()
            self._file_sound, self._sound_from_s = _open_sound(self.sound), self._source.zero_s
            # sound that outlasts its picture would be heard in the next round
            self.heard.take_back(began_s + float(self._sound_from_s))
        from_s = float(self._sound_from_s)
        until_s = at_s + _SOUND_AHEAD_S - from_s
        if self.sound.ends_s is not None:
            until_s = min(until_s, float(self.sound.ends_s - self.sound.begins_s))
        for piece in self._file_sound.until(until_s):
            self.heard.put(AudioChunk(began_s + from_s + piece.at_s, piece.samples))

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        if self._file_sound is not None:
            self._file_sound.close()
        self._source.__exit__(None, None, None)


def _open_sound(part: ClipRange) -> FileAudio:
    return FileAudio(part.path, float(part.begins_s))
