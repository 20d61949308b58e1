"""The app's threads: sources are read and sinks written in the background, so that the player waits for neither."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from realtime.frames import Frame, Pixels, Size

# Decoding runs this far ahead of painting; more would only use memory.
_PREFETCHED_FRAMES = 4
# How many frames may wait for a sink: a quarter of a second, which covers the hiccups of a disk.
_QUEUED_FRAMES = 8
# A thread that takes longer to end is abandoned: it is a daemon.
LEAVE_TIMEOUT_S = 5.0
# The player does not look at the keyboard while it waits for a frame to be due.
_LONGEST_PAUSE_S = 2.0


class FrameSource(Protocol):
    """What a frame queue reads; `realtime.sources.base.Source` is one."""

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, so that old ones are to be dropped."""

    def frames(self) -> Iterator[Frame]:
        """Yields the frames in order."""

    def stop(self) -> None:
        """Makes `frames` end soon if it is waiting for a frame; called from another thread."""


class RatedSource(FrameSource, Protocol):
    """What the player must know about a source."""

    @property
    def rate(self) -> Fraction:
        """Frames per second."""

    @property
    def size(self) -> Size:
        """Width and height of the frames."""


class FrameQueue:
    """Frames of a source, read by a thread: only the newest of a live source, all of a file's in order.

    A context manager: the thread starts on entering and has ended on leaving. An error of the source is raised by the
    next `take`, after the frames that came before it.

    Args:
        source: what to read.

    `dropped` counts the live frames that nobody took in time.
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
        # a camera that hangs in its driver must not hang the app
        self._thread.join(LEAVE_TIMEOUT_S)

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Returns the next frame, or None if the source has ended or no frame came in time.

        Args:
            timeout_s: how long to wait, in seconds; None for no limit.

        Raises:
            Exception: whatever the source has raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._ended, timeout_s)
            if self._frames:
                frame = self._frames.popleft()
                self._changed.notify_all()
                # the age of a file's frame counts from the moment it is needed: it was read ahead
                return frame if self._source.live else replace(frame, captured_at_s=time.monotonic())
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    @property
    def ended(self) -> bool:
        """Whether no more frames will come."""
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
        """Adds a frame; returns False if the queue is being closed."""
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
    """Paces playback: `wait` returns when the next frame is due.

    Args:
        rate: frames per second, used for frames without a timestamp.
    """

    def __init__(self, rate: Fraction) -> None:
        self._interval_s = float(1 / rate)
        self._count = 0
        self._started_at_s: float | None = None

    def wait(self, time_s: Fraction | None) -> float:
        """Sleeps until the next frame is due, and returns for how long, in seconds.

        The clock is reset after a delay of more than one frame, and after a gap that nobody would sit through.

        Args:
            time_s: the frame's timestamp, in seconds; None for the next beat of the rate.
        """
        frame_time_s = self._count * self._interval_s if time_s is None else float(time_s)
        self._count += 1
        now_s = time.monotonic()
        if self._started_at_s is None or now_s > self._started_at_s + frame_time_s + self._interval_s:
            self._started_at_s = now_s - frame_time_s
        pause_s = max(0.0, self._started_at_s + frame_time_s - now_s)
        if pause_s > _LONGEST_PAUSE_S:
            self._started_at_s -= pause_s - _LONGEST_PAUSE_S
            pause_s = _LONGEST_PAUSE_S
        time.sleep(pause_s)
        return pause_s


class QueuedSink(Protocol):
    """What a sink queue writes into; `realtime.sinks.recorder.FileRecorder` is one."""

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Takes a painted frame, H x W x 3 uint8 RGB, and the frame that it was painted from."""


@dataclass(frozen=True)
class QueuePolicy:
    """How a sink queue treats its sink.

    Args:
        lossless: `write` waits for room. Otherwise the oldest frame makes room, and is counted as dropped.
        essential: an error of the sink is raised by the next `write`, or by `finish`. Otherwise the sink ends alone,
            and `SinkQueue.failure` says why.
        capacity: how many frames may wait.
        repeat_s: after this many seconds without a new frame the last one is written again; None for never.
        leave_within_s: how long leaving may take, in seconds, before a sink that hangs is abandoned; None for no limit.
    """

    lossless: bool = False
    essential: bool = False
    capacity: int = _QUEUED_FRAMES
    repeat_s: float | None = None
    leave_within_s: float | None = None


def _no_status() -> str:
    return ""


