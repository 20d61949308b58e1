"""Pictures with statistics near those of photographs."""

from __future__ import annotations

import numpy as np

from styles.training.dead_leaves import dead_leaves


def test_each_seed_has_its_picture() -> None:
    picture = dead_leaves(64, seed=3)
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(dead_leaves(64, seed=3), picture)
    assert np.abs(dead_leaves(64, seed=4).astype(int) - picture).mean() > 10


def test_there_are_things_of_all_sizes() -> None:
    # the amplitudes of photographs fall with the power -1.3 of the frequency, those of noise not at all
    side, slopes = 128, list[float]()
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    octaves = [(frequencies >= low) & (frequencies < 2 * low) for low in (1 / 64, 1 / 32, 1 / 16, 1 / 8)]
    for seed in range(8):
        grey = dead_leaves(side, seed).mean(axis=2)
        power = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
        levels = [np.log2(power[octave].mean()) / 2 for octave in octaves]
        slopes.append(float(np.polyfit(range(len(levels)), levels, 1)[0]))
    assert -1.6 < np.mean(slopes) < -0.9


def test_surfaces_are_nearly_flat_and_end_in_edges() -> None:
    steps = np.concatenate([np.diff(dead_leaves(128, seed).mean(axis=2)).ravel() for seed in range(8)])
    # of photographs it is 13, of noise 3
    assert np.mean(steps**4) / np.mean(steps**2) ** 2 > 10


def test_colours_and_brightness_differ() -> None:
    pictures = np.stack([dead_leaves(96, seed) for seed in range(8)]).astype(float) / 255
    assert pictures.mean(axis=3).std() > 0.15
    assert (pictures.max(axis=3) - pictures.min(axis=3)).mean() > 0.05
    assert 0.3 < pictures.mean() < 0.7
