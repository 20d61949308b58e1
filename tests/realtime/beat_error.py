"""How far changes are from the beats of a metronome and of a small band, in a film that is painted, and what it costs.

Type: python -m tests.realtime.beat_error [--seconds N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from realtime.audio.feed import AudioFeed
from realtime.audio.hearing import FeedSound, Hearing
from realtime.player.reaction import Reaction
from styles.support.terminal import print_line
from tests.realtime.sounds import Mono, band, beat_times, chunks, clicks, noise

_RATE = Fraction(30)
# Live sound comes so much later than its frames.
_LATE_S = 0.08
_SOUNDS: Mapping[str, Callable[[float, float], Mono]] = {"metronome": clicks, "band": band}


def changes(track: Mono, late_s: float) -> tuple[NDArray[np.float64], float]:
    """Returns the times of the frames on which a beat is seen, and the processor time of a frame in ms."""
    feed, waiting, changed = AudioFeed(), list(chunks(track)), []
    reaction = Reaction(lambda _at_s: Hearing(FeedSound(feed)), float(1 / _RATE))
    frames = round(len(track) / 48_000 * _RATE)
    reaction.at(-1.0, 1.0)
    began_s = time.process_time()
    for index in range(frames):
        at_s = float(index / _RATE)
        while waiting and waiting[0].at_s <= at_s - late_s:
            feed.put(waiting.pop(0))
        if reaction.at(at_s, 1.0).on_beat:
            changed.append(at_s)
    return np.array(changed), 1000 * (time.process_time() - began_s) / frames


def main() -> int:
    """Measures, and prints a line for each sound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    for name, make in _SOUNDS.items():
        for bpm in (80, 100, 120, 128, 140, 174):
            true = beat_times(bpm, seconds)
            for where, late_s in (("film", -0.3), ("live", _LATE_S)):
                seen, cost_ms = changes(make(bpm, seconds), late_s)
                errors_ms = 1000 * np.abs(seen[:, np.newaxis] - true).min(axis=1) if len(seen) else np.array([np.nan])
                figures = f"{len(seen)} changes for {len(true)} beats, from {seen.min():.1f} s on; off by "
                figures += f"{errors_ms.mean():.0f} ms, at most {errors_ms.max():.0f} ms; {cost_ms:.2f} ms a frame"
                print_line(f"{name} {bpm} a minute, {where}: {figures}", sys.stdout)
    print_line(f"noise: {len(changes(noise(seconds), _LATE_S)[0])} changes", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
