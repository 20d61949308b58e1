"""A live stream from the network: its pictures as they come, its sound on the same clock."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator

import av
import av.error

from realtime.audio.feed import AudioChunk, AudioDecoder, AudioFeed
from realtime.frames import Frame
from realtime.media.color import ToRgb
from realtime.media.decoding import picture_stream, rate_of, reason_of
from realtime.media.packets import decode_packet
from realtime.media.rates import LIVE_TIME_BASE
from realtime.sources.base import Closing, Size, SourceError

# What is tried for this long is not there.
_OPEN_TIMEOUT_S = 10.0
# A read that takes longer is a broken stream; shorter than what closing waits for the reading thread.
_READ_TIMEOUT_S = 4.0
# FFmpeg's names of streams that come as files of many seconds each.
_IN_PIECES = {"hls", "dash"}
# The least delay is looked for in so many seconds; a clock that differs by more has begun anew.
_CLOCK_WINDOW_S = 4.0
_CLOCK_JUMP_S = 5.0


class StreamClock:
    """Where a stream's own clock stands on ours: as told by the picture of the last seconds that was least delayed.

    A server that begins with what it has kept, or a network that stutters, delays pictures, and never hurries them.
    """

    def __init__(self) -> None:
        self.began_s: float | None = None
        """When on our clock the stream's own was at 0; None before the first picture."""
        self._begins: deque[tuple[float, float]] = deque()

    def observe(self, own_s: float, now_s: float) -> None:
        """Notes that the picture of `own_s` came now."""
        begin_s = now_s - own_s
        if self.began_s is not None and abs(begin_s - self.began_s) > _CLOCK_JUMP_S:
            self._begins.clear()
        while self._begins and self._begins[0][0] < now_s - _CLOCK_WINDOW_S:
            self._begins.popleft()
        # of two the later and smaller one counts for as long as the other, and longer
        while self._begins and self._begins[-1][1] >= begin_s:
            self._begins.pop()
        self._begins.append((now_s, begin_s))
        self.began_s = self._begins[0][1]

    def early_s(self, own_s: float, now_s: float) -> float:
        """Returns how long it is until the picture of `own_s` is due; 0 where the clock has jumped."""
        early_s = 0.0 if self.began_s is None else self.began_s + own_s - now_s
        return early_s if 0 < early_s < _CLOCK_JUMP_S else 0.0


class NetworkStream(Closing):
    """A live stream (rtsp, http, udp, rtmp …) through PyAV. Raises SourceError when it cannot be opened or breaks.

    A file behind an address, and what comes in pieces of many seconds, is played at its own speed.

    heard: takes its sound, if it has any.
    """

    live = True
    frame_count: int | None = None

    def __init__(self, url: str, size: Size | None = None, heard: AudioFeed | None = None) -> None:
        # who sees the screen need not see the password
        self.name = re.sub(r"//[^/@]*@", "//", url)
        scheme, colon, rest = url.partition(":")
        url = scheme.lower() + colon + rest
        # what was sent while the stream was examined is old by then; but what comes by HTTP may be a film
        options = {} if url.startswith("http") else {"fflags": "nobuffer"}
        if url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container = av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
        except (av.error.FFmpegError, OSError) as exc:
            raise SourceError(f"cannot open the stream {self.name}: {reason_of(exc)}") from exc
        self._stream = picture_stream(self._container, self.name, live=True)
        self.size = size or (self._stream.codec_context.width, self._stream.codec_context.height)
        self.rate = rate_of(self._stream)
        self.time_base = LIVE_TIME_BASE
        # a file behind an address has an end; whatever else stops was cut off
        self._has_an_end = bool(self._container.duration) or self._container.size > 0
        self._paced = self._has_an_end or self._container.format.name in _IN_PIECES
        self._stopped = threading.Event()
        self._sound_streams = () if heard is None else tuple(self._container.streams.audio[:1])
        self.heard = heard if self._sound_streams else None

    def frames(self) -> Iterator[Frame]:
        index, to_rgb, sound, clock = 0, ToRgb(self.size), AudioDecoder(), StreamClock()
        try:
            for packet in self._container.demux(self._stream, *self._sound_streams):
                for decoded in decode_packet(packet):
                    if isinstance(decoded, av.VideoFrame):
                        own_s = float(decoded.time or 0)
                        if self._paced and self._stopped.wait(clock.early_s(own_s, time.monotonic())):
                            return
                        now_s = time.monotonic()
                        clock.observe(own_s, now_s)
                        yield Frame(to_rgb(decoded), index, now_s)
                        index += 1
                    elif clock.began_s is not None and self.heard is not None:
                        for piece in sound.pieces(decoded):
                            self.heard.put(AudioChunk(clock.began_s + piece.at_s, piece.samples))
        except av.error.EOFError:
            pass
        except (av.error.FFmpegError, OSError) as exc:
            raise SourceError(f"the stream {self.name} broke off: {reason_of(exc)}") from exc
        if index == 0:
            raise SourceError(f"the stream {self.name} ended before its first picture")
        if not self._has_an_end:
            raise SourceError(f"the stream {self.name} stopped")

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self._container.close()
