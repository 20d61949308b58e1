"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What nearly all file systems hold, in bytes.
_LONGEST_NAME = 255
_LOSSES = {errno.EIO, errno.ENOSPC, errno.EDQUOT}


def fitting_name(stem: str, ending: str) -> str:
    """Returns a file's name, `stem` and `ending` together. A stem for which there is no room is shortened.

    What is cut off is replaced by a checksum, so that different stems give different names.
    """
    name = f"{stem}{ending}"
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    encoded = os.fsencode(stem)
    mark = f"~{hashlib.sha256(encoded).hexdigest()[:8]}{ending}"
    return encoded[: _LONGEST_NAME - len(os.fsencode(mark))].decode("utf-8", "ignore") + mark


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`: the file written there is renamed to `path` unless an error occurs."""
    partial = path.with_name(fitting_name(path.name, f".{os.getpid()}.partial"))
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` under a temporary name and renames it: a reader never sees half a file, not even after kill -9.

    It is on the disk before it has its name, so that a power cut leaves no empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def move_into_place(partial: Path, path: Path) -> None:
    """Gives a file that is whole the name `path`, in place of a file of that name, whose mode it takes over.

    It is on the disk before it has its name, so that a power cut leaves the old file or the new one.

    Raises:
        OSError: it cannot be renamed.
    """
    with partial.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as exc:
            if exc.errno in _LOSSES:  # otherwise this file system cannot be asked
                raise
    with suppress(OSError):
        shutil.copymode(path, partial)
    partial.replace(path)
