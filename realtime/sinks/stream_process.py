"""The sending half of a stream: encodes pictures and sound and sends them to a server, in a process of its own.

PyAV connects with Python's lock held and without a limit of time: within the show, a server that does not answer would
stop everything. A process can be ended instead. It does what it is told over a pipe, and answers every message.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
import av.error
import numpy as np

from realtime.audio.feed import AudioChunk
from realtime.audio.live_track import PATIENCE_S, LiveAudioTrack
from realtime.frames import Pixels
from realtime.media import h264

_KEY_EVERY_S = 2.0
# Bits for a pixel: 2.8 Mbit/s for 1280 x 720 at 30 frames per second.
_BITS_PER_PIXEL = 0.1
_MIN_BIT_RATE = 400_000


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
class StreamTarget:
    """Where to and what: address, size and rate of the pictures, whether there is sound.

    bit_rate: of the pictures, in bits a second; None for what suits their size.
    """

    url: str
    size: tuple[int, int]
    rate: Fraction
    with_sound: bool = False
    bit_rate: int | None = None


@dataclass(frozen=True)
class Connect:
    """Asks to connect; the answer is Live."""


@dataclass(frozen=True)
class StreamFrame:
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


def broadcast(connection: Connection, target: StreamTarget) -> None:
    """Obeys the messages of a stream until the pipe is closed; what a process of its own runs."""
    output: Output | None = None
    with suppress(EOFError, OSError):
        while True:
            message = connection.recv()
            picture = np.frombuffer(connection.recv_bytes(), np.uint8) if isinstance(message, StreamFrame) else None
            try:
                if isinstance(message, Connect):
                    output = Output(target)
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


class Output:
    """A connection to a server, from its first picture on."""

    def __init__(self, target: StreamTarget) -> None:
        scheme, _, place = target.url.partition("://")
        service = SERVICES[scheme.lower()]
        url = f"{scheme.lower()}://{place}"
        if service.suffix and service.suffix.partition("=")[0] not in url:
            url += ("&" if "?" in url else "?") + service.suffix
        self.encoder = h264.encoder_here()
        self._size = target.size
        self._started_s: float | None = None
        self._last_pts = -1
        self._container: Any = av.open(url, "w", format=service.container, options=dict(service.options))
        usual = max(_MIN_BIT_RATE, round(_BITS_PER_PIXEL * target.size[0] * target.size[1] * target.rate))
        bits = target.bit_rate or usual
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
        self._sound: LiveAudioTrack | None = None
        if target.with_sound or service.silence:
            self._sound = LiveAudioTrack(self._container, patience_s=PATIENCE_S if target.with_sound else 0)
        self._container.start_encoding()

    def write(self, pixels: Pixels, at_s: float) -> None:
        if self._started_s is None:
            self._started_s = at_s
        pts = max(self._last_pts + 1, round((at_s - self._started_s) / h264.CLOCK))
        self._last_pts = pts
        self._container.mux(self._pictures.encode(h264.yuv(pixels, self._size, pts)))
        if self._sound is not None:
            self._sound.begin(self._started_s)
            self._sound.keep_up(at_s)

    def write_sound(self, sound: AudioChunk) -> None:
        if self._sound is not None:
            self._sound.write(sound)

    def close(self) -> None:
        """Sends what the encoders hold back, and takes leave of the server."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.mux(self._pictures.encode(None))
            if self._sound is not None:
                self._sound.finish()
        self.abandon()

    def abandon(self) -> None:
        """Closes the connection: a server refuses a second one of the same name as long as it has the first."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()
