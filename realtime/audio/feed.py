"""The sound of a source as it is heard live: decoded, on the show's clock, waiting beside the picture being painted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from realtime.media.packets import decode_packet

RATE = 48_000
# What nobody takes is forgotten after so long.
_WAITING_S = 4.0

# 2 x N, left and right, -1..1
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """Stereo samples at RATE; `at_s` is when the first of them is heard."""

    at_s: float
    samples: Samples


class AudioFeed:
    """Sound from the thread that hears it to all who listen, times on the show's clock; while `muted` to nobody."""

    def __init__(self) -> None:
        self.muted = False
        self._ears: tuple[AudioQueue, ...] = ()

    def ear(self) -> AudioQueue:
        """Returns a new listener, which hears everything from now on."""
        ear = AudioQueue()
        self._ears = (*self._ears, ear)
        return ear

    def forget(self, ear: AudioQueue) -> None:
        """Lets a listener go."""
        self._ears = tuple(each for each in self._ears if each is not ear)

    def take_back(self, from_s: float) -> None:
        """Has nobody hear what was put for that time and later, as far as it is still waiting."""
        for ear in self._ears:
            ear.forget_from(from_s)

    def put(self, piece: AudioChunk) -> None:
        if not self.muted:
            for ear in self._ears:
                ear.hear(piece)


class AudioQueue:
    """Pieces of sound that wait for the thread that encodes them; the oldest are forgotten where nobody takes them."""

    def __init__(self) -> None:
        self._pieces: deque[AudioChunk] = deque()
        self._lock = threading.Lock()

    def hear(self, piece: AudioChunk) -> None:
        with self._lock:
            self._pieces.append(piece)
            while piece.at_s - self._pieces[0].at_s > _WAITING_S:
                self._pieces.popleft()

    def forget_from(self, at_s: float) -> None:
        """Forgets the pieces that are heard at that time or later."""
        with self._lock:
            while self._pieces and self._pieces[-1].at_s >= at_s:
                self._pieces.pop()

    def take_until(self, at_s: float) -> Sequence[AudioChunk]:
        """Returns the pieces that are heard before that time."""
        taken = []
        with self._lock:
            while self._pieces and self._pieces[0].at_s <= at_s:
                taken.append(self._pieces.popleft())
        return taken


class AudioDecoder:
    """Turns the decoded frames of a sound stream into pieces, whatever its rate and channels; times are its own."""

    def __init__(self) -> None:
        self._resampler: Any = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)

    def pieces(self, frame: Any) -> Iterator[AudioChunk]:
        for resampled in self._resampler.resample(frame):
            if resampled.pts is not None:
                samples = np.ascontiguousarray(resampled.to_ndarray(), dtype=np.float32)
                yield AudioChunk(float(resampled.pts * resampled.time_base), samples)


class FileAudio:
    """The sound of a file from `begins_s` of its clock on, which is 0 of its own; read beside its picture."""

    def __init__(self, path: Path, begins_s: float) -> None:
        self._container: Any = av.open(str(path), metadata_errors="replace")
        self._begins_s = begins_s
        self.there = bool(self._container.streams.audio)
        self._pieces = self._read()
        self._next: AudioChunk | None = None

    def until(self, time_s: float) -> Iterator[AudioChunk]:
        """Gives the pieces that are heard before that time, once each; nothing where there is no sound."""
        while True:
            self._next = self._next or next(self._pieces, None)
            if self._next is None or self._next.at_s > time_s:
                return
            piece, self._next = self._next, None
            yield piece

    def _read(self) -> Iterator[AudioChunk]:
        decoder, begins_s = AudioDecoder(), self._begins_s
        streams = self._container.streams.audio
        if not streams:
            return
        try:
            if begins_s:
                self._container.seek(round(begins_s * av.time_base))
            for packet in self._container.demux(streams[0]):
                for frame in decode_packet(packet):
                    for piece in decoder.pieces(frame):
                        at_s = piece.at_s - begins_s
                        if at_s >= 0:
                            yield AudioChunk(at_s, piece.samples)
        except av.error.FFmpegError:
            return  # what cannot be read any more ends the picture too, which says so

    def close(self) -> None:
        self._pieces = iter(())
        self._container.close()
