"""Live audio: decoded, on the clock of the captured frames, queued beside the frames that are being painted."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from realtime.frames import ClipRange
from realtime.media.decoding import decode_packet, demuxed, open_clip

# Samples per second of all live audio.
SAMPLE_RATE = 48_000
# Audio that nobody takes is dropped after this time.
_MAX_QUEUED_S = 4.0

# 2 x N float32, left and right, -1..1
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Some stereo audio at SAMPLE_RATE.

    Args:
        at_s: the time of its first sample, in seconds.
        samples: 2 x N float32, -1..1.
    """

    at_s: float
    samples: Samples


class AudioFeed:
    """Passes live audio from the thread that captures it to all subscribers; times are on the monotonic clock.

    While `muted` is set, what is put in is dropped, except for those who also listen then.

    Args:
        delay_s: how much later the audio is to be heard than it was captured, in seconds; below 0 it is to be heard
            earlier.
    """

    def __init__(self, delay_s: float = 0.0) -> None:
        self.muted = False
        self._delay_s = delay_s
        self._queues: tuple[AudioQueue, ...] = ()

    def subscribe(self, *, while_muted: bool = False) -> AudioQueue:
        """Returns a new queue, which gets all audio from now on.

        Args:
            while_muted: also while the feed is muted: for what nobody hears.
        """
        queue = AudioQueue(late_s=max(0.0, -self._delay_s), while_muted=while_muted)
        self._queues = (*self._queues, queue)
        return queue

    def unsubscribe(self, queue: AudioQueue) -> None:
        """Lets go of a queue, which gets nothing any more."""
        self._queues = tuple(each for each in self._queues if each is not queue)

    def put(self, chunk: AudioChunk) -> None:
        """Adds audio to all queues; while muted, to those that get it then too."""
        delayed = replace(chunk, at_s=chunk.at_s + self._delay_s)
        for queue in self._queues:
            if queue.while_muted or not self.muted:
                queue.put(delayed)

    def discard_from(self, at_s: float) -> None:
        """Removes from all queues what was captured at `at_s` (seconds) or later and has not been taken."""
        for queue in self._queues:
            queue.discard_from(at_s + self._delay_s)


class AudioQueue:
    """Audio that waits for the thread that encodes it; the oldest is dropped if nobody takes it.

    Args:
        late_s: how much later than their frames the chunks come, in seconds, beyond the usual.
        while_muted: whether a feed that is muted puts audio in.
    """

    def __init__(self, late_s: float = 0.0, while_muted: bool = False) -> None:
        self.late_s, self.while_muted = late_s, while_muted
        self._chunks: deque[AudioChunk] = deque()
        self._lock = threading.Lock()

    def put(self, chunk: AudioChunk) -> None:
        """Adds a chunk that begins after those before it."""
        with self._lock:
            self._chunks.append(chunk)
            while chunk.at_s - self._chunks[0].at_s > _MAX_QUEUED_S:
                self._chunks.popleft()

    def discard_from(self, at_s: float) -> None:
        """Removes the chunks that begin at `at_s` (seconds) or later."""
        with self._lock:
            while self._chunks and self._chunks[-1].at_s >= at_s:
                self._chunks.pop()

    def take_until(self, at_s: float) -> Sequence[AudioChunk]:
        """Removes and returns the chunks that begin at `at_s` (seconds) or earlier."""
        taken = []
        with self._lock:
            while self._chunks and self._chunks[0].at_s <= at_s:
                taken.append(self._chunks.popleft())
        return taken


class AudioDecoder:
    """Turns the decoded frames of one audio stream, whatever their rate and channels, into chunks."""

    def __init__(self) -> None:
        self._resampler: Any = av.AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)

    def chunks(self, frame: Any) -> Iterator[AudioChunk]:
        """Yields what an audio frame of PyAV contains; times are those of its stream."""
        for resampled in self._resampler.resample(frame):
            if resampled.pts is not None:
                samples = np.ascontiguousarray(resampled.to_ndarray(), dtype=np.float32)
                yield AudioChunk(float(resampled.pts * resampled.time_base), samples)


class FileAudio:
    """The first audio stream of a file, decoded as its video is played.

    Args:
        clip: the part of the file; its beginning is 0 in the chunks.

    `available` says whether the file has audio.
    """

    def __init__(self, clip: ClipRange) -> None:
        self._container: Any = open_clip(clip)
        self._begins_s = float(clip.begins_s)
        self._length_s = math.inf if clip.ends_s is None else float(clip.ends_s - clip.begins_s)
        self.available = bool(self._container.streams.audio)
        self._chunks = self._read()
        self._next: AudioChunk | None = None

    def read_until(self, time_s: float) -> Iterator[AudioChunk]:
        """Yields the chunks that begin at `time_s` (seconds) or earlier, each once; none if there is no audio."""
        while True:
            self._next = self._next or next(self._chunks, None)
            if self._next is None or self._next.at_s > min(time_s, self._length_s):
                return
            chunk, self._next = self._next, None
            yield chunk

    def _read(self) -> Iterator[AudioChunk]:
        decoder, begins_s = AudioDecoder(), self._begins_s
        streams = self._container.streams.audio
        if not streams:
            return
        try:
            if begins_s:
                self._container.seek(round(begins_s * av.time_base))
            for packet in demuxed(self._container, streams[0]):
                for frame in decode_packet(packet):
                    for chunk in decoder.chunks(frame):
                        at_s = chunk.at_s - begins_s
                        if at_s >= 0:
                            yield AudioChunk(at_s, chunk.samples)
        except av.error.FFmpegError:
            return  # a damaged file ends the video too, which reports it

    def close(self) -> None:
        """Closes the file."""
        self._chunks = iter(())
        self._container.close()
