"""A microphone, heard while a show goes on, on the show's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from realtime.audio.feed import AudioChunk, AudioFeed
from realtime.audio.microphone_process import Found, NotOpened, Opened, hear, look
from realtime.child_process import Child
from realtime.sources.base import SourceError

# One that is there is never quiet for so long: where nothing is to be heard it gives zeros.
_LOST_AFTER_S = 2.0
_ANSWER_TIMEOUT_S = 15.0
_POLL_S = 0.1


def list_microphones() -> Sequence[str]:
    """Returns the microphones of this machine, each with its index. Raises SourceError without PortAudio."""
    child = Child(look, name="microphones")
    try:
        answer = child.pipe.recv() if child.pipe.poll(_ANSWER_TIMEOUT_S) else NotOpened("no answer from the system")
    except EOFError:
        answer = NotOpened("the system's list of microphones cannot be read")
    finally:
        child.end()
    if isinstance(answer, Found):
        return [str(device) for device in answer.devices]
    raise SourceError(answer.reason)


class Microphone:
    """Hears into a feed until it is closed. A context manager; one that is lost is opened again once it is back.

    wanted: an index, part of a name, or "" for the system's own choice. Raises SourceError, saying what there is.
    """

    failure = ""
    backlog = ""

    def __init__(self, wanted: str, feed: AudioFeed) -> None:
        self._wanted, self._feed = wanted, feed
        self._stopped = threading.Event()
        self._child = Child(hear, wanted, name="microphone")
        try:
            self.name = f"microphone {self._first_answer()}"
        except BaseException:
            self._child.end()
            raise
        self._heard_at_s = time.monotonic()
        self._thread = threading.Thread(target=self._listen, name="microphone", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._child.end()

    @property
    def status(self) -> str:
        """Whether it is heard."""
        return f"{self.name} lost, waiting for it" if self._is_lost() else self.name

    def _is_lost(self) -> bool:
        return time.monotonic() - self._heard_at_s > _LOST_AFTER_S

    def _first_answer(self) -> str:
        """Returns the name of what was opened."""
        give_up_at_s = time.monotonic() + _ANSWER_TIMEOUT_S
        pipe = self._child.pipe
        while not self._stopped.is_set() and time.monotonic() < give_up_at_s:
            if pipe.poll(_POLL_S):
                with suppress(EOFError):
                    answer = pipe.recv()
                    if isinstance(answer, Opened):
                        return answer.name
                    raise SourceError(answer.reason)
                break
        raise SourceError(f"the microphone {self._wanted or 'of the system'} does not answer")

    def _listen(self) -> None:
        while not self._stopped.is_set():
            try:
                piece = self._child.pipe.recv() if self._child.pipe.poll(_POLL_S) else None
            except (EOFError, OSError):
                piece = None
                self._stopped.wait(_POLL_S)
            if isinstance(piece, AudioChunk):
                self._heard_at_s = time.monotonic()
                self._feed.put(piece)
            elif self._is_lost():
                self._open_anew()

    def _open_anew(self) -> None:
        self._child.end()
        self._child = Child(hear, self._wanted, name="microphone")
        with suppress(SourceError):  # still away, and `status` says so
            self._first_answer()
        self._stopped.wait(_LOST_AFTER_S / 2)
