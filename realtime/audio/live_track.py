"""Live audio as a stream of a container that is being written, with silence where none arrives."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

from realtime.audio.feed import SAMPLE_RATE, AudioChunk, Samples

_BIT_RATE = 128_000
_ENCODER_FRAME = 1024
_SILENCE = np.zeros((2, _ENCODER_FRAME), np.float32)
# The timestamps of continuous audio jitter by less than this.
_JITTER_SAMPLES = SAMPLE_RATE // 20
# Audio may arrive this much later than its frame before silence takes its place.
SILENCE_AFTER_S = 0.5


class LiveAudioTrack:
    """Encodes chunks at their times, with 0 for the first frame, and fills gaps with silence.

    Args:
        container: an output container of PyAV that has not been started.
        codec: FFmpeg's name of an encoder, e.g. "aac".
        silence_after_s: how long to wait for audio, in seconds after its frame, before silence is written.

    All methods raise what PyAV raises.
    """

    def __init__(self, container: Any, codec: str = "aac", silence_after_s: float = SILENCE_AFTER_S) -> None:
        self._container = container
        self._stream = container.add_stream(codec, rate=SAMPLE_RATE, layout="stereo")
        self._stream.bit_rate = _BIT_RATE
        self._silence_after = round(silence_after_s * SAMPLE_RATE)
        self._began_s: float | None = None
        # the encoder's own delay lies before the first frame, where a container has no time
        self._written = _ENCODER_FRAME

    def begin(self, at_s: float) -> None:
        """Sets the time of the first frame, on the clock of the chunks, in seconds; later calls change nothing."""
        if self._began_s is None:
            self._began_s = at_s

    def write(self, chunk: AudioChunk) -> None:
        """Adds a chunk; audio from before the first frame is dropped."""
        if self._began_s is None:
            return
        begins = round((chunk.at_s - self._began_s) * SAMPLE_RATE)
        if abs(begins - self._written) < _JITTER_SAMPLES:
            begins = self._written
        self._fill_until(begins)
        samples = chunk.samples[:, max(0, self._written - begins) :]
        if samples.shape[1]:
            self._encode(samples)

    def keep_up(self, at_s: float) -> None:
        """Writes silence if audio is late, since players wait for it.

        Args:
            at_s: the time of the last frame, on the clock of the chunks, in seconds.
        """
        if self._began_s is not None:
            self._fill_until(round((at_s - self._began_s) * SAMPLE_RATE) - self._silence_after)

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        self._container.mux(self._stream.encode(None))

    def _fill_until(self, sample: int) -> None:
        while self._written < sample:
            self._encode(_SILENCE[:, : sample - self._written])

    def _encode(self, samples: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), self._written
        self._written += samples.shape[1]
        self._container.mux(self._stream.encode(frame))
