"""What the loop makes of switches, strength, mirror and the automatic show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.backends import Backend, Vector
from realtime.frames import Frame, Pixels
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.player.playlist import Playlist
from realtime.player.style_switcher import StyleSwitcher
from realtime.queues import RatedSource
from realtime.screen.display import Screen
from realtime.session import Session
from realtime.sinks.recorder import FileRecorder
from realtime.sources.base import track_of
from realtime.sources.video_file import VideoFile
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.stylizer import FrameStylizer
from styles.weights import WeightsError
from tests.realtime.clips import read_clip, write_clip
from tests.realtime.stand_ins import (
    Collector,
    FewFrames,
    ShadePainter,
    TypingDisplay,
    controls_of,
    shade,
    shade_backend,
)

DARK, LIGHT = shade("dark", 0), shade("light", 200)


class TimedFrames(FewFrames):
    """Frames of a file at ten a second by its own clock, however fast they are read."""

    def frames(self):  # type: ignore[no-untyped-def]
        for frame in super().frames():
            yield replace(frame, time=Fraction(frame.index, 10))


def shades_of_show(
    session: Session,
    count: int = 30,
    fade_s: float = 0.0,
    *,
    display: TypingDisplay | None = None,
    playlist: Playlist | None = None,
    load: Callable[[], Sequence[LoadedStyle]] | None = None,
) -> list[int]:
    """Returns the shades that a show of DARK and LIGHT hands out."""
    with FrameStylizer(shade_backend(), fade_s=fade_s) as stylizer:
        controls = Controls(session, StyleSwitcher([DARK, LIGHT], playlist, load))
        collector = played(TimedFrames(count), stylizer, controls, display)
    assert collector.indices == list(range(count))
    return collector.shades


def played(
    source: RatedSource, stylizer: FrameStylizer, controls: Controls, display: TypingDisplay | None = None
) -> Collector:
    """Plays a show, and returns what it handed out."""
    collector = Collector()
    screen = None if display is None else Screen(display)
    Player(source, stylizer, controls, outputs=PlayerOutputs(sinks=[collector], screen=screen)).run()
    return collector


def test_a_fade_takes_its_time_by_the_clock_of_the_file() -> None:
    shades = shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: "2"}), fade_s=1.0)
    walk = [shade for shade in shades if 0 < shade < 200]
    assert 8 <= len(walk) <= 10
    assert walk == sorted(walk)
    assert shades[-1] == 200


@pytest.mark.parametrize("typed", ["2", "n", "p", "2n2"])
def test_a_cut_shows_the_new_style_on_the_very_next_frame(typed: str) -> None:
    shades = shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: typed}), fade_s=0.0)
    assert shades == [0] * 3 + [200] * 27, "no frame in the old style, none dropped, none twice"


@pytest.mark.parametrize("fade_s", [0.0, 1.0])
def test_the_original_is_shown_on_the_very_next_frame_and_so_is_the_painting(fade_s: float) -> None:
    display = TypingDisplay({3: "0", 10: "0"})
    shades = shades_of_show(Session(("dark", "light"), style_index=1), display=display, fade_s=fade_s)
    assert shades == [200] * 3 + list(range(3, 10)) + [200] * 20


@pytest.mark.parametrize("fade_s", [0.0, 0.3, 0.5])
def test_many_switches_drop_and_repeat_no_frame(fade_s: float) -> None:
    """`shades_of_show` looks at the numbers of the frames."""
    typed = dict(enumerate("2n1p0212n01np2x12xx", start=1))
    assert len(shades_of_show(Session(("dark", "light")), 40, display=TypingDisplay(typed), fade_s=fade_s)) == 40


@pytest.mark.parametrize("fade_s", [0.0, 0.2])
def test_a_real_file_is_painted_frame_by_frame_through_switches(fade_s: float, tmp_path: Path) -> None:
    clip, count = tmp_path / "clip.mp4", 60
    write_clip(clip, count, rate=Fraction(60))
    output, typed = tmp_path / "painted.mkv", {5: "2", 20: "n", 30: "2", 31: "1", 40: "x2", 50: "0"}
    with VideoFile(clip) as source, FrameStylizer(shade_backend(), fade_s=fade_s) as stylizer:
        times = [frame.time for frame in VideoFile(clip).frames()]
        with FileRecorder(output, track_of(source.info)) as recorder:
            outputs = PlayerOutputs(sinks=[recorder], screen=Screen(TypingDisplay(typed)))
            player = Player(source, stylizer, controls_of(Session(("dark", "light")), DARK, LIGHT), outputs=outputs)
            assert player.run().complete
    painted = read_clip(output)
    assert len(painted.pictures) == count
    # Matroska counts in milliseconds
    assert [float(time) for time in painted.times] == pytest.approx([float(time or 0) for time in times], abs=0.001)
    shades = [float(picture.mean()) for picture in painted.pictures]
    assert max(shades[:5]) < 5
    assert shades[5] > (195 if fade_s == 0 else -1), "a cut is seen on the very next frame"
    assert shades[19] == pytest.approx(200, abs=5)


def test_a_mix_by_key_is_between_its_styles_and_numbers_add_and_take_away() -> None:
    display = TypingDisplay({3: "x2", 10: "1", 15: "x"})
    shades = shades_of_show(Session(("dark", "light")), display=display, fade_s=0.0)
    assert shades == [0] * 3 + [100] * 7 + [200] * 20, "what is left of a mix stays when mixing ends"


def test_styles_of_different_nets_are_not_mixed_and_it_is_said() -> None:
    baked = LoadedStyle("baked", "Baked", "", replace(LIGHT.net, name="another"), LIGHT.vector)
    controls = controls_of(Session(("dark", "baked")), DARK, baked)
    with FrameStylizer(shade_backend()) as stylizer:
        collector = played(TimedFrames(12), stylizer, controls, TypingDisplay({3: "x2"}))
    assert set(collector.shades) == {0}
    assert "different nets" in controls.session.notice


def test_two_nets_run_only_while_one_style_fades_into_that_of_the_other() -> None:
    started: list[str] = []

    class Counted(ShadePainter):
        def __init__(self, name: str) -> None:
            super().__init__()
            self._name = name

        def start(self, frame: Pixels, style: Vector | None) -> None:
            started.append(self._name)
            super().start(frame, style)

    other = replace(LIGHT, net=replace(LIGHT.net, name="other"))
    controls = controls_of(Session(("dark", "light")), DARK, other)
    backend = Backend("stand-in", lambda: None, lambda net, _width, _height: Counted(net.name))
    with FrameStylizer(backend, fade_s=1.0) as stylizer:
        collector = played(TimedFrames(30), stylizer, controls, TypingDisplay({3: "2"}))
    walk = [value for value in collector.shades if 0 < value < 200]
    assert walk == sorted(walk)
    assert 8 <= len(walk) <= 10
    assert collector.shades[-1] == 200
    assert len(started) <= 31 + len(walk)
    assert collector.indices == list(range(30))


def test_styles_are_reloaded_by_key_and_the_one_on_show_stays() -> None:
    newer = [shade("bright", 255), shade("dark", 30), shade("light", 200)]
    shades = shades_of_show(
        Session(("dark", "light")), display=TypingDisplay({3: "l", 10: "1"}), fade_s=0.0, load=lambda: newer
    )
    assert shades == [0] * 3 + [30] * 7 + [255] * 20


@pytest.mark.parametrize("broken", [OSError("no such folder"), WeightsError("x.safetensors is cut off")])
def test_styles_that_cannot_be_reloaded_leave_the_show_as_it_is(broken: Exception) -> None:
    def reload() -> Sequence[LoadedStyle]:
        raise broken

    assert set(shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: "l"}), load=reload)) == {0}


def test_the_style_on_show_is_not_lost_by_reloading() -> None:
    def reload() -> Sequence[LoadedStyle]:
        return [LIGHT]

    assert set(shades_of_show(Session(("dark", "light")), display=TypingDisplay({3: "l"}), load=reload)) == {0}


def test_the_compare_view_is_on_the_screen_alone() -> None:
    display = TypingDisplay({3: "v", 6: "v"}, pointed=[0.5] * 7 + [0.25] * 100)
    session = Session(("dark", "light"), style_index=1, hud="off")
    assert set(shades_of_show(session, 12, display=display)) == {200}
    beside, split = display.shown[4], display.shown[-1]
    assert beside.shape[1] == 2 * split.shape[1]
    middle = beside[beside.shape[0] // 2]
    assert (middle[0, 0], middle[-1, 0]) == (4, 200)
    assert split[-1, 10, 0] == 11
    assert split[-1, 20, 0] == 200


def test_full_screen_is_passed_on_to_the_display() -> None:
    display = TypingDisplay({3: "f"})
    shades_of_show(Session(("dark",)), display=display)
    assert display.full


def test_the_net_paints_at_the_scale_chosen_by_hand_and_the_frames_keep_their_size() -> None:
    sizes: list[tuple[int, int]] = []

    class Watched(ShadePainter):
        def start(self, frame: Pixels, style: Vector | None) -> None:
            sizes.append((frame.shape[1], frame.shape[0]))
            super().start(frame, style)

    class Sizes:
        def write(self, pixels: Pixels, frame: Frame) -> None:
            assert pixels.shape == (48, 64, 3)

    backend = Backend("stand-in", lambda: None, lambda _net, _width, _height: Watched(), thread_safe_open=True)
    controls = Controls.of_one_style(DARK)
    with FrameStylizer(backend) as stylizer:
        display = TypingDisplay({3: "[[[[[[[[", 40: "]]]]]]]]", 80: "q"})
        outputs = PlayerOutputs(sinks=[Sizes()], screen=Screen(display))
        Player(TimedFrames(100_000), stylizer, controls, outputs=outputs).run()
    assert set(sizes) == {(64, 48), (32, 24)}
    assert sizes[-1] == (64, 48)
    assert controls.session.brush == 1.0


@pytest.mark.parametrize("keys", ["", "]", "["])
def test_the_brush_that_was_asked_for_is_there_from_the_first_frame(keys: str) -> None:
    sizes: list[tuple[int, int]] = []

    class Watched(ShadePainter):
        def start(self, frame: Pixels, style: Vector | None) -> None:
            sizes.append((frame.shape[1], frame.shape[0]))
            super().start(frame, style)

    backend = Backend("stand-in", lambda: None, lambda _net, _width, _height: Watched(), thread_safe_open=True)
    controls = controls_of(Session(("dark",), brush=0.5, given_brush=0.5))
    with FrameStylizer(backend) as stylizer:
        played(TimedFrames(40), stylizer, controls, TypingDisplay({10: keys}))
    assert sizes[0] == (32, 24)
    assert set(sizes) <= {(32, 24), (38, 29)}


def test_strength_mixes_the_camera_picture_in() -> None:
    shades = shades_of_show(Session(("dark", "light"), style_index=1, strength=0.5))
    assert shades[10] == (200 + 10) // 2


def test_the_automatic_show_plays_its_list_and_a_key_ends_it() -> None:
    session = Session(("dark", "light"), automatic=True)
    playlist = Playlist(((0, 1.0), (1, 0.5)))
    assert shades_of_show(session, playlist=playlist) == ([0] * 10 + [200] * 5) * 2
    stopped = shades_of_show(session, playlist=playlist, display=TypingDisplay({2: "2"}))
    assert set(stopped[6:]) == {200}


def test_a_mirrored_frame_is_painted_mirrored() -> None:
    seen: list[Pixels] = []

    class HalfLight(FewFrames):
        def frames(self):  # type: ignore[no-untyped-def]
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, :32] = 255
            yield Frame(pixels, 0, 0.0)

    class Keeper:
        def write(self, pixels: Pixels, frame: Frame) -> None:
            seen.append(pixels)

    with FrameStylizer(shade_backend()) as stylizer:
        session = Session(("dark",), original=True, mirrored=True)
        Player(HalfLight(1), stylizer, controls_of(session, DARK), outputs=PlayerOutputs(sinks=[Keeper()])).run()
    assert seen[0][0, 0, 0] == 0
    assert seen[0][0, -1, 0] == 255
