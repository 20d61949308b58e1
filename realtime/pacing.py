"""The one file with threads: a source is read in the background, and the loop takes frames when it can paint them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self

from realtime.frames import Frame

# Decoding runs this far ahead of painting; more would only hold memory.
_PREFETCHED_FRAMES = 4


class FrameSource(Protocol):
    """What a frame queue reads; `realtime.source.Source` is one."""

    @property
    def live(self) -> bool: ...

    def frames(self) -> Iterator[Frame]: ...


class FrameQueue:
    """Frames of a source, read by a thread: of a live source always the newest, of a file every one in order.

    A context manager: the thread starts on entering and has ended on leaving. An error of the source is raised by the
    next `take`, after the frames that came before it. `dropped` counts the live frames that were too late.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._capacity = 1 if source.live else _PREFETCHED_FRAMES
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="source", daemon=True)
        self.dropped = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopping = True
            self._frames.clear()
            self._changed.notify_all()
        # a camera that hangs in its driver must not hang the app: the thread is a daemon
        self._thread.join(timeout=5)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Returns the next frame; None when the source has ended or nothing came within the time (None: no limit)."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._ended, timeout_s)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                # a file's frame has no age: it was read ahead, and counts from when it is wanted
                return frame if self._source.live else replace(frame, captured_at_s=time.monotonic())
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    @property
    def ended(self) -> bool:
        """Whether no frame will come any more."""
        with self._changed:
            return self._ended and not self._frames and self._error is None

    def _read(self) -> None:
        try:
            for frame in self._source.frames():
                if not self._put(frame):
                    return
        except BaseException as exc:
            self._error = exc
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        """Hands over a frame; False when the queue is being closed."""
        with self._changed:
            if self._source.live and self._frames:
                self._frames.clear()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._frames) < self._capacity or self._stopping)
            if self._stopping:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
            return True


class Metronome:
    """Keeps a steady rate for what is watched: `wait` returns when the next picture is due."""

    def __init__(self, rate: Fraction) -> None:
        self._interval_s = float(1 / rate)
        self._due_s: float | None = None

    def wait(self) -> None:
        """Sleeps until the next picture is due; after a delay of more than one picture the beat starts anew."""
        now_s = time.monotonic()
        if self._due_s is None or now_s > self._due_s + self._interval_s:
            self._due_s = now_s
        time.sleep(max(0.0, self._due_s - now_s))
        self._due_s += self._interval_s
