"""A process of its own for what must not be able to stop, crash or chatter into the show."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

_FAREWELL_S = 2.0


class Child:
    """A process that runs `target(pipe, *args)`, and `pipe`, our end of the pipe to it; Ctrl-C does not reach it."""

    def __init__(self, target: Callable[..., None], *args: object, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self.process: Any = context.Process(target=_run, args=(target, theirs, *args), name=name, daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()

    def leave(self) -> None:
        """Closes the pipe, at which the process ends by itself; where it does not, it is ended."""
        self.pipe.close()
        self.process.join(_FAREWELL_S)
        self.end()

    def end(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()
        self.process.close()
        with suppress(OSError):
            self.pipe.close()


def _run(target: Callable[..., None], pipe: Connection, *args: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the show's, which then closes the pipe
    target(pipe, *args)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started meanwhile never sees a Ctrl-C: it would print a traceback before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
