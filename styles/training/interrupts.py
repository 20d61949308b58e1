"""Ctrl-C during a training: the step is finished and a checkpoint written first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class TrainingStopped(Exception):  # noqa: N818 - it is not an error
    """The user stopped a training; the text says how to go on."""


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C (or SIGTERM) sets, so that a step is finished; a second one takes effect at once."""
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(*_: object) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        restore()
