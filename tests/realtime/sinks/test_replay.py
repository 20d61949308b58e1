"""The last seconds can be saved at any time: as many as wanted, in order, playable, again and again."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.frames import Frame
from realtime.media.encoders import OutputError
from realtime.sinks.replay import Replay
from tests.realtime.clips import SIZE, colourful, numbered, read_clip

RATE = Fraction(20)


def remember(replay: Replay, numbers: range, size: tuple[int, int] = SIZE, rate: Fraction = RATE) -> None:
    for number in numbers:
        pixels = numbered(number, size)
        replay.write(pixels, Frame(pixels, number, 500 + float(number / rate)))


def test_a_replay_is_the_last_seconds_and_at_most_one_more(tmp_path: Path) -> None:
    with Replay(SIZE, RATE, seconds=2) as replay:
        remember(replay, range(130))
        length_s = replay.save(tmp_path / "replay.mp4")
    clip = read_clip(tmp_path / "replay.mp4")
    assert clip.numbers == [number % 40 for number in range(130 - len(clip.numbers), 130)]
    assert 2 <= length_s < 3 + float(1 / RATE)
    assert clip.times[0] == 0
    assert [later - earlier for earlier, later in pairwise(clip.times)] == [1 / RATE] * (len(clip.times) - 1)
    assert float(clip.times[-1]) == pytest.approx(length_s)
    assert (clip.size, clip.codec, clip.pixel_format) == (SIZE, "h264", "yuv420p")


def test_a_source_that_is_slower_than_it_says_does_not_make_a_replay_longer(tmp_path: Path) -> None:
    with Replay(SIZE, RATE, seconds=4) as replay:
        remember(replay, range(30), rate=Fraction(2))
        length_s = replay.save(tmp_path / "replay.mp4")
    assert 4 <= length_s <= 5.5
    assert len(read_clip(tmp_path / "replay.mp4").numbers) == 2 * length_s + 1


def test_a_run_that_has_just_begun_is_saved_whole(tmp_path: Path) -> None:
    with Replay(SIZE, RATE, seconds=15) as replay:
        remember(replay, range(7))
        replay.save(tmp_path / "replay.mp4")
    assert read_clip(tmp_path / "replay.mp4").numbers == list(range(7))


def test_a_replay_can_be_saved_again_and_continues_meanwhile(tmp_path: Path) -> None:
    with Replay(SIZE, RATE, seconds=1) as replay:
        remember(replay, range(30))
        replay.save(tmp_path / "one.mp4")
        remember(replay, range(30, 60))
        replay.save(tmp_path / "two.mp4")
        replay.save(tmp_path / "three.mp4")
    assert read_clip(tmp_path / "one.mp4").numbers[-1] == 29
    assert read_clip(tmp_path / "two.mp4").numbers[-1] == 59 % 40
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "three.mp4").read_bytes()


def test_what_is_too_old_is_forgotten() -> None:
    with Replay(SIZE, RATE, seconds=1) as replay:
        kept = []
        for second in range(12):
            remember(replay, range(20 * second, 20 * second + 20))
            kept.append(len(replay._packets))
    assert max(kept) <= 2 * RATE
    assert kept[-1] == kept[-2]


def test_a_replay_has_the_right_colors_and_even_sides(tmp_path: Path) -> None:
    size = (65, 49)
    with Replay(size, RATE, seconds=1) as replay:
        for index in range(5):
            replay.write(colourful(index, size), Frame(colourful(index, size), index, float(index / RATE)))
        replay.save(tmp_path / "replay.mp4")
    clip = read_clip(tmp_path / "replay.mp4")
    assert clip.size == (66, 50)
    assert np.abs(clip.pictures[4][:49, :65].astype(int) - colourful(4, size)).mean() < 8


def test_an_empty_replay_and_a_folder_that_does_not_exist_are_errors(tmp_path: Path) -> None:
    with Replay(SIZE, RATE, seconds=1) as replay:
        with pytest.raises(OutputError, match="there is nothing to replay yet"):
            replay.save(tmp_path / "replay.mp4")
        remember(replay, range(3))
        with pytest.raises(OutputError, match=r"cannot write .*gone.*: No such file or directory"):
            replay.save(tmp_path / "gone" / "replay.mp4")
        assert list(tmp_path.iterdir()) == []
