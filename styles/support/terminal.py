"""What the commands print: one line at a time, and no error when the program that reads them has seen enough."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def print_line(line: str, stream: TextIO | None = None) -> None:
    """Prints a line at once.

    Args:
        line: without its end.
        stream: where to; None for stderr, which is right for all but the result itself.
    """
    print(line, file=stream or sys.stderr, flush=True)


@contextmanager
def closable_output() -> Iterator[None]:
    """Ends the block quietly when nobody reads stdout any more, as after `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_unread_output()


def discard_unread_output() -> None:
    """Sends stdout nowhere if nobody reads it: Python flushes it once more at its end, and that must not fail again."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
