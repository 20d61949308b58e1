"""The child process behind a stream: encodes video and audio and sends them to a server.

PyAV connects while it holds Python's lock, and without a time limit: inside the app, a server that does not answer
would stop everything. A process can be killed instead. It answers every message that it gets through its pipe.
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
from realtime.audio.live_track import SILENCE_AFTER_S, LiveAudioTrack
from realtime.frames import Frame, Pixels, Size
from realtime.media.encoders import EncoderUnavailableError, Encoding, live_h264_encoder
from realtime.media.video_encoder import MILLISECOND, VideoEncoder, VideoTrack

# Video bits per pixel: 2.8 Mbit/s for 1280 x 720 at 30 frames per second.
_BITS_PER_PIXEL = 0.1
_MIN_BIT_RATE = 400_000
# A stream is sent to many people, so it is worth more effort than a live recording.
_PRESETS = {"libx264": "veryfast", "h264_nvenc": "p4"}


@dataclass(frozen=True)
class Service:
    """How a kind of URL is sent to.

    Args:
        container: FFmpeg's name of the format.
        options: options of the muxer.
        url_option: an option that is added to the URL, unless it is there already.
        silence: whether silence is sent if there is no audio, because servers and players wait for some.
        constant: whether services of this kind want a constant bit rate.
    """

    container: str
    options: Mapping[str, str]
    url_option: str = ""
    silence: bool = False
    constant: bool = False


# Frames wait no longer for audio that is missing.
_INTERLEAVING_S = 0.3
SERVICES: Mapping[str, Service] = {
    "rtmp": Service("flv", {"flvflags": "no_duration_filesize"}, silence=True, constant=True),
    "rtmps": Service("flv", {"flvflags": "no_duration_filesize"}, silence=True, constant=True),
    "rtsp": Service("rtsp", {"rtsp_transport": "tcp"}),
    # seven packets of MPEG-TS fill a datagram that no network splits
    "udp": Service("mpegts", {}, url_option="pkt_size=1316"),
}


@dataclass(frozen=True)
class StreamRate:
    """The bit rate of a stream's video.

    Args:
        bits: per second; None for what suits its size.
        constant: whether it is filled up to that rate where the picture needs less; None for what the service wants.
    """

    bits: int | None = None
    constant: bool | None = None


@dataclass(frozen=True)
class StreamTarget:
    """What is sent where.

    Args:
        url: the address.
        size: width and height of the frames.
        rate: frames per second.
        audio_late_s: how much later than its frames live audio comes, in seconds, beyond the usual; None if there is
            none.
        bit_rate: of the video.
    """

    url: str
    size: Size
    rate: Fraction
    audio_late_s: float | None = None
    bit_rate: StreamRate = StreamRate()


@dataclass(frozen=True)
class Connect:
    """Asks to connect."""


@dataclass(frozen=True)
class StreamFrame:
    """Announces a frame, whose bytes follow.

    Args:
        at_s: time of capture, on the monotonic clock, in seconds.
        shape: H, W and 3.
    """

    at_s: float
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Live:
    """The answer to what has worked."""

    encoder: str


@dataclass(frozen=True)
class Failed:
    """The answer to what has failed; the next message must be Connect."""

    reason: str


def send_stream(pipe: Connection, target: StreamTarget) -> None:
    """Connects and sends what comes through the pipe, until that is closed; runs in a child process.

    Args:
        pipe: gives Connect, StreamFrame and AudioChunk, and takes Live or Failed for each.
        target: what is sent where.
    """
    output: Output | None = None
    with suppress(EOFError, OSError):
        while True:
            message = pipe.recv()
            data = np.frombuffer(pipe.recv_bytes(), np.uint8) if isinstance(message, StreamFrame) else None
            try:
                if isinstance(message, Connect):
                    output = Output(target)
                elif output is not None and data is not None:
                    output.write(data.reshape(message.shape), message.at_s)
                elif output is not None:
                    output.write_audio(message)
                answer: Live | Failed = Live(output.encoder if output is not None else "")
            except (av.error.FFmpegError, OSError, ValueError, EncoderUnavailableError) as exc:
                if output is not None:
                    output.abandon()
                output = None
                answer = Failed(getattr(exc, "strerror", None) or str(exc))
            pipe.send(answer)
    if output is not None:
        output.close()


class Output:
    """A connection to a server.

    Args:
        target: what is sent where.

    `encoder` is the name of the video encoder. All methods but `close` and `abandon` raise what PyAV raises.
    """

    def __init__(self, target: StreamTarget) -> None:
        service = SERVICES[target.url.partition("://")[0].lower()]
        self.encoder = live_h264_encoder()
        late_s = target.audio_late_s or 0.0
        # in microseconds
        options = {**service.options, "max_interleave_delta": str(round(1e6 * (_INTERLEAVING_S + late_s)))}
        self._container: Any = av.open(_url_for(target, service), "w", format=service.container, options=options)
        self._video = VideoEncoder(
            self._container,
            self.encoder,
            VideoTrack(target.size, target.rate, MILLISECOND, live=True),
            _encoding(self.encoder, target, service),
        )
        self._audio: LiveAudioTrack | None = None
        if target.audio_late_s is not None or service.silence:
            wait_s = 0 if target.audio_late_s is None else SILENCE_AFTER_S + late_s
            self._audio = LiveAudioTrack(self._container, silence_after_s=wait_s)
        self._container.start_encoding()

    def write(self, pixels: Pixels, at_s: float) -> None:
        """Sends a frame.

        Args:
            pixels: H x W x 3 uint8 RGB.
            at_s: time of capture, in seconds.
        """
        self._container.mux(self._video.encode(pixels, Frame(pixels, 0, at_s)))
        if self._audio is not None:
            self._audio.begin(at_s)
            self._audio.keep_up(at_s)

    def write_audio(self, chunk: AudioChunk) -> None:
        """Sends audio."""
        if self._audio is not None:
            self._audio.write(chunk)

    def close(self) -> None:
        """Sends what the encoders still hold, and disconnects."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.mux(self._video.flush())
            if self._audio is not None:
                self._audio.finish()
        self.abandon()

    def abandon(self) -> None:
        """Disconnects: a server refuses a second connection with the same key while the first is open."""
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()


def _encoding(encoder: str, target: StreamTarget, service: Service) -> Encoding:
    usual = max(_MIN_BIT_RATE, round(_BITS_PER_PIXEL * target.size[0] * target.size[1] * target.rate))
    rate = target.bit_rate
    constant = service.constant if rate.constant is None else rate.constant
    return Encoding(preset=_PRESETS[encoder], bit_rate=rate.bits or usual, constant_bit_rate=constant, low_latency=True)


def _url_for(target: StreamTarget, service: Service) -> str:
    scheme, _, rest = target.url.partition("://")
    url = f"{scheme.lower()}://{rest}"
    if service.url_option and service.url_option.partition("=")[0] not in url:
        url += ("&" if "?" in url else "?") + service.url_option
    return url
