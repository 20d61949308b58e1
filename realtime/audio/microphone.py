"""A microphone that feeds live audio while the app runs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from realtime.audio.feed import AudioChunk, AudioFeed
from realtime.audio.microphone_process import (
    DefaultIs,
    DeviceList,
    Opened,
    Unavailable,
    list_devices,
    record,
    watch_default,
)
from realtime.child_process import ChildProcess
from realtime.media.decoding import SourceError

# A microphone that works is never quiet for so long: if there is nothing to hear it sends zeros.
_LOST_AFTER_S = 2.0
# The air is never as still as zeros.
_SILENT_AFTER_S = 4.0
_ANSWER_TIMEOUT_S = 15.0
_POLL_S = 0.1
# What the system's own microphone is, its sound server knows on Linux, and PortAudio elsewhere.
_ASKS_SERVER = sys.platform.startswith("linux")


def list_microphones() -> Sequence[str]:
    """Returns the microphones of this machine, each with its index.

    Raises:
        SourceError: PortAudio is missing or does not answer.
    """
    child = ChildProcess(list_devices, name="microphones")
    try:
        answer = child.pipe.recv() if child.pipe.poll(_ANSWER_TIMEOUT_S) else Unavailable("the system does not answer")
    except EOFError:
        answer = Unavailable("the system's list of microphones cannot be read")
    finally:
        child.kill()
    if isinstance(answer, DeviceList):
        return [str(device) for device in answer.devices]
    raise SourceError(answer.reason)


class Microphone:
    """Records into a feed until it is closed. A context manager.

    One that is lost is opened again once it is back, and no other one in its place. The system's default follows the
    system.

    Args:
        wanted: an index, part of a name, or "" for the system's default.
        feed: takes the audio.

    `name` is its name, which changes only with the system's default. `backlog` and `failure` are always '', as it
    neither lags nor gives up.

    Raises:
        SourceError: there is no such microphone, or it cannot be opened.
    """

    failure = ""
    backlog = ""

    def __init__(self, wanted: str, feed: AudioFeed) -> None:
        self._wanted, self._feed = wanted, feed
        self._stopped = threading.Event()
        self._child = ChildProcess(record, wanted, name="microphone")
        try:
            self._opened = self._first_answer()
        except BaseException:
            self._child.kill()
            raise
        # what the sound server calls it comes later
        self._default = "" if _ASKS_SERVER else self._opened.device.name
        self._watcher = None if wanted else ChildProcess(watch_default, _ASKS_SERVER, name="default microphone")
        self._last_chunk_at_s = self._last_sound_at_s = time.monotonic()
        self._thread = threading.Thread(target=self._receive, name="microphone", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops recording."""
        self._stopped.set()
        self._thread.join()
        self._child.kill()
        if self._watcher is not None:
            self._watcher.kill()

    @property
    def name(self) -> str:
        device = self._opened.device.name
        return (
            f"microphone {device}" if self._wanted else f"microphone {self._default or device} (the system's default)"
        )

    @property
    def status(self) -> str:
        """Its name, and whether it is lost or exactly silent."""
        if self._is_lost():
            return f"{self.name} lost, waiting for it"
        silent = time.monotonic() - self._last_sound_at_s > _SILENT_AFTER_S
        return f"{self.name} is silent: muted, or forbidden by the system?" if silent else self.name

    def _is_lost(self) -> bool:
        return time.monotonic() - self._last_chunk_at_s > _LOST_AFTER_S

    def _first_answer(self) -> Opened:
        """Returns which device was opened."""
        give_up_at_s = time.monotonic() + _ANSWER_TIMEOUT_S
        pipe = self._child.pipe
        while not self._stopped.is_set() and time.monotonic() < give_up_at_s:
            if pipe.poll(_POLL_S):
                with suppress(EOFError):
                    answer = pipe.recv()
                    if isinstance(answer, Opened):
                        return answer
                    raise SourceError(answer.reason)
                break
        raise SourceError(f"the microphone{self._wanted and f' {self._wanted}'} does not answer")

    def _receive(self) -> None:
        while not self._stopped.is_set():
            try:
                message = self._child.pipe.recv() if self._child.pipe.poll(_POLL_S) else None
            except (EOFError, OSError):
                message = None
                self._stopped.wait(_POLL_S)
            if isinstance(message, AudioChunk):
                self._last_chunk_at_s = time.monotonic()
                if message.samples.any():
                    self._last_sound_at_s = self._last_chunk_at_s
                self._feed.put(message)
            elif self._is_lost():
                self._reopen()
                self._stopped.wait(_LOST_AFTER_S / 2)
            if self._default_has_changed():
                self._reopen()

    def _reopen(self) -> None:
        self._child.kill()
        self._child = ChildProcess(record, self._opened if self._wanted else "", name="microphone")
        with suppress(SourceError):  # it is still away, and `status` says so
            self._opened = self._first_answer()
            self._last_sound_at_s = time.monotonic()

    def _default_has_changed(self) -> bool:
        """Takes note of the microphone that the system prefers; returns whether it was another one before."""
        if self._watcher is None:
            return False
        before = self._default
        with suppress(EOFError, OSError):
            while self._watcher.pipe.poll():
                message = self._watcher.pipe.recv()
                if isinstance(message, DefaultIs):
                    self._default = message.name
        return bool(before) and self._default != before
