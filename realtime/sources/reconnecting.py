"""A live source that comes back: a camera that is unplugged, a stream that is cut, is waited for and opened again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from realtime.frames import Frame, fitted
from realtime.sources.base import Replacing, Source, SourceError

# Pauses between attempts double from the first to the last.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 4.0
# A picture that takes longer is said to be waited for.
_STALL_S = 1.5


class Reconnecting(Replacing):
    """Another live source, opened anew by `reopen` whenever it fails; it keeps its size, whatever comes then.

    `status` says what is waited for, and '' when pictures come. The first picture that never comes is an error as
    before: what has never worked is not waited for.
    """

    live = True
    frame_count: int | None = None
    backlog = failure = ""

    def __init__(self, source: Source, reopen: Callable[[], Source]) -> None:
        super().__init__(source)
        self.name, self.size, self.rate, self.time_base = source.name, source.size, source.rate, source.time_base
        self.presentation, self.notes, self.heard = source.presentation, source.notes, source.heard
        self._reopen = reopen
        self._lost = ""
        self._waiting_since_s: float | None = None

    @property
    def status(self) -> str:
        """What is waited for, '' while pictures come."""
        if self._lost:
            return self._lost
        since_s = self._waiting_since_s
        return f"no picture from {self.name}, waiting" if since_s and time.monotonic() - since_s > _STALL_S else ""

    def frames(self) -> Iterator[Frame]:
        index = 0
        while not self._stopped.is_set():
            try:
                for frame in self._source.frames() if self._source is not None else ():
                    self._lost, self._waiting_since_s = "", None
                    yield Frame(fitted(frame.pixels, self.size), index, frame.captured_at_s)
                    index += 1
                    self._waiting_since_s = time.monotonic()
            except SourceError:
                if index == 0:
                    raise
                self._lost = f"{self.name} lost, waiting"
            else:
                return
            self._wait_for_it()

    def _wait_for_it(self) -> None:
        self.close()
        pause_s = _FIRST_PAUSE_S
        while not self._stopped.wait(pause_s):
            pause_s = min(_LAST_PAUSE_S, 2 * pause_s)
            try:
                self._source = self._reopen()
            except SourceError:
                continue
            return
