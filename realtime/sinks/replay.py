"""The last seconds, kept encoded in memory, so that they can be saved when something was worth it."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error

from realtime.audio.feed import AudioChunk, AudioQueue
from realtime.audio.live_track import SILENCE_AFTER_S, LiveAudioTrack
from realtime.frames import Frame, Pixels, Size
from realtime.media.decoding import file_url
from realtime.media.encoders import CONTAINERS, Encoding, OutputError
from realtime.media.video_encoder import MILLISECOND, VideoEncoder, VideoTrack
from realtime.sinks.output_file import whole_file

SUFFIX = ".mp4"
# A replay can begin once a second, so it is up to a second longer than asked for.
_KEY_EVERY_S = 1.0
# No chunk of audio is longer.
_LONGEST_CHUNK_S = 1.0


@dataclass(frozen=True)
class _Packet:
    """An encoded frame; `pts` is in milliseconds."""

    data: bytes
    pts: int
    is_key: bool


class Replay:
    """A sink that remembers the last seconds. A context manager; a SinkQueue writes into it, the player saves from it.

    It takes about 6 MB for 15 s of 640 x 480, and as much again for audio.

    Args:
        size: width and height of the frames.
        rate: frames per second.
        seconds: how much it remembers.
        audio: live audio, at the times of the frames' capture.
    """

    def __init__(self, size: Size, rate: Fraction, seconds: float, audio: AudioQueue | None = None) -> None:
        self.seconds = seconds
        self._audio = audio
        self._chunks: deque[AudioChunk] = deque()
        self._packets: deque[_Packet] = deque()
        self._lock = threading.Lock()
        self._started_at_s: float | None = None
        # never written: MP4 makes the encoder put its parameters where a later file finds them
        self._container: Any = av.open(io.BytesIO(), "w", format="mp4")
        self._video = VideoEncoder(
            self._container,
            "libx264",
            VideoTrack(size, rate, MILLISECOND, live=True),
            Encoding(low_latency=True),
            key_every_s=_KEY_EVERY_S,
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
        """Remembers a frame, and forgets what is too old.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has the time of capture.
        """
        now_s = frame.captured_at_s
        if self._started_at_s is None:
            self._started_at_s = now_s
        packets = self._video.encode(pixels, frame)
        encoded = [_Packet(bytes(packet), packet.pts or 0, packet.is_keyframe) for packet in packets]
        chunks = () if self._audio is None else self._audio.take_until(now_s)
        with self._lock:
            self._packets.extend(encoded)
            self._chunks.extend(chunks)
            self._forget()

    def _forget(self) -> None:
        """Drops whole groups of frames as long as what is left is long enough."""
        while (second := self._second_key()) and self._duration_s(self._packets[second]) >= self.seconds:
            for _ in range(second):
                self._packets.popleft()
        begins_s = self._time_s(self._packets[0]) if self._packets else 0.0
        while self._chunks and self._chunks[0].at_s < begins_s - _LONGEST_CHUNK_S:
            self._chunks.popleft()

    def _duration_s(self, first: _Packet) -> float:
        """Returns the time from a frame to the last one, in seconds."""
        return float((self._packets[-1].pts - first.pts) * MILLISECOND)

    def _time_s(self, packet: _Packet) -> float:
        """Returns when a frame was captured, on the monotonic clock, in seconds."""
        return (self._started_at_s or 0.0) + float(packet.pts * MILLISECOND)

    def _second_key(self) -> int:
        """Returns the index of the second frame that a file can begin with, 0 if there is none yet."""
        return next((index for index, packet in enumerate(self._packets) if index and packet.is_key), 0)

    def save(self, path: Path) -> float:
        """Writes what is remembered into an MP4 file, and returns its duration in seconds.

        Raises:
            OutputError: the file cannot be written, or there is nothing to save yet.
        """
        with self._lock:
            packets, chunks = tuple(self._packets), deque(self._chunks)
        if not packets:
            raise OutputError("there is nothing to replay yet")
        try:
            with (
                whole_file(path) as partial,
                av.open(file_url(partial), "w", options=dict(CONTAINERS[SUFFIX].options)) as container,
            ):
                self._mux(container, packets, chunks)
        except (av.error.FFmpegError, OSError) as exc:
            raise OutputError(f"cannot save the replay {path}: {exc.strerror or exc}") from exc
        return float((packets[-1].pts - packets[0].pts) * MILLISECOND)

    def _mux(self, container: Any, packets: Sequence[_Packet], chunks: deque[AudioChunk]) -> None:
        stream = container.add_stream_from_template(self._video.stream)
        late_s = 0.0 if self._audio is None else self._audio.late_s
        audio = None if self._audio is None else LiveAudioTrack(container, silence_after_s=SILENCE_AFTER_S + late_s)
        if audio is not None:
            audio.begin(self._time_s(packets[0]))
        for each in packets:
            packet: Any = av.Packet(each.data)
            packet.pts = packet.dts = each.pts - packets[0].pts
            packet.time_base, packet.is_keyframe, packet.stream = MILLISECOND, each.is_key, stream
            container.mux(packet)
            if audio is not None:
                at_s = self._time_s(each)
                while chunks and chunks[0].at_s <= at_s:
                    audio.write(chunks.popleft())
                audio.keep_up(at_s)
        if audio is not None:
            audio.finish()
