"""A live stream to a server: it connects, reconnects after every failure, and reports its state."""

from __future__ import annotations

import math
import re
import time
from fractions import Fraction
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np

from realtime.audio.feed import AudioQueue
from realtime.child_process import ChildProcess
from realtime.frames import Frame, Pixels, Size
from realtime.sinks.stream_process import (
    SERVICES,
    Connect,
    Failed,
    Live,
    StreamFrame,
    StreamRate,
    StreamTarget,
    send_stream,
)
from styles.support.secrets import EXAMPLE_ADDRESS, shown_address, without_secrets

# A server that has not answered by then is not going to.
_ANSWER_TIMEOUT_S = 8.0
# How long sending the last frames may take on leaving.
_EXIT_TIMEOUT_S = 2.0
# Pauses between attempts double from the first to the last.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 1.0, 15.0
# After a connection that lasted so long, pauses start again with the first.
_GOOD_S = 10.0
# A viewer's player gives up without frames, so the last one is sent again after this time.
REPEAT_S = 0.2


class StreamError(ValueError):
    """The URL of a stream is none that can be sent to."""


def check_stream_url(url: str) -> None:
    """Checks whether a stream can be sent to a URL.

    Raises:
        StreamError: it cannot; the text says what is expected.
    """
    try:
        parts = urlsplit(url)
        complete = bool(parts.hostname)
    except ValueError:  # half an IPv6 address, or a port that is not a number
        complete = False
    if not complete or parts.scheme not in SERVICES:
        # the URL is not repeated: it may contain a key
        schemes = ", ".join(f"{scheme}://" for scheme in SERVICES)
        raise StreamError(f"cannot stream to this address; expected e.g. {EXAMPLE_ADDRESS}, with one of {schemes}")


class Stream:
    """A sink that sends to a server. A context manager; a SinkQueue writes into it, since connecting takes time.

    It never fails: while there is no connection frames are dropped, and `status` says why. Messages contain only the
    host of the URL, since the rest usually is a secret.

    Args:
        url: the address, which `check_stream_url` accepts.
        size: width and height of the frames.
        rate: frames per second.
        audio: live audio, at the times of the frames' capture.
        bit_rate: of the video.

    `name` is the URL without its secrets; `connections` counts the connections so far. While `is_off` is set, by
    whichever thread, it goes off the air and stays there.

    Raises:
        StreamError: the URL cannot be sent to.
    """

    def __init__(
        self,
        url: str,
        size: Size,
        rate: Fraction,
        audio: AudioQueue | None = None,
        bit_rate: StreamRate = StreamRate(),  # noqa: B008 - frozen
    ) -> None:
        check_stream_url(url)
        late_s = None if audio is None else audio.late_s
        self._target = StreamTarget(url, size, rate, audio_late_s=late_s, bit_rate=bit_rate)
        self._audio = audio
        self.name = re.sub(r"(:\d+)?(/…)?$", "", shown_address(url))
        self.status = f"connecting to {self.name}"
        self.connections = 0
        self.is_off = False
        self._child: ChildProcess | None = None
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
            self._child.close()  # it says goodbye to the server first

    def hurry(self) -> None:
        """Makes a `write` that waits for the server give up soon; called from another thread."""
        self._leave_by_s = time.monotonic() + _EXIT_TIMEOUT_S

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Sends a frame if there is a connection, and otherwise tries to connect.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has the time of capture.
        """
        chunks = () if self._audio is None else self._audio.take_until(frame.captured_at_s)
        if self.is_off:
            self._go_off()
            return
        if self._live_since_s is None:
            self._connect()  # this takes time: afterwards the frame is old
            return
        flat = np.ascontiguousarray(pixels).reshape(-1)
        self._ask(StreamFrame(frame.captured_at_s, pixels.shape), flat)
        for chunk in chunks:
            if self._live_since_s is not None:
                self._ask(chunk)

    def _go_off(self) -> None:
        """Takes leave of the server; what is written next connects at once."""
        if self._child is not None:
            self._child.close()
            self._child = None
        self._live_since_s, self._retry_at_s, self._pause_s = None, 0.0, _FIRST_PAUSE_S
        self.status = f"off air at {self.name}: switched off"

    def _connect(self) -> None:
        if time.monotonic() < self._retry_at_s:
            return
        if self._child is None:
            self._child = ChildProcess(send_stream, self._target, name="stream")
        answer = self._ask(Connect())
        if not isinstance(answer, Live):
            return
        self._live_since_s = time.monotonic()
        self.connections += 1
        self.status = f"on air at {self.name} ({answer.encoder})"

    def _ask(self, message: object, data: Any = None) -> Live | Failed | None:
        """Sends a message and returns the answer; a failure ends the connection, and no answer ends the process too."""
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
                self._lose(without_secrets(answer.reason))
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
            child.kill()
