"""Sound made in code: clicks, a small band, noise; and films with it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from realtime.audio.feed import SAMPLE_RATE, AudioChunk
from tests.realtime.clips import SIZE, numbered

Mono = NDArray[np.float32]


def beat_times(bpm: float, seconds: float, first_s: float = 0.13) -> NDArray[np.float64]:
    """Returns when the beats are, in seconds."""
    return np.arange(first_s, seconds, 60 / bpm)


def silence(seconds: float) -> Mono:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def noise(seconds: float, loudness: float = 0.1, seed: int = 0) -> Mono:
    """Returns white noise."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return (loudness * samples).astype(np.float32)


def _decaying(seconds: float, rate: float, hertz: float = 0.0, seed: int = 0) -> Mono:
    """Returns a tone, or for 0 Hz noise, that fades away."""
    at_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    shape = np.sin(2 * np.pi * hertz * at_s) if hertz else np.random.default_rng(seed).standard_normal(len(at_s))
    return (shape * np.exp(-rate * at_s)).astype(np.float32)


def _add(track: Mono, at_s: float, sound: Mono) -> None:
    begin = round(at_s * SAMPLE_RATE)
    part = track[begin : begin + len(sound)]
    part += sound[: len(part)]


def clicks(bpm: float, seconds: float, hiss: float = 0.0) -> Mono:
    """Returns a metronome, with some noise."""
    track, click = noise(seconds, hiss) if hiss else silence(seconds), 0.8 * _decaying(0.01, 480, hertz=1000)
    for at_s in beat_times(bpm, seconds):
        _add(track, at_s, click)
    return track


def band(bpm: float, seconds: float) -> Mono:
    """Returns a bass drum and a snare in turn, a hi-hat twice a beat, and a chord for each bar."""
    track, beat_s = silence(seconds), 60 / bpm
    for number, at_s in enumerate(beat_times(bpm, seconds)):
        _add(track, at_s, 0.35 * _decaying(0.15, 25, seed=1) if number % 2 else 0.8 * _decaying(0.3, 12, hertz=55))
        for half in (0.0, 0.5):
            _add(track, at_s + half * beat_s, 0.12 * _decaying(0.04, 120, seed=2))
        if number % 4 == 0:
            for tone in (1.0, 1.25, 1.5):
                _add(track, at_s, 0.06 * _decaying(4 * beat_s, 0.3, hertz=tone * (110, 147, 131)[number // 4 % 3]))
    return track


def chunks(track: Mono, begins_s: float = 0.0, size: int = 1024) -> Iterator[AudioChunk]:
    """Yields a track chunk by chunk, as it is decoded or recorded."""
    for begin in range(0, len(track), size):
        yield AudioChunk(begins_s + begin / SAMPLE_RATE, np.stack([track[begin : begin + size]] * 2))


def write_film(path: Path, track: Mono, rate: Fraction = Fraction(25)) -> Path:
    """Writes a film of one grey with that sound, uncompressed, in a .mov; returns its path."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        pictures.width, pictures.height, pictures.pix_fmt = *SIZE, "yuv420p"
        sound: Any = container.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono")
        for index in range(int(len(track) / SAMPLE_RATE * rate)):
            picture = av.VideoFrame.from_ndarray(numbered(4), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(pictures.encode(picture))
        levels = (32767 * np.clip(track, -1, 1)).astype(np.int16)
        for begin in range(0, len(levels), 1024):
            frame = av.AudioFrame.from_ndarray(levels[np.newaxis, begin : begin + 1024], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, begin, Fraction(1, SAMPLE_RATE)
            container.mux(sound.encode(frame))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))
    return path
