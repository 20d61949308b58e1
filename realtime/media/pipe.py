"""Pipes: bytes that can be read once and only forward, given to several readers, as if each had a file of its own."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from pathlib import Path
from weakref import WeakSet

STDIN = Path("-")
"""What stands for the standard input, from which a video is piped."""
_CHUNK_BYTES = 65536
# What all readers have read is let go in pieces of this size.
_DROPPED_BYTES = 2**20


def is_piped(path: Path) -> bool:
    """Returns whether a path stands for bytes that can only be read forward: a pipe, a socket, the standard input."""
    if path == STDIN:
        return not _is_file_behind_stdin()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def as_file(path: Path) -> Path:
    """Returns a path under which a file can be opened again and again: that of the standard input if it is a file."""
    return Path("/dev/stdin") if path == STDIN and _is_file_behind_stdin() else path


def _is_file_behind_stdin() -> bool:
    try:
        # only Linux opens the file behind /dev/stdin anew
        return stat.S_ISREG(os.fstat(0).st_mode) and sys.platform == "linux"
    except OSError:
        return False


class Pipe:
    """A pipe, each of whose bytes is taken once and kept until all readers have read it.

    Readers may be in several threads: whoever needs more bytes first waits for them, and the others wait for that one.

    Args:
        path: the pipe, or STDIN.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.dup(0) if path == STDIN else os.open(path, os.O_RDONLY)
        self._waker, self._wake = os.pipe()
        self._changed = threading.Condition()
        self._data, self._begins_at = bytearray(), 0
        self._ended = self._taking = self._sealed = False
        # a reader whose container is gone is not waited for
        self._readers: WeakSet[PipeReader] = WeakSet()
        self._interruption: BaseException | None = None

    def reader(self) -> PipeReader:
        """Returns a new reader, which begins with the first byte.

        Raises:
            OSError: it is too late: the first bytes are gone.
        """
        with self._changed:
            if self._sealed:
                raise OSError(f"{self.path} is a pipe that has been read already")
            reader = PipeReader(self)
            self._readers.add(reader)
            return reader

    @property
    def kept(self) -> int:
        """How many bytes it keeps."""
        return len(self._data)

    def seal(self) -> None:
        """From now on there are no new readers, and what all have read is let go."""
        with self._changed:
            self._sealed = True

    def stop(self) -> None:
        """Has the pipe end for all readers, also for one that waits."""
        with self._changed:
            if not self._ended:
                self._ended = True
                os.write(self._wake, b"!")
                self._changed.notify_all()

    def raise_interruption(self) -> None:
        """Raises what interrupted a reader, e.g. Ctrl-C: FFmpeg, which it was reading for, cannot pass that on."""
        exc, self._interruption = self._interruption, None
        if exc is not None:
            raise exc

    def take(self, begin: int, most: int) -> bytes:
        """Returns the bytes from a position on, at least one of them unless the pipe ends there.

        Args:
            begin: the position.
            most: how many bytes there may be.
        """
        try:
            with self._changed:
                while begin >= self._begins_at + len(self._data) and not self._ended:
                    if self._taking:
                        self._changed.wait()
                    else:
                        self._take_more()
                at = begin - self._begins_at
                return bytes(self._data[at : at + most])
        except BaseException as exc:  # it would be lost in FFmpeg
            self._interruption = exc
            self.stop()
            return b""

    def _take_more(self) -> None:
        """Takes what the pipe gives next; others may read meanwhile what is there."""
        self._taking = True
        self._changed.release()
        data = b""
        try:
            data = self._read()
        finally:
            self._changed.acquire()
            self._taking = False
            self._ended = self._ended or not data
            self._data += data
            self._changed.notify_all()

    def _read(self) -> bytes:
        # Windows cannot wait for two things at once: there, a pipe that is stopped is waited for
        if sys.platform != "win32":
            ready, _, _ = select.select([self._descriptor, self._waker], [], [])
            if self._waker in ready:
                return b""
        return os.read(self._descriptor, _CHUNK_BYTES)

    def let_go(self) -> None:
        """Forgets what nobody will read any more."""
        with self._changed:
            if not self._sealed:
                return
            read = min((reader.position for reader in self._readers), default=self._begins_at + len(self._data))
            if read - self._begins_at >= _DROPPED_BYTES:
                del self._data[: read - self._begins_at]
                self._begins_at = read

    def close(self) -> None:
        """Ends the pipe for all readers and closes it."""
        self.stop()
        with self._changed:
            # whoever waits for it sees its end and goes
            self._changed.wait_for(lambda: not self._taking or sys.platform == "win32")
            if not self._taking and self._descriptor >= 0:
                for descriptor in (self._descriptor, self._waker, self._wake):
                    os.close(descriptor)
                self._descriptor = -1


class PipeReader:
    """A file object that PyAV reads from, without a way to seek."""

    def __init__(self, pipe: Pipe) -> None:
        self.name = str(pipe.path)
        self.position = 0
        self._pipe = pipe

    def read(self, most: int) -> bytes:
        """Returns the next bytes, as soon as there are any; none at the end."""
        data = self._pipe.take(self.position, most)
        self.position += len(data)
        self._pipe.let_go()
        return data
