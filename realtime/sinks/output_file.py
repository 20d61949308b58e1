"""Where an output lies while it is written: under another name beside its place, and locked, until it is whole."""

from __future__ import annotations

import errno
import math
import os
import select
import shutil
import stat
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av.error

from realtime.media.decoding import count_frames, file_url
from realtime.media.encoders import CONTAINERS, DEFAULT_PIPE_FORMAT, OutputError, OutputFailedError
from realtime.media.image_sequence import is_image_sequence, numbered_files, sequence_url
from styles.support.atomic_file import fitting_name, move_into_place
from styles.support.file_lock import LockedError, PathLock, is_locked

STDOUT = Path("-")
"""What stands for the standard output, into which a video is piped."""
# A pipe that is ready takes this much at once (POSIX: PIPE_BUF is at least 512, on Linux it is 4096).
_PIPE_BYTES = 4096 if sys.platform == "linux" else 512
_POLL_S = 0.2
# A reader that has not taken anything for so long is not waited for when the show is to end.
_EXIT_TIMEOUT_S = 2.0
# What runs that are killed leave behind is never removed, so each run needs another name.
_MOST_PARTIAL_FILES = 99
# Of the system, when there is no room or the device fails: nothing that another name would mend.
_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


def parts_folder(path: Path) -> Path:
    """Returns the folder for the segments of a video that can be continued."""
    return path.with_name(fitting_name(path.name, ".parts"))


def is_pipe(path: Path) -> bool:
    """Returns whether what is written to a path can only be written forward: a pipe, or a device such as /dev/null."""
    if path == STDOUT:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    is_device = stat.S_ISCHR(mode) and path.suffix.lower() not in CONTAINERS
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or is_device


def pipe_format(path: Path | None, asked: str | None) -> str:
    """Returns the name in PIPE_FORMATS by which an output is written; "" if its own name says it.

    Args:
        path: the output; None for none.
        asked: the name that was asked for; None for what suits the output.
    """
    if asked is not None:
        return asked
    unnamed = path is not None and is_pipe(path) and path.suffix.lower() not in CONTAINERS
    return DEFAULT_PIPE_FORMAT if unnamed else ""


