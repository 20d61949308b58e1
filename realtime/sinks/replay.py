"""The last seconds of a show, kept encoded in memory, to be saved when something was worth it."""

from __future__ import annotations

import io
import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from av.video.frame import PictureType

from realtime.audio.feed import AudioChunk, AudioQueue
from realtime.audio.live_track import LiveAudioTrack
from realtime.frames import Frame, Pixels
from realtime.media import h264
from realtime.media.encoders import CONTAINERS, CRF
from realtime.sinks.recorder import OutputError

SUFFIX = ".mp4"
# A replay can begin once a second, so it is up to a second longer than asked for.
_KEY_EVERY_S = 1.0
# No piece of sound is longer.
_PIECE_S = 1.0


@dataclass(frozen=True)
class _Packet:
    """An encoded picture; `pts` in ticks of h264.CLOCK."""

    data: bytes
    pts: int
    is_key: bool


class Replay:
    """A sink that remembers the last `seconds`. A context manager; written to by a SinkQueue, saved from the loop.

    ear: hears the sound that goes with the pictures. Memory is what so many seconds of H.264 take, about 6 MB for 15 s
    of 640 x 480, and as much for sound.
    """

    def __init__(self, size: tuple[int, int], rate: Fraction, seconds: float, ear: AudioQueue | None = None) -> None:
        self.seconds = seconds
        self._ear = ear
        self._pieces: deque[AudioChunk] = deque()
        self._size = size
        self._ticks = round(seconds / h264.CLOCK)
        self._packets: deque[_Packet] = deque()
        self._lock = threading.Lock()
        self._started_s: float | None = None
        self._next_key = 0
        # a container that is never written: MP4 has the encoder put its parameters where a later file finds them
        self._container: Any = av.open(io.BytesIO(), "w", format="mp4")
        self._stream = h264.add_stream(
            self._container,
            size,
            rate,
            encoder="libx264",
            key_every_s=_KEY_EVERY_S,
            options={"preset": "ultrafast", "crf": str(CRF)},
        )
        self._container.start_encoding()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packets.clear()
        self._container.close()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Remembers a picture (H x W x 3 uint8 RGB) with the time of its capture, and forgets what is too old."""
        if self._started_s is None:
            self._started_s = frame.captured_at_s
        last = self._packets[-1].pts if self._packets else -1
        pts = max(last + 1, round((frame.captured_at_s - self._started_s) / h264.CLOCK))
        picture = h264.yuv(pixels, self._size, pts)
        if pts >= self._next_key:  # by time: a source may be slower than it says
            picture.pict_type = PictureType.I
            self._next_key = pts + round(_KEY_EVERY_S / h264.CLOCK)
        encoded = [_Packet(bytes(packet), packet.pts, packet.is_keyframe) for packet in self._stream.encode(picture)]
        heard = () if self._ear is None else self._ear.take_until(frame.captured_at_s)
        with self._lock:
            self._packets.extend(encoded)
            self._pieces.extend(heard)
            self._forget()

    def _forget(self) -> None:
        """Drops whole groups of pictures as long as what is left is long enough."""
        while (second := self._second_key()) and self._packets[-1].pts - self._packets[second].pts >= self._ticks:
            for _ in range(second):
                self._packets.popleft()
        while self._pieces and self._packets and self._pieces[0].at_s < self._time_of(self._packets[0]) - _PIECE_S:
            self._pieces.popleft()

    def _time_of(self, packet: _Packet) -> float:
        """Returns when a picture was taken, on the show's clock."""
        return (self._started_s or 0.0) + float(packet.pts * h264.CLOCK)

    def _second_key(self) -> int:
        """Returns the place of the second picture that a file can begin with, 0 where there is none yet."""
        return next((place for place, packet in enumerate(self._packets) if place and packet.is_key), 0)

    def save(self, path: Path) -> float:
        """Writes what is remembered into an MP4 file; returns its length in s. Raises OutputError."""
        with self._lock:
            packets, pieces = tuple(self._packets), deque(self._pieces)
        if not packets:
            raise OutputError("there is nothing to replay yet")
        try:
            with av.open(str(path), "w", options=dict(CONTAINERS[SUFFIX].options)) as container:
                stream: Any = container.add_stream_from_template(self._stream)
                sound = None if self._ear is None else LiveAudioTrack(container)
                if sound is not None:
                    sound.begin(self._time_of(packets[0]))
                for each in packets:
                    packet = av.Packet(each.data)
                    packet.pts = packet.dts = each.pts - packets[0].pts
                    packet.time_base, packet.is_keyframe, packet.stream = h264.CLOCK, each.is_key, stream
                    container.mux(packet)
                    if sound is None:
                        continue
                    at_s = self._time_of(each)
                    while pieces and pieces[0].at_s <= at_s:
                        sound.write(pieces.popleft())
                    sound.keep_up(at_s)
                if sound is not None:
                    sound.finish()
        except (av.error.FFmpegError, OSError) as exc:
            raise OutputError(f"cannot save the replay {path}: {exc.strerror or exc}") from exc
        return float((packets[-1].pts - packets[0].pts) * h264.CLOCK)
