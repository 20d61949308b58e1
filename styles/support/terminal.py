"""What the commands print: one line at a time, and no error when nobody can read it."""

from __future__ import annotations

import codecs
import os
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

# The name of the way in which characters are printed that an encoding lacks.
_ESCAPED = "nst_live_escaped"


def print_line(line: str, stream: TextIO | None = None) -> None:
    """Prints a line at once.

    Args:
        line: without its end.
        stream: where to; None for stderr, which is right for all but the result itself.
    """
    stream = stream or sys.stderr
    if stream is not None:  # a process may have been started without
        print(printable(line), file=stream, flush=True)


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
    """Sends stdout nowhere if it cannot be written: Python flushes it once more at its end, and must not fail again."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        _silence(sys.stdout)


@contextmanager
def patient_streams() -> Iterator[None]:
    """Inside, a log that cannot be written ends nothing, and characters that a terminal lacks are escaped."""
    before = sys.stderr
    codecs.register_error(_ESCAPED, _escaped)
    stdout: Any = sys.stdout
    if hasattr(stdout, "reconfigure") and not codecs.lookup(stdout.encoding).name.startswith("utf"):
        stdout.reconfigure(errors=_ESCAPED)
    if before is not None:
        sys.stderr = cast(TextIO, _PatientStream(before))
    try:
        yield
    finally:
        sys.stderr = before


class _PatientStream:
    """A text stream that is silent from the first failure on: the disk of a log is full, a terminal has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            _silence(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            _silence(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _silence(stream: TextIO) -> None:
    """Sends a stream nowhere, with what it still holds."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Writes characters as TOML, JSON and Python read them (PEP 293)."""
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in characters), error.end
