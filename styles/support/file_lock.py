"""Locks on files and folders that the system takes back when their process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_TAKEN = {errno.EWOULDBLOCK, errno.EACCES}


class PathLock:
    """A lock on a file or a folder, by which processes on one machine keep out of each other's way.

    `release` gives it back. Where a file system has no locks, and on Windows, it locks nothing.

    Args:
        path: the file, which is made if it is missing; an existing one is left as it is.
        is_folder: it is a folder, which is made if it is missing.

    Raises:
        LockedError: another process, or another lock of this one, holds it.
        OSError: the file or folder cannot be made or opened.
    """

    def __init__(self, path: Path, *, is_folder: bool = False) -> None:
        self._descriptor: int | None = None
        while self._descriptor is None:
            descriptor = _open(path, is_folder)
            if sys.platform == "win32":
                os.close(descriptor)
                return
            if not _locked(descriptor):
                os.close(descriptor)
                raise LockedError(errno.EWOULDBLOCK, "another process is writing it", str(path))
            if _is_at(descriptor, path):
                self._descriptor = descriptor
            else:
                # whoever held it before has renamed or removed it meanwhile
                os.close(descriptor)

    @property
    def gone(self) -> bool:
        """Whether what is locked was removed by somebody."""
        return self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0

    def release(self) -> None:
        """Gives the lock back."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class LockedError(OSError):
    """Somebody else holds the lock."""


def is_locked(path: Path) -> bool:
    """Returns whether a process holds the lock on a file or folder; False if there is none."""
    if sys.platform == "win32":
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path, is_folder: bool) -> int:
    if not is_folder:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    path.mkdir(exist_ok=True)
    return os.open(os.devnull if sys.platform == "win32" else path, os.O_RDONLY)


def _locked(descriptor: int) -> bool:
    """Locks what is open; returns False if somebody else holds the lock."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            return exc.errno not in _TAKEN
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
