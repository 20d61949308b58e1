"""The beat of what is heard, followed as it sounds: onsets, tempo, and when the next beat is due.

Onsets are rises of the spectrum. The tempo is the period at whose multiples they are most like themselves, and a beat
is where onsets a period apart add up to most. Beats are predicted, so they are known in time although sound comes late.
Nothing is a beat unless onsets stand out and come regularly: noise, speech and silence have none.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from realtime.audio.feed import SAMPLE_RATE, AudioChunk

Floats = NDArray[np.float32]

# One onset value each 10 ms, of a window about twice as long.
_HOP, _WINDOW = SAMPLE_RATE // 100, 1024
_HOP_S = _HOP / SAMPLE_RATE
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 24, 60.0, 16_000.0
# The power in a band below which nothing is heard, so that the hiss of a quiet room has no onsets.
_FLOOR = 1e-7
# Onsets are what rises above the mean of the last half second.
_MEAN_HOPS = 50
# The onset is heard when it enters the window, and is strongest shortly after that.
_ONSET_DELAY_S = 0.012
# What the tempo is found in, and how often.
_HISTORY_HOPS, _FIRST_TEMPO_HOPS, _TEMPO_EVERY_HOPS = 600, 250, 20
_SLOWEST_BPM, _FASTEST_BPM, _USUAL_BPM, _SPREAD_OCTAVES = 60, 200, 120, 0.9
_PERIODS: Floats = np.arange(60 / _FASTEST_BPM / _HOP_S, 60 / _SLOWEST_BPM / _HOP_S + 0.1, 0.1, dtype=np.float32)
# Music has about 120 beats a minute more often than 60 or 200.
_USUALNESS: Floats = np.exp(-0.5 * np.square(np.log2(60 / (_PERIODS * _HOP_S) / _USUAL_BPM) / _SPREAD_OCTAVES))
_SMOOTHING = (0.25, 0.5, 0.25)
_MULTIPLES, _KNOWN_SHARE = 4, 0.75
# Another tempo is another one from this distance on, and if it explains so much more.
_NEAR_HOPS, _BETTER = 2.0, 1.2
# How fine the beat's place is looked for, how much onsets before count, and how far it moves: a share of the period.
_PHASE_STEP, _MEMORY, _PHASE_SPREAD = 0.25, 0.8, 0.15
# There is a beat if a period explains so much of the onsets, and more of few of them; once found, it may be less clear.
_FOUND, _FOUND_SOON, _KEPT = 0.38, 0.9, 0.22
# The strongest onsets of a beat rise by so much, in dB over all bands; without one for so many periods it has stopped.
_SALIENT_HOPS, _SALIENT_DB, _LONGEST_REST = 8, 1.5, 2.5
# Sound that goes on elsewhere is another piece.
_GAP_S = 0.25


class Onsets:
    """How much the spectrum rises, in dB over all bands, every 10 ms."""

    def __init__(self) -> None:
        self._window = np.hanning(_WINDOW).astype(np.float32)
        self._edges = _band_edges()
        self._heard = np.zeros(_WINDOW, np.float32)
        self._last: Floats | None = None
        self._recent: deque[float] = deque(maxlen=_MEAN_HOPS)

    def next(self, samples: Floats) -> float:
        """Returns the onset value of the next `_HOP` samples, float32 mono; 0 for none."""
        self._heard = np.concatenate([self._heard[_HOP:], samples])
        spectrum = np.fft.rfft(self._heard * self._window) / _WINDOW
        power = np.add.reduceat(np.square(np.abs(spectrum)), self._edges[:-1])[: len(self._edges) - 1]
        levels = 10 * np.log10(power + _FLOOR).astype(np.float32)
        rise = 0.0 if self._last is None else float(np.maximum(levels - self._last, 0).mean())
        self._last = levels
        usual = sum(self._recent) / len(self._recent) if self._recent else rise
        self._recent.append(rise)
        return max(0.0, rise - usual)


class BeatTracker:
    """Finds the beats of sound that comes chunk by chunk.

    `period_s` is the time from beat to beat, None while there is no beat.
    """

    def __init__(self) -> None:
        self.period_s: float | None = None
        self._restart()

    def _restart(self) -> None:
        self.period_s = None
        self._onsets = Onsets()
        self._rest = np.zeros(0, np.float32)
        self._ends_s: float | None = None
        self._count = 0
        self._strength = np.zeros(_HISTORY_HOPS, np.float32)
        self._hop_at_s = 0.0
        self._next_s: float | None = None
        self._last_beat_s = -math.inf
        self._due: deque[float] = deque()

    def hear(self, chunk: AudioChunk) -> None:
        """Takes in sound. After a gap, or a jump back, it begins again."""
        if self._ends_s is not None and abs(chunk.at_s - self._ends_s) > _GAP_S:
            self._restart()
        samples = np.concatenate([self._rest, chunk.samples.mean(axis=0, dtype=np.float32)])
        begins_s = chunk.at_s - len(self._rest) / SAMPLE_RATE
        whole = len(samples) // _HOP * _HOP
        for start in range(0, whole, _HOP):
            self._hop_at_s = begins_s + (start + _HOP) / SAMPLE_RATE - _ONSET_DELAY_S
            self._step(self._onsets.next(samples[start : start + _HOP]))
        self._rest = samples[whole:]
        self._ends_s = chunk.at_s + chunk.samples.shape[1] / SAMPLE_RATE

    def beats_until(self, at_s: float) -> Sequence[float]:
        """Returns the times of the beats up to `at_s`, in seconds, each once; also of one that is still to be heard."""
        self._pass_beats(at_s)
        taken = []
        while self._due and self._due[0] <= at_s:
            taken.append(self._due.popleft())
        return taken

    def _pass_beats(self, at_s: float) -> None:
        """Makes the beats up to a moment due; the period after each, the next one follows."""
        while self.period_s is not None and self._next_s is not None and self._next_s <= at_s:
            self._due.append(self._next_s)
            self._last_beat_s = self._next_s
            self._next_s += self.period_s

    def _step(self, onset: float) -> None:
        """Takes note of one onset value."""
        self._count += 1
        self._strength[:-1] = self._strength[1:]
        self._strength[-1] = onset
        self._pass_beats(self._hop_at_s)
        if self._count >= _FIRST_TEMPO_HOPS and self._count % _TEMPO_EVERY_HOPS == 0:
            self._follow()

    def _follow(self) -> None:
        """Finds the tempo, and with it when the next beat is due; there is none if onsets are weak or irregular."""
        heard = np.convolve(self._strength[-self._count :], _SMOOTHING, "same").astype(np.float32)
        strongest = float(np.sort(heard)[-_SALIENT_HOPS:].mean())
        period, clearness = _find_period(heard, None if self.period_s is None else self.period_s / _HOP_S)
        has_stopped = heard[-round(_LONGEST_REST * period) :].max() < _SALIENT_DB
        if has_stopped or strongest < _SALIENT_DB or clearness < self._needed_clearness():
            self.period_s = self._next_s = None
            return
        self.period_s = period * _HOP_S
        expected = None if self._next_s is None else (self._next_s - self._hop_at_s) / _HOP_S
        self._next_s = self._hop_at_s + _find_next(heard, period, expected) * _HOP_S
        # what was a beat a moment ago is not one again
        if self._next_s - self._last_beat_s < self.period_s / 2:
            self._next_s += self.period_s

    def _needed_clearness(self) -> float:
        if self.period_s is not None:
            return _KEPT
        known = min(1.0, self._count / _HISTORY_HOPS)
        return _FOUND * known + _FOUND_SOON * (1 - known)


def _band_edges() -> NDArray[np.int64]:
    """Returns the first bin of each band, and the one after the last: as wide as octaves are, one bin at least."""
    hertz = np.geomspace(_LOWEST_HZ, _HIGHEST_HZ, _BANDS + 1)
    return np.unique(np.round(hertz * _WINDOW / SAMPLE_RATE).astype(np.int64))


def _find_period(heard: Floats, current: float | None) -> tuple[float, float]:
    """Returns the period of onsets, in hops, and how much of them it explains, 0..1.

    Args:
        heard: onset values, the newest last.
        current: the period until now, None for none; another one has to be clearly better.
    """
    correlation = _autocorrelation(heard)
    explained = _comb(correlation, _PERIODS)
    scores = explained * _USUALNESS
    best = int(np.argmax(scores))
    if current is not None:
        near = np.flatnonzero(np.abs(_PERIODS - current) < _NEAR_HOPS)
        kept = int(near[np.argmax(scores[near])])
        best = kept if scores[best] < _BETTER * scores[kept] else best
    return float(_PERIODS[best]), float(explained[best])


def _find_next(heard: Floats, period: float, expected: float | None) -> float:
    """Returns in how many hops the next beat is due: where onsets a period apart add up to most.

    Args:
        heard: onset values, the newest last.
        period: in hops.
        expected: in how many hops it was due until now, None if there was no beat; it does not jump far.
    """
    phases = np.arange(0.0, period, _PHASE_STEP)
    back = phases[:, np.newaxis] + period * np.arange(int(len(heard) / period))
    values = np.interp(len(heard) - 1 - back, np.arange(len(heard)), heard)
    sums = (values * _MEMORY ** np.arange(back.shape[1])).sum(axis=1)
    if expected is not None:
        apart = (period - phases - expected + period / 2) % period - period / 2
        sums = sums * np.exp(-0.5 * np.square(apart / (period * _PHASE_SPREAD)))
    return float(period - phases[np.argmax(sums)])


def _autocorrelation(values: Floats) -> Floats:
    """Returns how alike the values are to themselves, by shift: 1 for none, 0 for what has nothing in common."""
    centred, count = values - values.mean(), len(values)
    sums = np.fft.irfft(np.square(np.abs(np.fft.rfft(centred, 2 * count))))[:count]
    if sums[0] <= 0:
        return np.zeros(count, np.float32)
    return np.asarray(sums / sums[0] * count / np.arange(count, 0, -1), np.float32)


def _comb(correlation: Floats, periods: Floats) -> Floats:
    """Returns the mean correlation at each period and its multiples, as far as they are known well."""
    shifts = periods[:, np.newaxis] * np.arange(1, _MULTIPLES + 1)
    known = shifts <= len(correlation) * _KNOWN_SHARE
    values = np.interp(shifts, np.arange(len(correlation)), correlation)
    found = (values * known).sum(axis=1) / np.maximum(1, known.sum(axis=1))
    return np.asarray(found, np.float32)
