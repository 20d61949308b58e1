"""Sound that is heard live, as a stream of a container beside its pictures; silence where none comes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from realtime.audio.feed import RATE, AudioChunk

_BIT_RATE = 128_000
_ENCODER_FRAME = 1024
_SILENCE = np.zeros((2, _ENCODER_FRAME), np.float32)
# The times of sound that goes on tremble by less than that.
_JITTER_SAMPLES = RATE // 20
# Sound may come so much later than its picture before silence takes its place.
PATIENCE_S = 0.5


class LiveAudioTrack:
    """Encodes pieces of sound at their times, the first picture's being 0; without a gap, by silence where need be.

    container: an open `av` container that has not begun. codec: FFmpeg's name, as "aac". patience_s: how long after
    its picture sound is waited for. Raises what PyAV raises.
    """

    def __init__(self, container: Any, codec: str = "aac", patience_s: float = PATIENCE_S) -> None:
        self._container = container
        self._stream = container.add_stream(codec, rate=RATE, layout="stereo")
        self._stream.bit_rate = _BIT_RATE
        self._patience = round(patience_s * RATE)
        self._began_s: float | None = None
        # the encoder begins a frame early, and before the first picture there is no time
        self._heard = _ENCODER_FRAME

    def begin(self, at_s: float) -> None:
        """Says when the first picture was taken, on the clock of the pieces; later calls change nothing."""
        if self._began_s is None:
            self._began_s = at_s

    def write(self, piece: AudioChunk) -> None:
        """Adds a piece; what is heard before the first picture has no place."""
        if self._began_s is None:
            return
        begins = round((piece.at_s - self._began_s) * RATE)
        if abs(begins - self._heard) < _JITTER_SAMPLES:
            begins = self._heard
        self._be_silent_until(begins)
        samples = piece.samples[:, max(0, self._heard - begins) :]
        if samples.shape[1]:
            self._encode(samples)

    def keep_up(self, at_s: float) -> None:
        """Is silent up to the patience before `at_s`, where nothing was heard: whoever plays it waits for sound."""
        if self._began_s is not None:
            self._be_silent_until(round((at_s - self._began_s) * RATE) - self._patience)

    def finish(self) -> None:
        """Writes what the encoder holds back."""
        self._container.mux(self._stream.encode(None))

    def _be_silent_until(self, sample: int) -> None:
        while self._heard < sample:
            self._encode(_SILENCE[:, : sample - self._heard])

    def _encode(self, samples: Any) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self._heard
        self._heard += samples.shape[1]
        self._container.mux(self._stream.encode(frame))
