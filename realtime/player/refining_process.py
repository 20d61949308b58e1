"""The child process that refines a style: PyTorch is imported here alone, and the show goes on beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from realtime.frames import Pixels
from styles.training.refining_task import RefiningTask

# The show comes first: where all cores are busy, it gets about five times as much of one as the training.
_NICENESS = 7
# Windows' name for processes that give way to others.
_BELOW_NORMAL = 0x4000


@dataclass(frozen=True)
class RefiningRefused:
    """The last answer if the training cannot go on."""

    reason: str


class _ShowEndedError(Exception):
    """Nobody listens any more."""


def refine_in_child(pipe: Connection, task: RefiningTask) -> None:
    """Refines a style; runs in a child process.

    Args:
        pipe: gives frames, H x W x 3 uint8 RGB, and takes RefiningNews, or RefiningRefused.
        task: what is to be refined.
    """
    _give_way()
    try:
        from styles.training.refining import prepare_process, refine

        prepare_process()
        refine(task, lambda: _arrived(pipe), pipe.send)
    except (_ShowEndedError, BrokenPipeError):
        return
    except Exception as exc:  # whatever is wrong with the training is said in the show
        _refuse(pipe, exc)


def _refuse(pipe: Connection, error: Exception) -> None:
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    try:
        pipe.send(RefiningRefused(first_line))
    except OSError:
        return


def _arrived(pipe: Connection) -> Sequence[Pixels]:
    """Returns the frames that were sent; raises if nobody sends any more."""
    frames = []
    try:
        while pipe.poll():
            frames.append(pipe.recv())
    except (EOFError, OSError) as exc:
        raise _ShowEndedError from exc
    return frames


def _give_way() -> None:
    """Lowers the priority of this process."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
        return
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - other systems do not have it
    kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL)