def is_kept(path: Path) -> bool:
    """Returns whether a path is a file, or a disk, that writing to it would replace; pipes and devices are not."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return path != STDOUT and (stat.S_ISREG(mode) or stat.S_ISBLK(mode))


def named(path: Path) -> str:
    """Returns what messages call an output."""
    return "the standard output" if path == STDOUT else str(path)


def is_being_written(path: Path) -> bool:
    """Returns whether a process writes a file that will have a name."""
    return any(map(is_locked, (*partial_paths(path), parts_folder(path))))


def cannot_write(path: Path, exc: av.error.FFmpegError | OSError) -> OutputError:
    """Returns the error that says why an output cannot be created."""
    kind = OutputFailedError if exc.errno in _FAILURES else OutputError
    return kind(f"cannot write {path}: {exc.strerror or exc}")


def left_behind(path: Path) -> Sequence[Path]:
    """Returns what earlier runs, which were ended before they could finish, have left of a file."""
    return [partial for partial in partial_paths(path) if partial.exists() and not _is_empty(partial)]


def note_on_left(partial: Path) -> str:
    """Returns the line that names what an earlier run has left."""
    return f"{partial} is left of an earlier run that could not end"


class OutputFile:
    """A file, or an image sequence, that is being written. One process writes it: others are refused.

    Until it is whole it lies at `partial`: NAME.partial.EXT beside its place, or for an image sequence in a folder of
    such a name. A pipe or a device is written directly.

    Args:
        path: its place, or STDOUT.

    `target` is what PyAV is given. `left_behind` says what earlier runs left there that could not end normally.

    Raises:
        OutputError: another process writes it, or it cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_sequence = is_image_sequence(path)
        self._place = path.resolve() if path.is_symlink() else path
        self._existed = self._is_there()
        self.partial: Path | None = None
        self.left_behind: Sequence[Path] = ()
        self._lock: PathLock | None = None
        self._pipe: _Pipe | None = None
        try:
            if is_pipe(path):
                self._pipe = _Pipe(path)
            elif not _is_written_directly(self._place):
                self._claim()
        except LockedError as exc:
            raise OutputError(f"cannot write {path}: another process is writing it; name another file") from exc
        except OSError as exc:
            raise cannot_write(path, exc) from exc

    def _claim(self) -> None:
        """Finds a name to write under, and keeps it."""
        if self._place.exists() and not os.access(self._place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if is_being_written(self._place):
            raise LockedError
        left: list[Path] = []
        for partial in partial_paths(self._place):
            lock = PathLock(partial, is_folder=self._is_sequence)
            if _is_empty(partial):
                self.partial, self._lock = partial, lock
                break
            lock.release()
            left.append(partial)
        else:
            raise FileExistsError(errno.EEXIST, f"{left[0]} and {len(left) - 1} more are left of earlier runs")
        self.left_behind = tuple(left)
        if is_locked(parts_folder(self._place)):
            self.discard()
            raise LockedError

    def _is_there(self) -> bool:
        return bool(numbered_files(self._place)) if self._is_sequence else self._place.exists()

    @property
    def target(self) -> Any:
        """What PyAV is given: a URL or a file object."""
        if self._pipe is not None:
            return self._pipe
        if self._is_sequence:
            return sequence_url(self.path if self.partial is None else self.partial / self.path.name)
        return file_url(self.partial or self.path)

    @property
    def written(self) -> Path:
        """Where it lies while it is written."""
        if self.partial is None:
            return self.path
        return self.partial / self.path.name if self._is_sequence else self.partial

    @property
    def existed(self) -> bool:
        """Whether there was a file of its name before."""
        return self._existed

    def check(self) -> None:
        """Does nothing as long as it is there.

        Raises:
            FileNotFoundError: somebody has removed it while it was written.
        """
        if self._lock is not None and self._lock.gone:
            raise FileNotFoundError(errno.ENOENT, f"{self.partial} was removed")

    def count_frames(self) -> int:
        """Returns how many frames of what is written can be decoded; 0 for a pipe or a device."""
        if self.partial is None or self._lock is None or self._lock.gone:
            return 0
        return len(numbered_files(self.written)) if self._is_sequence else count_frames(self.partial)

    def interrupt(self) -> None:
        """Makes a write that waits for the reader of a pipe fail soon; called from another thread."""
        if self._pipe is not None:
            self._pipe.leaving.set()

    def publish(self) -> None:
        """Gives it its name. If that fails, it stays where it is.

        Raises:
            OSError: its folder has vanished, or somebody else has written a file of that name.
        """
        try:
            if self.partial is not None:
                if not self._existed and self._is_there():
                    raise FileExistsError(errno.EEXIST, "a file of that name has appeared meanwhile")
                self._move()
        finally:
            self.keep()

    def _move(self) -> None:
        assert self.partial is not None
        if not self._is_sequence:
            move_into_place(self.partial, self._place)
            return
        for picture in numbered_files(self.written).values():
            picture.replace(self._place.with_name(picture.name))
        self.partial.rmdir()

    def keep(self) -> None:
        """Leaves it where it is, and lets others write."""
        lock, pipe, self._lock, self._pipe = self._lock, self._pipe, None, None
        if lock is not None:
            lock.release()
        if pipe is not None:
            pipe.close()

    def discard(self) -> None:
        """Removes it, and lets others write."""
        if self.partial is not None and self._lock is not None and not self._lock.gone:
            with suppress(OSError):
                if self._is_sequence:
                    shutil.rmtree(self.partial)
                else:
                    self.partial.unlink(missing_ok=True)
        self.keep()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields where to write a file, which is given its name at the end, or removed if an error occurs.

    Raises:
        OutputError: another process writes it, or it cannot be created.
        OSError: it cannot be given its name.
    """
    file = OutputFile(path)
    try:
        yield file.written
    except BaseException:
        file.discard()
        raise
    file.publish()


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keeps other processes from writing a file that this one writes in its own way.

    Raises:
        OutputError: another process writes it, or it cannot be created.
    """
    file = OutputFile(path)
    try:
        yield
    finally:
        file.discard()


def partial_paths(path: Path) -> Sequence[Path]:
    """Returns the names under which a file may lie while it is written; the first is the usual one."""
    ending = "" if is_image_sequence(path) else path.suffix
    marks = ("", *(f"-{number}" for number in range(2, _MOST_PARTIAL_FILES + 1)))
    return [path.with_name(fitting_name(path.stem, f".partial{mark}{ending}")) for mark in marks]


def _is_empty(path: Path) -> bool:
    return not any(path.iterdir()) if path.is_dir() else path.stat().st_size == 0


def _is_written_directly(place: Path) -> bool:
    """Returns whether a path is a device, or a file that cannot be replaced by another."""
    if not place.exists():
        return False
    replaceable = os.access(place.parent, os.W_OK | os.X_OK) or not os.access(place, os.W_OK)
    return not stat.S_ISREG(place.stat().st_mode) or place.is_mount() or not replaceable


class _Pipe:
    """A pipe as PyAV writes it: forward, and without waiting for a reader that hangs once `leaving` is set."""

    def __init__(self, path: Path) -> None:
        self.leaving = threading.Event()
        self._is_stdout = path == STDOUT
        self._descriptor = -1
        if self._is_stdout:
            sys.stdout.flush()
            self._descriptor = os.dup(1)
            # whatever else is printed there would damage the video
            os.dup2(2, 1)
        else:
            self._descriptor = os.open(path, os.O_WRONLY)

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            if self._waits():
                raise BrokenPipeError(errno.EPIPE, "nobody reads it any more")
            rest = rest[os.write(self._descriptor, rest[:_PIPE_BYTES]) :]
        return len(data)

    def _waits(self) -> bool:
        """Waits until the pipe takes something; returns True if it takes nothing and is to be left."""
        give_up_at_s = math.inf
        while sys.platform != "win32" and not select.select([], [self._descriptor], [], _POLL_S)[1]:
            if self.leaving.is_set():
                give_up_at_s = min(give_up_at_s, time.monotonic() + _EXIT_TIMEOUT_S)
            if time.monotonic() > give_up_at_s:
                return True
        return False

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._is_stdout:
            os.dup2(descriptor, 1)
        os.close(descriptor)
