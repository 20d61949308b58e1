"""A child process for code that must not be able to block, crash or write into the app."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

_EXIT_TIMEOUT_S = 2.0


class ChildProcess:
    """A process that runs `target(pipe, *args)`. Ctrl-C does not reach it.

    Args:
        target: a function at the top level of a module; it returns when its end of the pipe is closed.
        args: further arguments of `target`; they must be picklable.
        name: name of the process.

    `pipe` is our end of the pipe.
    """

    def __init__(self, target: Callable[..., None], *args: object, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, child_end = context.Pipe()
        self.process: Any = context.Process(target=_run, args=(target, child_end), name=name, daemon=True)
        with _interrupts_blocked():
            self.process.start()
        child_end.close()
        # `args` of `Process` would block for ever if they are large and the process dies before it has read them
        with suppress(OSError):  # who reads the pipe finds its end
            self.pipe.send(args)

    def close(self) -> None:
        """Closes the pipe, which makes the process exit by itself; kills it if it does not."""
        self.pipe.close()
        self.process.join(_EXIT_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()
        self.process.close()
        with suppress(OSError):
            self.pipe.close()


def _run(target: Callable[..., None], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C, and then closes the pipe
    try:
        args = pipe.recv()
    except (EOFError, OSError):  # the parent is gone already
        return
    target(pipe, *args)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Blocks Ctrl-C for the processes started inside: they would print a traceback before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
