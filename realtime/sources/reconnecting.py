"""A live source that comes back: a camera that was unplugged or a stream that was cut is opened again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from realtime.frames import Frame, letterboxed
from realtime.media.decoding import SourceError
from realtime.sources.base import ReplacingWrapper, Source

# Pauses between attempts double from the first to the last.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 4.0
# A frame that takes longer is reported as being waited for.
_STALL_S = 1.5


class Reconnecting(ReplacingWrapper):
    """A live source that is opened again whenever it fails. Its size stays, whatever comes later.

    A failure before the first frame is an error: what has never worked is not waited for.

    Args:
        source: the source, open.
        reopen: opens it again; may raise SourceError, after which it is tried again.
    """

    def __init__(self, source: Source, reopen: Callable[[], Source]) -> None:
        super().__init__(source, replace(source.info, live=True, frame_count=None))
        self._reopen = reopen
        self._lost = False
        self._waiting_since_s: float | None = None

    @property
    def status(self) -> str:
        if self._lost:
            return f"{self.info.name} lost, waiting"
        since_s = self._waiting_since_s
        stalled = since_s is not None and time.monotonic() - since_s > _STALL_S
        return f"no frame from {self.info.name}, waiting" if stalled else ""

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of all connections.

        Raises:
            SourceError: the source failed before its first frame.
        """
        index = 0
        while not self._stopped.is_set():
            try:
                for frame in self._inner.frames() if self._inner is not None else ():
                    self._lost, self._waiting_since_s = False, None
                    yield Frame(letterboxed(frame.pixels, self.size), index, frame.captured_at_s)
                    index += 1
                    self._waiting_since_s = time.monotonic()
            except SourceError:
                if index == 0:
                    raise
                self._lost = True
            else:
                return
            self._reconnect()

    def _reconnect(self) -> None:
        """Returns once the source is open again, or when it is stopped."""
        self.close()
        pause_s = _FIRST_PAUSE_S
        while not self._stopped.wait(pause_s):
            pause_s = min(_LAST_PAUSE_S, 2 * pause_s)
            try:
                self._inner = self._reopen()
            except SourceError:
                continue
            return
