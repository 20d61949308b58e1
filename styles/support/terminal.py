"""What the commands print: one line at a time, and no error when the program that reads them has seen enough."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def print_line(line: str, stream: TextIO | None = None) -> None:
    """Prints a line at once.

    Args:
        line: without its end.
        stream: where to; None for stderr, which is right for all but the result itself.
    """
    print(printable(line), file=stream or sys.stderr, flush=True)


def printable(text: str) -> str:
    """Returns a text in which what a terminal would obey is written out, e.g. the escape sequences of a file's name."""
    return text if text.isprintable() else "".join(map(_written_out, text))


def _written_out(character: str) -> str:
    obeyed = unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t"
    return character.encode("unicode_escape").decode() if obeyed else character


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
