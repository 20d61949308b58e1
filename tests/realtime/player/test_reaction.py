"""A show follows its sound frame by frame, and never flashes more than three times a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.audio.feed import AudioFeed
from realtime.audio.hearing import FeedSound, Heard, Hearing
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.playlist import Playlist, Turns
from realtime.player.reaction import FlashLimit, Reaction
from realtime.player.style_switcher import StyleSwitcher
from realtime.session import Session
from realtime.stylize.stylizer import FrameStylizer
from tests.realtime.clips import read_clip
from tests.realtime.conftest import NstLive
from tests.realtime.sounds import Mono, beat_times, chunks, clicks, noise, silence, write_film
from tests.realtime.stand_ins import Collector, FewFrames, shade, shade_backend

# What counts as a flash is a pair of opposing changes of a tenth of the range (WCAG 2.3.1).
FLASH = 0.1


class Script(Hearing):
    """What is heard, as it is written down: beats, and a level for each moment."""

    def __init__(self, beats: Sequence[float], level: float | Sequence[float] = 1.0) -> None:
        self._left, self._level, self.closed = list(beats), level, False

    def at(self, at_s: float, until_s: float) -> Heard:
        due = [beat_s for beat_s in self._left if beat_s <= until_s]
        self._left = self._left[len(due) :]
        level = self._level if isinstance(self._level, float) else self._level[int(at_s * 100) % len(self._level)]
        return Heard(level, due)

    def close(self) -> None:
        self.closed = True


def strengths(script: Script, seconds: float, amount: float = 1.0, rate: int = 50) -> list[float]:
    reaction = Reaction(lambda _at_s: script, 1 / rate)
    return [reaction.at(index / rate, amount).strength for index in range(round(seconds * rate))]


def most_flashes_in_a_second(values: Sequence[float], rate: int) -> int:
    """Returns how often, at most in any second, a value changes by a tenth in one direction and then in the other."""
    # the moments at which a change of a tenth, against the one before, is complete
    turns, extreme, direction = [], values[0], 0
    for index, value in enumerate(values):
        if direction == 0 and abs(value - extreme) >= FLASH:
            direction = 1 if value > extreme else -1
            turns.append(index)
            extreme = value
        elif direction * (value - extreme) > 0:
            extreme = value
        elif direction and direction * (extreme - value) >= FLASH:
            direction = -direction
            turns.append(index)
            extreme = value
    return max((sum(first <= turn < first + rate for turn in turns) for first in turns), default=0) // 2


def test_no_second_has_more_than_three_strong_changes() -> None:
    limit, rng = FlashLimit(), np.random.default_rng(0)
    allowed = [at_s for at_s in np.cumsum(rng.exponential(0.05, 4000)) if limit.allows(at_s)]
    assert all(later - earlier > 1 for earlier, later in zip(allowed, allowed[3:], strict=False))
    assert len(allowed) > 400, "those that may be seen are seen"


def test_a_flashing_signal_is_counted_as_such() -> None:
    assert most_flashes_in_a_second([0.0, 1.0] * 50, 25) >= 11
    assert most_flashes_in_a_second([math.sin(index / 50) for index in range(100)], 25) == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_heard_there_are_no_more_than_three_flashes_a_second(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beats = [float(beat_s) for beat_s in np.cumsum(rng.choice([0.02, 0.1, 0.2, 0.3, 0.34, 0.36, 0.5], 300))]
    for level in (1.0, 0.0, list(rng.random(997)), [0.0] * 10 + [1.0] * 10, [0.0] * 17 + [1.0] * 17):
        assert most_flashes_in_a_second(strengths(Script(beats, level), 20), 50) <= 3


def test_each_beat_lifts_the_painting_and_the_amount_says_how_much() -> None:
    half, whole = (np.array(strengths(Script([1.0, 1.5, 2.0]), 3, amount)) for amount in (0.5, 1.0))
    assert list(np.flatnonzero(np.diff(whole) > 0.1) + 1) == [50, 75, 100]
    assert whole[[50, 75, 100]] == pytest.approx(1.0)
    assert whole[49] == pytest.approx(0.6)
    np.testing.assert_allclose(half, (1 + whole) / 2)


def test_silence_leaves_the_frames_and_loudness_comes_and_goes_slowly() -> None:
    assert strengths(Script([], 0.0), 1) == [0.0] * 50
    rising = strengths(Script([], [0.0] * 100 + [1.0] * 100), 2)
    assert max(np.abs(np.diff(rising))) < 0.02
    assert rising[99] > 0.3


def test_nothing_is_listened_to_before_it_is_asked_for_and_a_moment_is_always_answered_alike() -> None:
    begun: list[float] = []
    script = Script([1.0])

    def listen(at_s: float) -> Hearing:
        begun.append(at_s)
        return script

    reaction = Reaction(listen, 0.02)
    assert reaction.at(0.5, 0.0).on_beat is None
    assert begun == []
    moments = [reaction.at(at_s, 1.0) for at_s in (0.98, 1.0, 1.02)]
    assert [moment.on_beat for moment in moments] == [False, True, False]
    assert [reaction.at(at_s, 1.0) for at_s in (0.98, 1.0, 1.02)] == moments
    assert begun == [0.98]
    reaction.at(1.04, 0.0)
    assert script.closed


def test_styles_that_change_with_the_beat_are_on_for_their_seconds_at_least() -> None:
    turns = Turns(Playlist(((0, 1.0), (2, 0.5))), 0.0)
    seen = [turns.style_at(tick / 4, on_beat=tick % 2 == 0) for tick in range(12)]
    assert seen == [0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 2, 2]


# in a show ------------------------------------------------------------------------------------------------------------


class TwoSeconds(FewFrames):
    """Frames of a file at fifty a second by its own clock."""

    def __init__(self) -> None:
        super().__init__(100, rate=Fraction(50))

    def frames(self):  # type: ignore[no-untyped-def]
        for frame in super().frames():
            yield replace(frame, time=Fraction(frame.index, 50))


def shades_of_show(session: Session, reaction: Reaction | None, playlist: Playlist | None = None) -> list[int]:
    sink, styles = Collector(), [shade("dark", 50), shade("light", 250)]
    controls = Controls(session, StyleSwitcher(styles, playlist))
    options = PlayerOptions(reaction=reaction)
    with FrameStylizer(shade_backend()) as stylizer:
        Player(TwoSeconds(), stylizer, controls, outputs=PlayerOutputs(sinks=[sink]), options=options).run()
    return sink.shades


def jumps(values: Sequence[float], least: float) -> list[int]:
    return [int(index) + 1 for index in np.flatnonzero(np.abs(np.diff(np.array(values, float))) >= least)]


def test_a_mix_sways_with_the_beat_from_one_style_to_the_next() -> None:
    mixed = Session(("dark", "light"), mix=((0, 1.0), (1, 1.0)), react=1.0)
    shades = shades_of_show(mixed, Reaction(lambda _at_s: Script([0.5, 1.0, 1.5]), 0.02))
    assert shades[0] < shades[25]
    assert [shades[25], shades[50], shades[75]] == [250, 50, 250]
    assert jumps(shades, 40) == [25, 50, 75]


def test_a_playlist_waits_for_the_beat_and_without_sound_for_the_clock() -> None:
    automatic, playlist = Session(("dark", "light"), automatic=True, react=0.01), Playlist(((0, 0.3), (1, 0.3)))
    heard = shades_of_show(automatic, Reaction(lambda _at_s: Script([0.1, 0.5, 1.0, 1.4]), 0.02), playlist)
    assert jumps(heard, 80) == [25, 50, 70]
    assert jumps(shades_of_show(automatic, Reaction(lambda _at_s: None, 0.02), playlist), 80) == [
        15,
        30,
        45,
        60,
        75,
        90,
    ]
    silent = shades_of_show(automatic, Reaction(lambda _at_s: Script([]), 0.02), playlist)
    assert jumps(silent, 80) == []


def test_where_there_is_no_sound_that_is_said_and_the_amount_is_nothing() -> None:
    for reaction in (None, Reaction(lambda _at_s: None, 0.02)):
        controls = Controls(Session(("dark",), react=0.5), StyleSwitcher([shade("dark", 50)]))
        with FrameStylizer(shade_backend()) as stylizer:
            Player(FewFrames(3), stylizer, controls, options=PlayerOptions(reaction=reaction)).run()
        assert controls.session.react == 0
        assert controls.session.notice == "there is no sound to follow here"


def test_live_sound_that_comes_late_and_while_muted_is_followed_in_time() -> None:
    feed = AudioFeed()
    feed.muted = True
    reaction = Reaction(lambda _at_s: Hearing(FeedSound(feed)), 0.04)
    moments, waiting = [], list(chunks(clicks(120, 8), 1000.0))
    reaction.at(999.9, 1.0)
    for index in range(200):
        at_s = 1000 + index / 25
        while waiting and waiting[0].at_s < at_s - 0.1:
            feed.put(waiting.pop(0))
        moments.append((at_s, reaction.at(at_s, 1.0)))
    on_beat = np.array([at_s for at_s, moment in moments if moment.on_beat])
    errors = np.abs(on_beat[:, np.newaxis] - 1000 - beat_times(120, 8)).min(axis=1)
    assert len(on_beat) >= 8
    assert errors.max() < 0.06


@pytest.fixture
def nets(identity: Path, negative: Path) -> tuple[Path, Path]:
    return identity, negative


def brightness_of(path: Path) -> tuple[list[float], list[float]]:
    clip = read_clip(path)
    return [float(time) for time in clip.times], [float(picture.mean()) for picture in clip.pictures]


@pytest.mark.parametrize(
    ("kind", "track"),
    [("clicks", clicks(120, 8)), ("noise", noise(5)), ("silence", silence(4))],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_painted_film_changes_on_its_beats_and_on_noise_and_silence_not_at_all(
    kind: str, track: Mono, tmp_path: Path, nets: tuple[Path, Path], nst_live: NstLive
) -> None:
    identity, negative = nets
    film = write_film(tmp_path / "film.mov", track)
    of_strength = ["--style", negative, "--react", "1", "--steady", "0"]
    of_style = ["--playlist", f"{negative}:0.5,{identity}:0.5", "--react", "0.1", "--fade", "0", "--steady", "0"]
    for name, options in (("strength", of_strength), ("style", of_style)):
        result = nst_live("-i", film, "-o", f"{name}.mp4", "--crf", "10", *options)
        assert result.code == 0, result.err
        times, levels = brightness_of(tmp_path / f"{name}.mp4")
        changed_s = np.array(times)[np.flatnonzero(np.abs(np.diff(levels)) > 25) + 1]
        if kind != "clicks":
            assert len(changed_s) == 0
            continue
        up_s = changed_s if name == "style" else np.array(times)[np.flatnonzero(np.diff(levels) > 25) + 1]
        errors = np.abs(up_s[:, np.newaxis] - beat_times(120, 8)).min(axis=1)
        assert len(up_s) >= 9
        assert errors.max() <= 0.06


def test_a_film_without_sound_says_so_and_the_same_film_is_painted_the_same_way_twice(
    tmp_path: Path, negative: Path, nst_live: NstLive
) -> None:
    from tests.realtime.clips import write_clip

    silent = nst_live(
        "-i", write_clip(tmp_path / "mute.mp4"), "-o", "mute-painted.mp4", "--style", negative, "--react", 1
    )
    assert silent.code == 0
    assert "mute.mp4 has no sound to follow; a camera is heard with --microphone" in silent.err
    film = write_film(tmp_path / "film.mov", clicks(140, 5))
    for name in ("one.mp4", "two.mp4"):
        nst_live("-i", film, "-o", name, "--style", negative, "--react", 0.7)
    one, two = (read_clip(tmp_path / name).pictures for name in ("one.mp4", "two.mp4"))
    assert len(one) == 125
    np.testing.assert_array_equal(np.stack(one), np.stack(two))
