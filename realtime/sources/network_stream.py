"""A live stream from the network: its frames as they arrive, its audio on the same clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import av
import av.error
from av.format import Flags

from realtime.audio.feed import AudioChunk, AudioDecoder, AudioFeed
from realtime.frames import Frame, Presentation, Size
from realtime.media.color import Orientation, ToRgb, orientation_of, scaled_aspect
from realtime.media.decoding import SourceError, decode_packet, demuxed, frame_rate, open_video_stream, reason_of
from realtime.media.rates import LIVE_TIME_BASE
from realtime.sources.base import BaseSource, SourceInfo
from realtime.sources.stream_clock import Backlog, StreamClock
from realtime.sources.stream_damage import WholePictures
from styles.support.secrets import shown_address

_OPEN_TIMEOUT_S = 10.0
# A read that takes longer means that the stream is broken. Less than leaving waits for the reading thread.
_READ_TIMEOUT_S = 4.0
# FFmpeg's names of streams that come as files of several seconds each.
_SEGMENTED = {"hls", "dash"}
TRANSPORTS = ("auto", "tcp", "udp")


@dataclass(frozen=True)
class NetworkOptions:
    """How a network stream is read.

    Args:
        audio: takes its audio, if it has any.
        transport: one of TRANSPORTS, how rtsp is sent; "auto" for TCP, and UDP if that is refused.
    """

    audio: AudioFeed | None = None
    transport: str = TRANSPORTS[0]


class NetworkStream(BaseSource):
    """A live stream (rtsp, http, udp, rtmp …) through PyAV.

    A file behind a URL, and a stream that comes in segments of several seconds, is played at its own speed.

    Args:
        url: its address.
        size: width and height to scale to; None for the stream's own.
        options: how it is read.

    A picture that is damaged by a loss is left out, and so are those that build on it. What is read too slowly is
    dropped up to the next key picture, so that no frame is late for long.

    Raises:
        SourceError: the stream cannot be opened.
    """

    def __init__(self, url: str, size: Size | None = None, options: NetworkOptions = NetworkOptions()) -> None:
        audio = options.audio
        # people who see the screen must not see the password
        name = shown_address(url)
        self._container = _open_container(url, name, options.transport)
        self._video = open_video_stream(self._container, name, live=True)
        # a track in a format that cannot be decoded here is left out
        audible = (stream for stream in self._container.streams.audio if stream.codec_context is not None)
        self._audio_streams = () if audio is None else tuple(islice(audible, 1))
        # a file behind a URL has an end; anything else that stops was cut off
        self._has_end = bool(self._container.duration) or self._container.size > 0
        self._paced = self._has_end or self._container.format.name in _SEGMENTED
        self._stopped = threading.Event()
        self._packets = demuxed(self._container, self._video, *self._audio_streams)
        self._whole, self._backlog = WholePictures(self._video), Backlog()
        self._is_timed = not self._container.format.flags & Flags.no_timestamps.value
        # what is a file or nearly one says by its first frame which way is up; a live stream is not waited for, unless
        # nothing else says how large its frames are
        self._ahead = list(self._until_first_frame(name)) if self._paced or not self._stored_size()[0] else []
        self._orientation = self._orientation_of_first()
        stored = self._stored_size()
        if not stored[0]:
            self._container.close()
            raise SourceError(f"the stream {name} ended before its first frame")
        upright = self._orientation.size(stored)
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        aspect = (1 / aspect if self._orientation.swapped else aspect) if aspect > 0 else Fraction(1)
        super().__init__(
            SourceInfo(
                name=name,
                size=size or upright,
                presentation=Presentation(scaled_aspect(aspect, upright, size or upright)),
                rate=frame_rate(self._video, live=True),
                time_base=LIVE_TIME_BASE,
                live=True,
                audio=audio if self._audio_streams else None,
            )
        )

    def frames(self) -> Iterator[Frame]:
        """Yields frames as they arrive, and puts audio into the feed.

        Raises:
            SourceError: the stream broke off.
        """
        name, index = self.info.name, 0
        try:
            for frame in self._decode():
                yield frame
                index += 1
        except av.error.EOFError:
            pass
        except (av.error.FFmpegError, OSError) as exc:
            raise SourceError(f"the stream {name} broke off: {reason_of(exc)}") from exc
        if self._stopped.is_set():
            return
        if index == 0:
            raise SourceError(f"the stream {name} ended before its first frame")
        if not self._has_end:
            raise SourceError(f"the stream {name} stopped")

    def _decode(self) -> Iterator[Frame]:
        index, to_rgb = 0, ToRgb(self.size, self._orientation)
        audio_decoder, clock = AudioDecoder(), StreamClock()
        ahead, self._ahead = self._ahead, []
        for frames in chain((frames for _, frames in ahead), self._live_frames()):
            for decoded in frames:
                if isinstance(decoded, av.VideoFrame):
                    time_s = float(decoded.time or 0)
                    if self._paced and self._wait(clock.early_s(time_s, time.monotonic())):
                        return
                    now_s = time.monotonic()
                    clock.observe(time_s, now_s)
                    sent_at_s = clock.sent_at_s(time_s, now_s) if self._is_timed else now_s
                    yield Frame(to_rgb(decoded), index, sent_at_s)
                    index += 1
                elif clock.began_s is not None and self.info.audio is not None:
                    for chunk in audio_decoder.chunks(decoded):
                        self.info.audio.put(AudioChunk(clock.began_s + chunk.at_s, chunk.samples))

    def _live_frames(self) -> Iterator[Sequence[Any]]:
        """Yields what each packet decodes to, if that is whole; what is read too slowly is dropped."""
        while True:
            began_s = time.monotonic()
            packet = next(self._packets, None)
            if packet is None:
                return
            now_s = time.monotonic()
            if not self._has_end:
                self._backlog.observe(now_s - began_s, now_s)
            if packet.stream is not self._video:
                yield decode_packet(packet)
            elif self._backlog.skipping:
                self._whole.lose(now_s)
            else:
                yield self._whole.decode(packet, now_s)

    def _wait(self, seconds: float) -> bool:
        """Waits until a frame is due; returns whether the stream was stopped meanwhile."""
        stopped = self._stopped.wait(seconds)
        self._backlog.observe(seconds, time.monotonic())
        return stopped

    def _stored_size(self) -> Size:
        """Returns width and height of the frames as they are sent; 0 if that is not known yet."""
        return self._video.codec_context.width, self._video.codec_context.height

    def _until_first_frame(self, name: str) -> Iterator[tuple[Any, Sequence[Any]]]:
        """Yields packets and what they decode to, up to the first frame."""
        try:
            for packet in self._packets:
                is_video = packet.stream is self._video
                decoded = self._whole.decode(packet, time.monotonic()) if is_video else decode_packet(packet)
                yield packet, decoded
                if any(isinstance(frame, av.VideoFrame) for frame in decoded):
                    return
        except (av.error.FFmpegError, OSError) as exc:
            self._container.close()
            raise SourceError(f"the stream {name} broke off: {reason_of(exc)}") from exc

    def _orientation_of_first(self) -> Orientation:
        for packet, decoded in self._ahead:
            for frame in decoded:
                if isinstance(frame, av.VideoFrame):
                    return orientation_of(frame, self._video, bytes(packet))
        return Orientation()

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._ahead = []
        self._container.close()


def _open_container(url: str, name: str, transport: str) -> Any:
    scheme, colon, rest = url.partition(":")
    url = scheme.lower() + colon + rest
    # frames that arrive while the stream is examined would be old by then; but what comes by HTTP may be a film
    options = {} if url.startswith("http") else {"fflags": "nobuffer"}
    if url.startswith("rtsp:"):
        options |= {"rtsp_flags": "prefer_tcp"} if transport == TRANSPORTS[0] else {"rtsp_transport": transport}
    elif url.startswith("rtsps:"):
        options["rtsp_transport"] = "tcp"
    try:
        return av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
    except (av.error.FFmpegError, OSError) as exc:
        raise SourceError(f"cannot open the stream {name}: {reason_of(exc)}") from exc
