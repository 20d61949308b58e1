"""What a driver's library prints in place of raising an error."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress

# More than a library prints during one call.
_READ_BYTES = 65_536


class DriverMessages:
    """Runs calls of a library, and takes out of what is printed on stderr meanwhile the messages of one kind.

    The library writes from C, so the stream itself is led through a pipe while it runs. What other threads print in
    these milliseconds is passed on.

    Args:
        kind: matches a message; its first group is the reason.
    """

    def __init__(self, kind: re.Pattern[bytes]) -> None:
        self._kind = kind
        self._outlet, self._inlet = os.pipe()
        for end in (self._outlet, self._inlet):
            os.set_blocking(end, False)

    def during(self, call: Callable[[], object]) -> str:
        """Returns the reason that was printed during a call, "" if none was. Raises what the call raises."""
        try:
            stderr = os.dup(2)
        except OSError:  # there is none
            call()
            return ""
        os.dup2(self._inlet, 2)
        try:
            call()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            printed = self._read()
            rest = self._kind.sub(b"", printed)
            if rest.strip():
                os.write(2, rest)
        found = self._kind.search(printed)
        return found[1].decode("utf-8", "replace").strip() if found else ""

    def close(self) -> None:
        """Gives back the pipe."""
        os.close(self._outlet)
        os.close(self._inlet)

    def _read(self) -> bytes:
        with suppress(BlockingIOError):
            return os.read(self._outlet, _READ_BYTES)
        return b""
