"""The folder of a training, which belongs to one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from styles.support.file_lock import LockedError, PathLock
from styles.training.job import ResultError


class BusyFolderError(ValueError):
    """Another process trains in the folder."""


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Makes the folder, keeps other trainings out of it, and removes what a kill left half written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = PathLock(folder / "lock")
    except LockedError as exc:
        message = f"another process trains in {folder}; expected a folder of its own for each training"
        raise BusyFolderError(message) from exc
    except OSError as exc:
        raise ResultError(f"cannot write into {folder}: {exc.strerror or exc}") from exc
    try:
        for partial in folder.glob("*.partial"):
            partial.unlink()
        yield
    finally:
        lock.release()
