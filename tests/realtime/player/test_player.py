"""The loop: pictures in order to the screen and the sinks, keys heeded, errors passed on, nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.frames import Frame, Pixels
from realtime.media.decoding import SourceError
from realtime.player.parts import Outcome, PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.status import Reporter, Status
from realtime.screen.display import Screen
from realtime.session import Session
from realtime.sinks.recorder import RecordingError
from realtime.sinks.replay import Replay
from realtime.stylize.stylizer import FrameStylizer
from tests.realtime.clips import read_clip
from tests.realtime.stand_ins import Collector, FewFrames, TypingDisplay, controls_of, shade, shade_backend

STYLES = (shade("dark", 50), shade("light", 200))
NAMES = tuple(style.name for style in STYLES)


class Stage:
    """A show with everything in it: run it, then look at what was shown, collected and reported."""

    def __init__(self, captures: Path) -> None:
        self.captures, self.collector, self.reported = captures, Collector(), list[int]()
        self.display: TypingDisplay | None = None

    def run(
        self,
        source: FewFrames,
        typed: Mapping[int, str] | None = None,
        *,
        collector: Collector | None = None,
        max_frames: int | None = None,
        hud: bool = False,
        replay: Replay | None = None,
        reporters: Sequence[Reporter] = (),
        printed: list[str] | None = None,
    ) -> Outcome:
        """Runs a show in the style `dark` while `typed[k]` is typed at picture k; without `typed` nobody watches."""
        self.collector = collector or self.collector
        self.display = None if typed is None else TypingDisplay(typed)
        with FrameStylizer(shade_backend()) as stylizer:
            outputs = PlayerOutputs(
                sinks=[self.collector, *([] if replay is None else [replay])],
                screen=None if self.display is None else Screen(self.display),
                captures=self.captures,
                replay=replay,
            )
            player = Player(
                source,
                stylizer,
                controls_of(Session(NAMES, hud="full" if hud else "off"), *STYLES),
                status=Status(
                    "stand-in", reporters=reporters, print_line=(printed if printed is not None else []).append
                ),
                outputs=outputs,
                options=PlayerOptions(max_frames=max_frames, report=self.reported.append),
            )
            return player.run()

    @property
    def shown(self) -> list[int]:
        """The shade in the corner of every picture shown."""
        assert self.display is not None
        return [int(pixels[0, 0, 0]) for pixels in self.display.shown]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "captures")


def source_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "source"]


def test_every_frame_of_a_file_is_painted_and_handed_on_in_order(stage: Stage) -> None:
    outcome = stage.run(FewFrames(25))
    assert stage.collector.got == [(index, 50) for index in range(25)]
    assert stage.reported == list(range(1, 26))
    assert (outcome.frame_count, outcome.dropped, outcome.saved, outcome.complaints) == (25, 0, (), ())
    assert outcome.fps > 0


def test_what_is_shown_is_what_the_sinks_get(stage: Stage) -> None:
    stage.run(FewFrames(10), typed={})
    assert stage.shown == stage.collector.shades == [50] * 10


def test_a_source_without_frames_is_an_empty_show(stage: Stage) -> None:
    outcome = stage.run(FewFrames(0), typed={})
    assert (outcome.frame_count, outcome.fps) == (0, 0.0)


def test_a_show_ends_at_its_limit_of_frames(stage: Stage) -> None:
    assert stage.run(FewFrames(1_000_000), max_frames=7).frame_count == 7
    assert stage.collector.indices == list(range(7))
    assert not source_threads()


@pytest.mark.parametrize("key", ["2", "n", "p"])
def test_a_style_key_holds_from_the_next_frame_started(key: str, stage: Stage) -> None:
    stage.run(FewFrames(20), typed={4: key})
    shades = stage.collector.shades
    assert stage.collector.indices == list(range(20))
    assert shades == sorted(shades), "dark before light, and no going back"
    # at picture 4 two more frames were being painted, at most
    assert 4 <= shades.index(200) <= 6


def test_the_original_is_the_frame_itself_and_the_style_comes_back(stage: Stage) -> None:
    stage.run(FewFrames(30), typed={5: "0", 15: "0"})
    originals = [index for index, value in stage.collector.got if value == index and value != 50]
    assert originals
    assert 5 <= originals[0] <= 7
    assert 15 <= originals[-1] + 1 <= 17
    assert originals == list(range(originals[0], originals[-1] + 1))


def test_a_frozen_show_stays_at_its_picture_and_loses_nothing(stage: Stage) -> None:
    outcome = stage.run(FewFrames(12), typed={3: " ", 12: " "})
    assert outcome.frame_count == 12
    assert stage.collector.indices == list(range(12))
    assert stage.display is not None
    assert len(stage.display.shown) > 15, "while it is frozen the screen and the keyboard go on"


def test_a_frozen_live_show_goes_on_with_the_newest_picture(stage: Stage) -> None:
    outcome = stage.run(FewFrames(500_000, live=True), typed={3: " ", 12: " ", 20: "q"})
    indices = stage.collector.indices
    assert indices == sorted(set(indices))
    assert outcome.dropped > 0


@pytest.mark.parametrize("key", ["q", "\x1b"])
def test_a_quitting_key_ends_an_endless_show(key: str, stage: Stage) -> None:
    outcome = stage.run(FewFrames(1_000_000), typed={3: key})
    assert outcome.frame_count <= 5
    assert not source_threads()


def test_a_frozen_show_can_be_left(stage: Stage) -> None:
    assert stage.run(FewFrames(1_000_000), typed={3: " ", 9: "q"}).frame_count < 9


def test_several_keys_at_one_picture_are_obeyed_in_their_order(stage: Stage) -> None:
    stage.run(FewFrames(20), typed={3: "2n2n"})
    assert set(stage.collector.shades) == {50}, "light, dark, light, dark"


def test_the_hud_is_on_the_screen_and_never_in_the_sinks(stage: Stage) -> None:
    stage.run(FewFrames(6), typed={1: "ii", 3: "h"}, hud=True)
    assert stage.collector.shades == [50] * 6
    assert stage.display is not None
    plain = [bool((pixels == 50).all()) for pixels in stage.display.shown]
    assert plain == [False, True, True, False, False, False]


def test_a_failing_source_fails_the_loop_after_its_last_frame(stage: Stage) -> None:
    with pytest.raises(SourceError, match="the cable is out"):
        stage.run(FewFrames(5, error=SourceError("the cable is out")))
    assert stage.collector.indices == list(range(5))
    assert not source_threads()


def test_a_failing_live_source_fails_the_loop(stage: Stage) -> None:
    with pytest.raises(SourceError, match="unplugged"):
        stage.run(FewFrames(5, live=True, error=SourceError("unplugged")), typed={})
    assert not source_threads()


def test_a_failing_sink_fails_the_loop(stage: Stage) -> None:
    failing = Collector(fails_at=3, error=RecordingError("the disk is full"))
    with pytest.raises(RecordingError, match="the disk is full"):
        stage.run(FewFrames(1_000_000), collector=failing)
    assert failing.indices == [0, 1, 2]
    assert not source_threads()


def test_a_live_source_is_shown_in_order_and_what_is_late_is_dropped(stage: Stage) -> None:
    outcome = stage.run(FewFrames(3000, live=True))
    indices = stage.collector.indices
    assert indices == sorted(set(indices))
    assert indices[-1] == 2999
    assert outcome.frame_count + outcome.dropped == 3000


class Tide:
    """A reporter whose word changes with the frames it has seen."""

    backlog = ""

    def __init__(self, words: Mapping[int, str], fails_at: int = 1000) -> None:
        self.seen, self._words, self._fails_at = 0, words, fails_at

    def write(self, pixels: Pixels, frame: Frame) -> None:
        self.seen = frame.index

    @property
    def failure(self) -> str:
        return self.status if self.seen >= self._fails_at else ""

    @property
    def status(self) -> str:
        return next((word for begins, word in sorted(self._words.items(), reverse=True) if self.seen >= begins), "")


def test_what_sinks_and_sources_have_to_say_is_shown_and_printed_once(stage: Stage) -> None:
    tide, printed = Tide({0: "", 5: "on air", 10: "no connection", 15: ""}), list[str]()

    class Both(Collector):
        def write(self, pixels: Pixels, frame: Frame) -> None:
            super().write(pixels, frame)
            tide.write(pixels, frame)

    outcome = stage.run(FewFrames(20), typed={}, collector=Both(), reporters=[tide], printed=printed)
    assert printed == ["on air", "no connection"]
    assert stage.display is not None
    marked = [bool((pixels != 50).any()) for pixels in stage.display.shown]
    assert not any(marked[:5])
    assert all(marked[7:])
    assert outcome.failures == ()


def test_a_sink_that_ends_alone_is_reported_and_remembered(stage: Stage) -> None:
    tide, printed = Tide({5: "the virtual camera is gone"}, fails_at=5), list[str]()

    class Both(Collector):
        def write(self, pixels: Pixels, frame: Frame) -> None:
            super().write(pixels, frame)
            tide.write(pixels, frame)

    outcome = stage.run(FewFrames(20), collector=Both(), reporters=[tide], printed=printed)
    assert printed == ["nst-live: the virtual camera is gone"]
    assert (outcome.frame_count, outcome.failures) == (20, ("the virtual camera is gone",))


# by key into files ----------------------------------------------------------------------------------------------------


def test_r_records_until_r_into_a_file_that_plays(stage: Stage) -> None:
    outcome = stage.run(FewFrames(40), typed={5: "r", 25: "r"})
    (path,) = outcome.saved
    assert path.parent == stage.captures
    assert path.suffix == ".mp4"
    clip = read_clip(path)
    assert clip.size == (64, 48)
    assert 18 <= len(clip.pictures) <= 22
    assert all(abs(float(picture.mean()) - 50) < 4 for picture in clip.pictures)


def test_two_recordings_are_two_files(stage: Stage) -> None:
    outcome = stage.run(FewFrames(40), typed={5: "r", 10: "r", 20: "r", 30: "r"})
    assert len(set(outcome.saved)) == 2
    for path in outcome.saved:
        assert read_clip(path).pictures


def test_a_recording_that_is_on_at_the_end_is_finished(stage: Stage) -> None:
    outcome = stage.run(FewFrames(20), typed={5: "r"})
    (path,) = outcome.saved
    assert len(read_clip(path).pictures) >= 12


def test_a_recording_is_finished_when_the_source_fails(stage: Stage) -> None:
    with pytest.raises(SourceError):
        stage.run(FewFrames(20, error=SourceError("gone")), typed={5: "r"})
    (path,) = stage.captures.iterdir()
    assert read_clip(path).pictures


def test_s_saves_the_picture_without_what_is_written_over_it(stage: Stage) -> None:
    outcome = stage.run(FewFrames(20), typed={5: "s", 6: "ss"}, hud=True)
    assert len(set(outcome.saved)) == 3
    for path in outcome.saved:
        assert path.suffix == ".png"
        with Image.open(path) as saved:
            np.testing.assert_array_equal(np.asarray(saved), np.full((48, 64, 3), 50, np.uint8))


@pytest.mark.parametrize("key", ["r", "s"])
def test_a_folder_that_cannot_be_written_to_is_a_complaint_and_not_the_end(
    key: str, stage: Stage, tmp_path: Path
) -> None:
    stage.captures.write_text("a file where the folder should be")
    outcome = stage.run(FewFrames(20), typed={5: key})
    assert outcome.frame_count == 20
    assert outcome.saved == ()
    (complaint,) = outcome.complaints
    assert str(stage.captures) in complaint


def test_a_snapshot_that_fails_does_not_end_the_recording(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("realtime.player.captures.save_snapshot", fail)
    outcome = stage.run(FewFrames(60), typed={5: "r", 15: "s", 50: "r"})
    (path,) = outcome.saved
    assert len(read_clip(path).pictures) >= 40
    (complaint,) = outcome.complaints
    assert "No space left on device" in complaint
    assert not [thread for thread in threading.enumerate() if thread.name == "recorder"]


def test_a_live_show_is_recorded_at_the_times_of_capture(stage: Stage) -> None:
    source = FewFrames(30, live=True, between=lambda _index: time.sleep(0.02))
    outcome = stage.run(source, typed={3: "r"})
    (path,) = outcome.saved
    times = [float(each) for each in read_clip(path).times]
    # the stand-in says that it gave each picture a second after the one before
    assert len(times) > 5
    assert times == pytest.approx([round(each) for each in times], abs=0.001)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_disk_that_fills_up_ends_the_recording_and_not_the_show(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.captures.mkdir()
    (stage.captures / "full.mp4").symlink_to("/dev/full")
    monkeypatch.setattr("realtime.player.captures.unused_path", lambda *_: stage.captures / "full.mp4")
    outcome = stage.run(FewFrames(120), typed={5: "r"})
    assert outcome.frame_count == 120
    assert outcome.saved == ()
    (complaint,) = outcome.complaints
    assert "disk is full" in complaint or "No space left" in complaint


def test_b_saves_the_last_seconds_and_says_so_where_there_is_no_replay(stage: Stage) -> None:
    outcome = stage.run(FewFrames(20), typed={5: "b"})
    assert outcome.saved == ()
    with Replay((64, 48), Fraction(1000), 15) as replay:
        stage.collector = Collector()
        outcome = stage.run(FewFrames(40), typed={30: "b"}, replay=replay)
    (path,) = outcome.saved
    clip = read_clip(path)
    assert 30 <= len(clip.pictures) <= 32
    assert all(abs(float(picture.mean()) - 50) < 4 for picture in clip.pictures)
