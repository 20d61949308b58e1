"""The folder of a training, which belongs to one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from styles.training.run import ResultError


class BusyFolderError(ValueError):
    """Another process trains in the folder."""


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Makes the folder, keeps other trainings out of it, and removes what a kill left half written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as exc:
        raise ResultError(f"cannot write into {folder}: {exc.strerror or exc}") from exc
    with lock:
        if not _lock(lock.fileno()):
            raise BusyFolderError(f"another process trains in {folder}; expected a folder of its own for each training")
        for partial in folder.glob("*.partial"):
            partial.unlink()
        yield


def _lock(file: int) -> bool:
    """Locks an open file until it is closed, or the process ends; returns whether nobody else has."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
