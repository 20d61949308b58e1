"""Beats are found where they are, in clicks and in music, and nowhere in noise, in clatter and in silence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.audio.beats import BeatTracker
from realtime.audio.feed import SAMPLE_RATE
from realtime.audio.hearing import Loudness
from tests.realtime.sounds import Mono, band, beat_times, chunks, clicks, noise, silence

SECONDS = 9.0
NEAR_S = 0.03


def beats_in(track: Mono, tracker: BeatTracker | None = None, begins_s: float = 0.0) -> NDArray[np.float64]:
    """Returns the beats that are found while a track is heard."""
    tracker = tracker or BeatTracker()
    found: list[float] = []
    for chunk in chunks(track, begins_s):
        tracker.hear(chunk)
        found += tracker.beats_until(chunk.at_s + chunk.samples.shape[1] / SAMPLE_RATE)
    return np.array(found)


def distances(found: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest: NDArray[np.float64] = np.abs(found[:, np.newaxis] - true).min(axis=1)
    return nearest


@pytest.mark.parametrize("bpm", [75, 97, 120, 140.5])
@pytest.mark.parametrize("hiss", [0.0, 0.02])
def test_the_beats_of_a_metronome_are_found_within_seconds(bpm: float, hiss: float) -> None:
    found, true = beats_in(clicks(bpm, SECONDS, hiss)), beat_times(bpm, SECONDS)
    assert found[0] < 3.6
    assert distances(found, true).max() < NEAR_S
    assert len(found) >= (true > 3.6).sum() - 1, "none is left out"
    assert np.diff(found).min() > 0.8 * 60 / bpm, "none comes twice"


@pytest.mark.parametrize("bpm", [90, 120, 126])
def test_the_beats_of_a_band_are_found(bpm: float) -> None:
    found = beats_in(band(bpm, SECONDS))
    assert len(found) >= 7
    assert distances(found, beat_times(bpm, SECONDS)).max() < NEAR_S


def test_fast_music_is_followed_at_every_second_beat_if_not_at_each() -> None:
    found = beats_in(clicks(174, SECONDS))
    assert distances(found, beat_times(174, SECONDS)).max() < NEAR_S
    assert len(found) >= 8


def clatter(seed: int) -> Mono:
    """Returns clicks at random times."""
    track, rng = silence(12), np.random.default_rng(seed)
    for begin in rng.integers(0, len(track) - 480, 24):
        track[begin : begin + 480] += 0.5 * rng.standard_normal(480).astype(np.float32)
    return track


NOT_MUSIC = {
    "silence": silence(6),
    "noise": noise(12),
    "other noise": noise(12, seed=1),
    "the hiss of a quiet room": noise(6, 1e-4),
    "rumble": np.cumsum(noise(6, 1e-3)).astype(np.float32),
    "a tone": np.sin(np.arange(6 * SAMPLE_RATE) / 20).astype(np.float32),
    "clatter": clatter(0),
    "other clatter": clatter(1),
}


@pytest.mark.parametrize("name", NOT_MUSIC)
def test_what_is_no_music_has_no_beats(name: str) -> None:
    assert len(beats_in(NOT_MUSIC[name])) == 0


def test_the_next_beat_is_known_before_it_is_heard() -> None:
    tracker, true = BeatTracker(), beat_times(120, SECONDS + 1)
    found: list[float] = []
    for chunk in chunks(clicks(120, SECONDS)):
        tracker.hear(chunk)
        found += tracker.beats_until(chunk.at_s + 0.15)
    assert distances(np.array(found), true).max() < NEAR_S
    assert np.diff(found).min() > 0.4


def test_after_the_music_there_are_no_beats_and_another_tempo_is_followed() -> None:
    tracker = BeatTracker()
    track = np.concatenate([clicks(120, 6), silence(6), clicks(90, 12)])
    found = beats_in(track, tracker)
    assert (found < 6).sum() >= 6
    assert not ((found > 8) & (found < 12)).any()
    late = found[found > 20]
    assert len(late) >= 4
    assert distances(late, 12 + beat_times(90, 12)).max() < NEAR_S


def test_sound_that_goes_on_elsewhere_is_heard_again_from_the_beginning() -> None:
    tracker = BeatTracker()
    beats_in(clicks(120, 6), tracker)
    assert tracker.period_s == pytest.approx(0.5, abs=0.01)
    again = beats_in(clicks(100, 6), tracker, begins_s=100.0)
    assert again.min() > 102
    assert distances(again, 100 + beat_times(100, 6)).max() < NEAR_S


def test_loudness_is_measured_beside_the_loudest_and_does_not_tremble_with_the_beat() -> None:
    def level_after(*tracks: Mono) -> list[float]:
        loudness, levels, begins_s = Loudness(), [], 0.0
        for track in tracks:
            for chunk in chunks(track, begins_s):
                loudness.hear(chunk)
            begins_s += len(track) / SAMPLE_RATE
            levels.append(loudness.level)
        return levels

    assert level_after(silence(1)) == [0.0]
    loud, quiet, silent = level_after(noise(2, 0.3), noise(4, 0.1), silence(9))
    assert loud == pytest.approx(1, abs=0.05)
    assert 0.3 < quiet < 0.75
    assert silent == 0
    loudness, levels = Loudness(), []
    for chunk in chunks(clicks(120, 6)):
        loudness.hear(chunk)
        levels.append(loudness.level)
    assert min(levels[200:]) > 0.75
