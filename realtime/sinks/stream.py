"""A stream to a server, live: it connects, reconnects after every failure, and tells how it stands."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from realtime.audio.feed import AudioQueue
from realtime.child_process import Child
from realtime.frames import Frame, Pixels
from realtime.sinks.stream_process import SERVICES, Connect, Failed, Live, StreamFrame, StreamTarget, broadcast

# A server that has not answered by then is not going to.
_ANSWER_TIMEOUT_S = 8.0
# How long the last pictures may take when the show is over.
_FAREWELL_S = 2.0
# Pauses between attempts double from the first to the last.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 15.0
# After a connection that held so long the next failure is a new one.
_GOOD_S = 10.0
# A viewer's player gives up without pictures, so the last one is sent again after so long.
REPEAT_S = 0.2


class StreamError(ValueError):
    """The address of a stream is none that can be served."""


def check_stream_url(url: str) -> None:
    """Raises StreamError, saying what is wanted, where `url` cannot be streamed to."""
    try:
        parts = urlsplit(url)
        there = bool(parts.hostname)
    except ValueError:  # half an IPv6 address, or a port that is no number
        there = False
    if not there or parts.scheme not in SERVICES:
        # it is not repeated: there may be a key in it
        wanted = ", ".join(f"{scheme}://" for scheme in SERVICES)
        raise StreamError(f"cannot stream there; wanted an address as rtmp://HOST/APP/KEY, with one of {wanted}")


class Stream:
    """A sink that sends to a server. A context manager; written to by a SinkQueue, since connecting takes its time.

    Nothing fails: while there is no connection pictures are passed over, and `status` says why. The address is named
    by its host alone, since the rest is a secret as a rule. ear: hears the sound that goes with the pictures. bit_rate:
    of the pictures, in bits a second; None for what suits their size.
    """

    def __init__(
        self,
        url: str,
        size: tuple[int, int],
        rate: Fraction,
        ear: AudioQueue | None = None,
        bit_rate: int | None = None,
    ) -> None:
        check_stream_url(url)
        self._target = StreamTarget(url, size, rate, with_sound=ear is not None, bit_rate=bit_rate)
        self._ear = ear
        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname}"
        self.status = f"connecting to {self.name}"
        self.connections = 0
        self._child: Child | None = None
        self._live_since_s: float | None = None
        self._pause_s, self._retry_at_s = _FIRST_PAUSE_S, 0.0
        self._leave_by_s = math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hurry()
        if self._child is not None:
            self._child.leave()  # after the farewell to the server

    def hurry(self) -> None:
        """Has a `write` that waits for the server give up soon; called from another thread."""
        self._leave_by_s = time.monotonic() + _FAREWELL_S

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Sends a picture (H x W x 3 uint8 RGB) with the time of its capture, where there is a connection."""
        sound = () if self._ear is None else self._ear.take_until(frame.captured_at_s)
        if self._live_since_s is None:
            self._connect()  # which takes its time: by then the picture is old
            return
        flat = np.ascontiguousarray(pixels).reshape(-1)
        self._ask(StreamFrame(frame.captured_at_s, pixels.shape), flat)
        for piece in sound:
            if self._live_since_s is not None:
                self._ask(piece)

    def _connect(self) -> None:
        if time.monotonic() < self._retry_at_s:
            return
        if self._child is None:
            self._child = Child(broadcast, self._target, name="stream")
        answer = self._ask(Connect())
        if not isinstance(answer, Live):
            return
        self._live_since_s = time.monotonic()
        self.connections += 1
        self.status = f"on air at {self.name} ({answer.encoder})"

    def _ask(self, message: object, data: Any = None) -> Live | Failed | None:
        """Returns the answer; what is no success ends the connection, and the process where it does not answer."""
        try:
            if self._child is None:
                return None
            self._child.pipe.send(message)
            if data is not None:
                self._child.pipe.send_bytes(data)
            answer = self._answer(self._child.pipe)
        except (EOFError, OSError):
            answer = None
            self._lose("the sending process died")
            self._end_process()
        else:
            if isinstance(answer, Failed):
                self._lose(answer.reason)
            elif answer is None:
                self._lose(f"no answer within {_ANSWER_TIMEOUT_S:.0f} s")
                self._end_process()
        return answer

    def _answer(self, pipe: Connection) -> Live | Failed | None:
        give_up_at_s = time.monotonic() + _ANSWER_TIMEOUT_S
        while not pipe.poll(0.1):
            if time.monotonic() > min(give_up_at_s, self._leave_by_s):
                return None
        answer = pipe.recv()
        return answer if isinstance(answer, Live | Failed) else None

    def _lose(self, reason: str) -> None:
        now_s = time.monotonic()
        if self._live_since_s is not None and now_s - self._live_since_s >= _GOOD_S:
            self._pause_s = _FIRST_PAUSE_S
        self._live_since_s = None
        self._retry_at_s = now_s + self._pause_s
        self._pause_s = min(_LAST_PAUSE_S, 2 * self._pause_s)
        self.status = f"off air: {reason}; trying again"

    def _end_process(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
