"""A file or the scene played at its own speed, as if it were a camera: for those who watch and cannot wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from realtime.frames import Frame
from realtime.source import Closing, Source

# Who is later than that does not catch up in a hurry; the clock is set anew.
_LATE_S = 1.0


class Playback(Closing):
    """Another source whose frames come when they are due; what is not painted in time is dropped, as of a camera."""

    live = True

    def __init__(self, source: Source) -> None:
        self.name, self.size, self.rate, self.time_base = source.name, source.size, source.rate, source.time_base
        self.frame_count, self.sound = source.frame_count, source.sound
        self.presentation, self.notes = source.presentation, source.notes
        self._source = source
        self._stopped = threading.Event()

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
            yield replace(frame, captured_at_s=due_s)

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._source.__exit__(None, None, None)
