"""Threads: sources are read and sinks written in the background, and the loop waits for neither."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self, TypeVar

from realtime.frames import Frame, Pixels

# Decoding runs this far ahead of painting; more would only hold memory.
_PREFETCHED_FRAMES = 4
# So many paintings may wait for a sink: a quarter of a second, which covers the hiccups of a disk.
_WAITING_PICTURES = 8
# A sink that takes longer to write what was waiting is left to itself: its thread is a daemon.
PATIENCE_S = 5.0
# The keyboard is not heard while a picture is waited for.
_LONGEST_PAUSE_S = 2.0


class FrameSource(Protocol):
    """What a frame queue reads; `realtime.sources.base.Source` is one."""

    @property
    def live(self) -> bool: ...

    def frames(self) -> Iterator[Frame]: ...

    def stop(self) -> None:
        """Has `frames` end soon where it waits for a picture; called from another thread."""


class RatedSource(FrameSource, Protocol):
    """What the loop must know of a source."""

    @property
    def rate(self) -> Fraction: ...

    @property
    def size(self) -> tuple[int, int]: ...


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
        self._source.stop()
        # a camera that hangs in its driver must not hang the app: the thread is a daemon
        self._thread.join(PATIENCE_S)

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
    """Keeps the time of what is watched: `wait` returns when the next picture is due."""

    def __init__(self, rate: Fraction) -> None:
        self._interval_s = float(1 / rate)
        self._count = 0
        self._began_s: float | None = None

    def wait(self, time_s: Fraction | None) -> float:
        """Sleeps until the picture of that time is due, without one until the next beat of the rate.

        After a delay of more than one picture the clock starts anew, and after a pause that nobody would sit through.
        Returns the seconds that were to be waited.
        """
        own_s = self._count * self._interval_s if time_s is None else float(time_s)
        self._count += 1
        now_s = time.monotonic()
        if self._began_s is None or now_s > self._began_s + own_s + self._interval_s:
            self._began_s = now_s - own_s
        early_s = max(0.0, self._began_s + own_s - now_s)
        if early_s > _LONGEST_PAUSE_S:
            self._began_s -= early_s - _LONGEST_PAUSE_S
            early_s = _LONGEST_PAUSE_S
        time.sleep(early_s)
        return early_s


class QueuedSink(Protocol):
    """What a sink queue writes into; `realtime.sinks.recorder.Recorder` is one."""

    def write(self, pixels: Pixels, frame: Frame) -> None: ...


def _nothing_to_say() -> str:
    return ""


class SinkQueue:
    """A sink behind a bounded queue and a thread of its own, so that it slows neither the loop nor another sink.

    lossless: `write` waits for room; otherwise the oldest picture makes room, and `dropped` counts. essential: an error
    of the sink is raised by the next `write`, or on leaving; otherwise the sink ends alone, and `failure` says why.
    repeat_s: when nothing came for so long the last picture is written once more, as if it came now. status: what there
    is to say of the sink. hurry: called on leaving, lest the sink take its time. leave_within_s: a sink that hangs is
    left alone then; without it leaving takes as long as the sink does. A context manager: the thread starts on
    entering, and on leaving what waits is written; the sink itself is its owner's to close.
    """

    def __init__(
        self,
        sink: QueuedSink,
        name: str,
        *,
        lossless: bool = False,
        essential: bool = False,
        capacity: int = _WAITING_PICTURES,
        repeat_s: float | None = None,
        status: Callable[[], str] = _nothing_to_say,
        hurry: Callable[[], object] = _nothing_to_say,
        leave_within_s: float | None = None,
    ) -> None:
        self._sink, self._lossless, self._essential = sink, lossless, essential
        self._capacity, self._repeat_s = capacity, repeat_s
        self._status, self._hurry, self._leave_within_s = status, hurry, leave_within_s
        self._waiting: deque[tuple[Pixels, Frame]] = deque()
        self._changed = threading.Condition()
        self._leaving = self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.dropped = 0
        self.failure = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._leaving = True
            self._changed.notify_all()
        self._hurry()
        # a file that is closed while it is written to crashes, so its queue is waited for however long it takes
        self._thread.join(self._leave_within_s)

    def finish(self) -> None:
        """Writes what waits, and raises what went wrong with it where the sink is essential."""
        self.__exit__(None, None, None)
        self._raise_error()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Hands over a picture; where the sink is essential its own error is raised here."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._ended)
            elif len(self._waiting) == self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            if not self._ended:
                self._waiting.append((pixels, frame))
                self._changed.notify_all()
        self._raise_error()

    @property
    def status(self) -> str:
        """What there is to say of the sink, '' for nothing; it changes seldom."""
        return self.failure or self._status()

    @property
    def backlog(self) -> str:
        """How far behind the sink is, '' where it keeps up."""
        counts = ((len(self._waiting), "waiting"), (self.dropped, "left out"))
        return ", ".join(f"{count} {word}" for count, word in counts if count > (word == "waiting"))

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        last: tuple[Pixels, Frame] | None = None
        try:
            while (item := self._next(last)) is not None:
                self._sink.write(*item)
                last = item
        except BaseException as exc:
            with self._changed:
                self._ended = True
                if self._essential:
                    self._error = exc
                else:
                    self.failure = str(exc) or type(exc).__name__
                self._waiting.clear()
                self._changed.notify_all()

    def _next(self, last: tuple[Pixels, Frame] | None) -> tuple[Pixels, Frame] | None:
        """Returns what to write next, the last picture where it is time to repeat it; None when leaving."""
        patience_s = None if last is None else self._repeat_s
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._leaving, patience_s)
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
        if self._leaving or last is None:
            return None
        pixels, frame = last
        return pixels, replace(frame, captured_at_s=time.monotonic())


Task = TypeVar("Task")
Result = TypeVar("Result")


class StoppedError(RuntimeError):
    """Work was given up because all of it is to stop."""


class Stopping:
    """Whether work is to stop: asked for by one thread, looked at by the others."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raises StoppedError once `stop` has been called."""
        if self._event.is_set():
            raise StoppedError


def one_at_a_time() -> AbstractContextManager[object]:
    """Returns a gate through which one thread at a time passes."""
    return threading.Lock()


def side_by_side(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, stopping: Stopping
) -> Generator[tuple[Task, Result | Exception], None, None]:
    """Yields each task with its result, or with the error that it ended with, as they end; so many at a time.

    Who leaves before the last one stops the rest: what has begun ends as soon as it checks `stopping`.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="file") as pool:
        running = {pool.submit(work, task): task for task in tasks}
        try:
            for future in as_completed(running):
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield running[future], future.result() if error is None else error
        except BaseException:
            stopping.stop()
            pool.shutdown(cancel_futures=True)
            raise


def background_worker() -> ThreadPoolExecutor:
    """Returns what does one job after the other beside the loop; its thread starts with the first of them."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="errands")
