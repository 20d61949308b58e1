"""A live stream from the network: its frames as they arrive, its audio on the same clock."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any

import av
import av.error

from realtime.audio.feed import AudioChunk, AudioDecoder, AudioFeed
from realtime.frames import Frame, Presentation, Size
from realtime.media.color import Orientation, ToRgb, orientation_of, scaled_aspect
from realtime.media.decoding import SourceError, decode_packet, demuxed, frame_rate, open_video_stream, reason_of
from realtime.media.rates import LIVE_TIME_BASE
from realtime.sources.base import BaseSource, SourceInfo
from styles.support.secrets import shown_address

_OPEN_TIMEOUT_S = 10.0
# A read that takes longer means that the stream is broken. Less than leaving waits for the reading thread.
_READ_TIMEOUT_S = 4.0
# FFmpeg's names of streams that come as files of several seconds each.
_SEGMENTED = {"hls", "dash"}
# The least delay is looked for within this time.
_CLOCK_WINDOW_S = 4.0
# A stream's clock that differs by more has been reset.
_CLOCK_JUMP_S = 5.0


class StreamClock:
    """Where a stream's clock stands on ours, according to the frame of the last seconds that was delayed least.

    A server that begins with what it has buffered, or a network that stutters, delays frames but never hurries them.
    """

    def __init__(self) -> None:
        self.began_s: float | None = None
        """When, on our clock, the stream's was at 0; None before the first frame."""
        self._begins: deque[tuple[float, float]] = deque()

    def observe(self, frame_time_s: float, now_s: float) -> None:
        """Notes that a frame has arrived.

        Args:
            frame_time_s: its timestamp, in seconds.
            now_s: the monotonic time, in seconds.
        """
        begin_s = now_s - frame_time_s
        if self.began_s is not None and abs(begin_s - self.began_s) > _CLOCK_JUMP_S:
            self._begins.clear()
        while self._begins and self._begins[0][0] < now_s - _CLOCK_WINDOW_S:
            self._begins.popleft()
        # an earlier and larger one can never be the least again
        while self._begins and self._begins[-1][1] >= begin_s:
            self._begins.pop()
        self._begins.append((now_s, begin_s))
        self.began_s = self._begins[0][1]

    def early_s(self, frame_time_s: float, now_s: float) -> float:
        """Returns the seconds until a frame is due; 0 if it is late or the stream's clock has jumped."""
        early_s = 0.0 if self.began_s is None else self.began_s + frame_time_s - now_s
        return early_s if 0 < early_s < _CLOCK_JUMP_S else 0.0


class NetworkStream(BaseSource):
    """A live stream (rtsp, http, udp, rtmp …) through PyAV.

    A file behind a URL, and a stream that comes in segments of several seconds, is played at its own speed.

    Args:
        url: its address.
        size: width and height to scale to; None for the stream's own.
        audio: takes its audio, if it has any.

    Raises:
        SourceError: the stream cannot be opened.
    """

    def __init__(self, url: str, size: Size | None = None, audio: AudioFeed | None = None) -> None:
        # people who see the screen must not see the password
        name = shown_address(url)
        self._container = _open_container(url, name)
        self._video = open_video_stream(self._container, name, live=True)
        self._audio_streams = () if audio is None else tuple(self._container.streams.audio[:1])
        # a file behind a URL has an end; anything else that stops was cut off
        self._has_end = bool(self._container.duration) or self._container.size > 0
        self._paced = self._has_end or self._container.format.name in _SEGMENTED
        self._stopped = threading.Event()
        self._packets = demuxed(self._container, self._video, *self._audio_streams)
        # what is a file or nearly one says by its first frame which way is up; a live stream is not waited for
        self._ahead = list(self._until_first_frame(name)) if self._paced else []
        self._orientation = self._orientation_of_first()
        stored = self._video.codec_context.width, self._video.codec_context.height
        upright = self._orientation.size(stored)
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        aspect = (1 / aspect if self._orientation.swapped else aspect) if aspect > 0 else Fraction(1)
        super().__init__(
            SourceInfo(
                name=name,
                size=size or upright,
                presentation=Presentation(scaled_aspect(aspect, upright, size or upright)),
                rate=frame_rate(self._video),
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
        for frames in chain((frames for _, frames in ahead), map(decode_packet, self._packets)):
            for decoded in frames:
                if isinstance(decoded, av.VideoFrame):
                    time_s = float(decoded.time or 0)
                    if self._paced and self._stopped.wait(clock.early_s(time_s, time.monotonic())):
                        return
                    now_s = time.monotonic()
                    clock.observe(time_s, now_s)
                    yield Frame(to_rgb(decoded), index, now_s)
                    index += 1
                elif clock.began_s is not None and self.info.audio is not None:
                    for chunk in audio_decoder.chunks(decoded):
                        self.info.audio.put(AudioChunk(clock.began_s + chunk.at_s, chunk.samples))

    def _until_first_frame(self, name: str) -> Iterator[tuple[Any, Sequence[Any]]]:
        """Yields packets and what they decode to, up to the first frame."""
        try:
            for packet in self._packets:
                decoded = decode_packet(packet)
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


def _open_container(url: str, name: str) -> Any:
    scheme, colon, rest = url.partition(":")
    url = scheme.lower() + colon + rest
    # frames that arrive while the stream is examined would be old by then; but what comes by HTTP may be a film
    options = {} if url.startswith("http") else {"fflags": "nobuffer"}
    if url.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    try:
        return av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
    except (av.error.FFmpegError, OSError) as exc:
        raise SourceError(f"cannot open the stream {name}: {reason_of(exc)}") from exc