class SinkQueue:
    """A sink behind a bounded queue with a thread of its own, so that it slows neither the player nor another sink.

    A context manager: the thread starts on entering; leaving writes what is still waiting. It does not close the sink.

    Args:
        sink: what to write into.
        name: name of the thread.
        policy: what happens if the sink is slow, fails or hangs.
        status: returns one line about the sink, '' for nothing.
        hurry: called on leaving, to interrupt a sink that waits for something.
        interrupt: called when Ctrl-C ends the show, to interrupt a sink that otherwise has all the time it needs.

    `dropped` counts the frames that made room for newer ones. `failure` says why the sink ended early, else it is ''.
    """

    def __init__(
        self,
        sink: QueuedSink,
        name: str,
        policy: QueuePolicy = QueuePolicy(),
        *,
        status: Callable[[], str] = _no_status,
        hurry: Callable[[], object] = _no_status,
        interrupt: Callable[[], object] = _no_status,
    ) -> None:
        self._sink, self._policy, self._status = sink, policy, status
        self._hurry, self._interrupt = hurry, interrupt
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
        if kind is KeyboardInterrupt:
            self._interrupt()
        try:
            # a file that is closed while it is written to crashes, so a recorder has no time limit
            self._thread.join(self._policy.leave_within_s)
        except KeyboardInterrupt:
            self._interrupt()
            self._thread.join(self._policy.leave_within_s)
            raise

    def finish(self) -> None:
        """Writes what is still waiting.

        Raises:
            Exception: whatever an essential sink has raised.
        """
        self.__exit__(None, None, None)
        self._raise_error()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a painted frame, H x W x 3 uint8 RGB.

        Raises:
            Exception: whatever an essential sink has raised.
        """
        with self._changed:
            if self._policy.lossless:
                self._changed.wait_for(lambda: len(self._waiting) < self._policy.capacity or self._ended)
            elif len(self._waiting) == self._policy.capacity:
                self._waiting.popleft()
                self.dropped += 1
            if not self._ended:
                self._waiting.append((pixels, frame))
                self._changed.notify_all()
        self._raise_error()

    @property
    def status(self) -> str:
        """One line about the sink, '' for nothing. It changes seldom."""
        return self.failure or self._status()

    @property
    def backlog(self) -> str:
        """How far the sink is behind, '' if it keeps up."""
        waiting = len(self._waiting)
        parts = (f"{waiting} waiting" if waiting > 1 else "", f"{self.dropped} dropped" if self.dropped else "")
        return ", ".join(filter(None, parts))

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
                if self._policy.essential:
                    self._error = exc
                else:
                    self.failure = str(exc) or type(exc).__name__
                self._waiting.clear()
                self._changed.notify_all()

    def _next(self, last: tuple[Pixels, Frame] | None) -> tuple[Pixels, Frame] | None:
        """Returns what to write next: the last frame again if it is time to repeat it, None to end the thread."""
        timeout_s = None if last is None else self._policy.repeat_s
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._leaving, timeout_s)
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
Letter = TypeVar("Letter")


class BusyError(RuntimeError):
    """Too much waits already."""


class Mailbox(Generic[Letter]):
    """What threads leave for another one, in order; a newer letter with the same key takes the place of an older one.

    Args:
        most: how many letters of those who ask to be refused may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[object, Letter] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, letter: Letter, key: str = "", *, refuse: bool = False) -> Letter | None:
        """Adds a letter at the end; returns the one that it replaces, None if there is none.

        Args:
            letter: what is left.
            key: what replaces and is replaced; "" for nothing.
            refuse: whether to refuse it if the box is full.

        Raises:
            BusyError: the box is full.
        """
        with self._lock:
            replaced = self._waiting.pop(key, None) if key else None
            if refuse and replaced is None and len(self._waiting) >= self._most:
                raise BusyError(f"{self._most} commands wait already; send fewer")
            self._waiting[key or object()] = letter
            return replaced

    def take_all(self) -> Sequence[Letter]:
        """Returns the letters, the oldest first, and empties the box."""
        with self._lock:
            letters = tuple(self._waiting.values())
            self._waiting.clear()
            return letters


class Bucket:
    """A limit on how often something happens: `burst` times at once, and `rate` times a second on average."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left, self._at_s = burst, time.monotonic()

    def take(self) -> bool:
        """Returns whether it may happen once more."""
        now_s = time.monotonic()
        self._left = min(self._burst, self._left + self._rate * (now_s - self._at_s))
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class StoppedError(RuntimeError):
    """A task gave up because all of them are to stop."""


class Stopping:
    """A request to stop that one thread makes and others check."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def stop(self) -> None:
        """Asks all tasks to stop."""
        self._event.set()

    def check(self) -> None:
        """Does nothing until `stop` has been called.

        Raises:
            StoppedError: `stop` has been called.
        """
        if self._event.is_set():
            raise StoppedError


@contextmanager
def reported_if_slow(report: Callable[[], object], after_s: float = 1.0) -> Iterator[None]:
    """Calls `report` in a thread of its own if what happens inside takes longer.

    Args:
        report: says what is being waited for.
        after_s: how long to wait before that, in seconds.
    """
    timer = threading.Timer(after_s, report)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def one_at_a_time() -> AbstractContextManager[object]:
    """Returns a lock: only one thread at a time is inside."""
    return threading.Lock()


def side_by_side(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, stopping: Stopping
) -> Generator[tuple[Task, Result | Exception], None, None]:
    """Runs tasks in parallel; yields each one with its result, or with the error that ended it, in order of completion.

    Leaving the generator early stops the rest: running tasks end as soon as they check `stopping`.

    Args:
        work: what to do with a task.
        tasks: all tasks.
        workers: how many run at the same time.
        stopping: what `work` checks from time to time.
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
    """Returns an executor that runs one job after another in the background; its thread starts with the first."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
