"""The sending half of a stream: encodes pictures and sound and sends them to a server, in a process of its own.

PyAV connects with Python's lock held and without a limit of time: within the show, a server that does not answer would
stop everything. A process can be ended instead. It does what it is told over a pipe, and answers every message.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
import av.error
import numpy as np

from realtime.frames import Pixels
from realtime.sinks import h264
from realtime.sinks.sound import RATE as SOUND_RATE
from realtime.sinks.sound import Piece

_KEY_EVERY_S = 2.0
# Bits for a pixel: 2.8 Mbit/s for 1280 x 720 at 30 frames per second.
_BITS_PER_PIXEL = 0.1
_MIN_BIT_RATE = 400_000
_SOUND_BIT_RATE = 128_000
_AAC_FRAME = 1024
_SILENCE = np.zeros((2, _AAC_FRAME), np.float32)
# The times of sound that goes on tremble by less than that.
_JITTER_SAMPLES = SOUND_RATE // 20
# Sound may come so much later than its picture before silence takes its place.
_PATIENCE_SAMPLES = SOUND_RATE // 2


@dataclass(frozen=True)
class Service:
    """How a kind of address is served: FFmpeg's container and its options.

    silence: whether a stream without sound is sent with silence, since servers and players wait for some.
    """

    container: str
    options: Mapping[str, str]
    suffix: str = ""
    silence: bool = False


# max_interleave_delta, in microseconds: pictures do not wait longer for sound that is missing.
_SOON = {"max_interleave_delta": "300000"}
SERVICES: Mapping[str, Service] = {
    "rtmp": Service("flv", {"flvflags": "no_duration_filesize", **_SOON}, silence=True),
    "rtmps": Service("flv", {"flvflags": "no_duration_filesize", **_SOON}, silence=True),
    "rtsp": Service("rtsp", {"rtsp_transport": "tcp", **_SOON}),
    # seven packets of MPEG-TS fill a datagram that no network cuts in two
    "udp": Service("mpegts", _SOON, suffix="pkt_size=1316"),
}


@dataclass(frozen=True)
class Target:
    """Where to and what: address, size and rate of the pictures, whether there is sound."""

    url: str
    size: tuple[int, int]
    rate: Fraction
    with_sound: bool = False


@dataclass(frozen=True)
class Connect:
    """Asks to connect; the answer is Live."""


@dataclass(frozen=True)
class Picture:
    """Announces the bytes of an RGB picture; `at_s` is on the show's clock."""

    at_s: float
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Live:
    """The answer to what was done."""

    encoder: str


@dataclass(frozen=True)
class Failed:
    """The answer to what could not be done; the next message has to be Connect."""

    reason: str


def broadcast(connection: Connection, target: Target) -> None:
    """Obeys the messages of a stream until the pipe is closed; what a process of its own runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the show's, which then closes the pipe
    output: _Output | None = None
    with suppress(EOFError, OSError):
        while True:
            message = connection.recv()
            picture = np.frombuffer(connection.recv_bytes(), np.uint8) if isinstance(message, Picture) else None
            try:
                if isinstance(message, Connect):
                    output = _Output(target)
                elif output is not None and picture is not None:
                    output.write(picture.reshape(message.shape), message.at_s)
                elif output is not None:
                    output.write_sound(message)
                answer: Live | Failed = Live(output.encoder if output is not None else "")
            except (av.error.FFmpegError, OSError, ValueError) as exc:
                if output is not None:
                    output.abandon()
                output = None
                answer = Failed(getattr(exc, "strerror", None) or str(exc))
            connection.send(answer)
    if output is not None:
        output.close()


class _Output:
    """A connection to a server, from its first picture on."""

    def __init__(self, target: Target) -> None:
        scheme = target.url.partition("://")[0]
        service = SERVICES[scheme]
        url = target.url
        if service.suffix and service.suffix.partition("=")[0] not in url:
            url += ("&" if "?" in url else "?") + service.suffix
        self.encoder = h264.encoder_here()
        self._size = target.size
        self._started_s: float | None = None
        self._last_pts = -1
        self._container: Any = av.open(url, "w", format=service.container, options=dict(service.options))
        bits = max(_MIN_BIT_RATE, round(_BITS_PER_PIXEL * target.size[0] * target.size[1] * target.rate))
        limits = {"b": str(bits), "maxrate": str(bits), "bufsize": str(bits)}
        preset = {"preset": "veryfast"} if self.encoder == "libx264" else {}
        self._pictures = h264.add_stream(
            self._container,
            target.size,
            target.rate,
            encoder=self.encoder,
            key_every_s=_KEY_EVERY_S,
            options={**limits, **preset},
        )
        self._sound: Any = None
        self._patience = _PATIENCE_SAMPLES if target.with_sound else 0
        # the encoder begins a frame early, and before the first picture there is no time
        self._heard = _AAC_FRAME
        if target.with_sound or service.silence:
            self._sound = self._container.add_stream("aac", rate=SOUND_RATE, layout="stereo")
            self._sound.bit_rate = _SOUND_BIT_RATE
        self._container.start_encoding()

    def write(self, pixels: Pixels, at_s: float) -> None:
        if self._started_s is None:
            self._started_s = at_s
        pts = max(self._last_pts + 1, round((at_s - self._started_s) / h264.CLOCK))
        self._last_pts = pts
        self._container.mux(self._pictures.encode(h264.yuv(pixels, self._size, pts)))
        self._keep_silent_until(round(pts * h264.CLOCK * SOUND_RATE) - self._patience)

    def write_sound(self, sound: Piece) -> None:
        # what is heard before the first picture is seen has no place in the stream
        if self._sound is None or self._started_s is None:
            return
        begins = round((sound.at_s - self._started_s) * SOUND_RATE)
        if abs(begins - self._heard) < _JITTER_SAMPLES:
            begins = self._heard
        self._keep_silent_until(begins)
        samples = sound.samples[:, max(0, self._heard - begins) :]
        if samples.shape[1]:
            self._encode_sound(samples)

    def _keep_silent_until(self, sample: int) -> None:
        while self._sound is not None and self._heard < sample:
            self._encode_sound(_SILENCE[:, : sample - self._heard])

    def _encode_sound(self, samples: Any) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), self._heard
        self._heard += samples.shape[1]
        self._container.mux(self._sound.encode(frame))

    def close(self) -> None:
        """Sends what the encoders hold back, and takes leave of the server."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.mux(self._pictures.encode(None))
            if self._sound is not None:
                self._container.mux(self._sound.encode(None))
        self.abandon()

    def abandon(self) -> None:
        """Closes the connection: a server refuses a second one of the same name as long as it has the first."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()
