"""Styles made by key: counted down, taken, saved, changed to, and taken back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realtime.frames import Frame, Pixels
from realtime.media.photo import read_photo
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.player.playlist import Playlist
from realtime.player.style_maker import StyleMaker, taken_pixels
from realtime.player.style_switcher import StyleSwitcher
from realtime.screen.display import Screen
from realtime.screen.viewfinder import viewfinder_box, with_viewfinder
from realtime.session import Session
from realtime.stylize.loaded_style import LazyVector, LoadedStyle
from realtime.stylize.pipeline import PaintedFrame
from realtime.stylize.stylizer import FrameStylizer
from styles.registry import StyleMismatchError
from tests.realtime.clips import colourful
from tests.realtime.encoders import write_encoder
from tests.realtime.on_screen import OnScreen
from tests.realtime.stand_ins import SHADE_NET, Collector, FewFrames, TypingDisplay, shade, shade_backend

PHOTO = colourful(3, (160, 96))
SHOWN = PaintedFrame(Frame(PHOTO, 0, 0.0), np.zeros_like(PHOTO))


def picture_style(path: Path) -> LoadedStyle:
    """Returns a style whose shade is the brightness of its picture."""
    brightness = LazyVector(lambda: np.array([read_photo(path).pixels.mean()], np.float32))
    return LoadedStyle(path.stem, path.stem, "", SHADE_NET, brightness)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mine"


@pytest.fixture
def maker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StyleMaker]:
    """A maker that does not count down."""
    monkeypatch.setattr("realtime.player.style_maker.COUNTDOWN_S", 0.0)
    with StyleMaker(folder, picture_style) as maker:
        yield maker


def controls_of(*names: str) -> Controls:
    return Controls(Session(names), StyleSwitcher([shade(name, 10) for name in names]))


def make(maker: StyleMaker, controls: Controls) -> None:
    """Presses the key and waits until the style is there."""
    before = len(controls.session.style_names)
    controls.session = maker.toggle_countdown(controls.session)
    deadline_s = time.monotonic() + 60
    while len(controls.session.style_names) == before:
        maker.attend(controls, SHOWN)
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def made(folder: Path) -> list[Path]:
    return sorted(folder.glob("camera-*.jpg"))


# making ---------------------------------------------------------------------------------------------------------------


def test_what_the_camera_sees_is_saved_and_changed_to(maker: StyleMaker, folder: Path) -> None:
    controls = controls_of("dark", "light")
    controls.session = replace(controls.session, automatic=True, original=True)
    make(maker, controls)
    (path,) = made(folder)
    assert controls.session.style_names == ("dark", "light", path.stem)
    assert controls.session.style_name == path.stem
    assert not controls.session.automatic
    assert not controls.session.original
    assert controls.session.notice == f"a new style: {path.stem}"
    assert np.abs(read_photo(path).pixels.astype(int) - PHOTO).mean() < 6
    assert controls.style.vector is not None
    assert maker.taken is not None
    np.testing.assert_array_equal(maker.taken, PHOTO)


def test_of_the_frame_on_the_screen_only_the_inside_is_taken() -> None:
    left, top, right, bottom = viewfinder_box((160, 96))
    framing = Session(("a",), framing=True)
    np.testing.assert_array_equal(taken_pixels(PHOTO, framing), PHOTO[top:bottom, left:right])
    np.testing.assert_array_equal(taken_pixels(PHOTO, Session(("a",))), PHOTO)


def test_a_mirrored_picture_is_saved_as_the_camera_saw_it() -> None:
    for framing in (True, False):
        seen = taken_pixels(PHOTO, Session(("a",), framing=framing))
        mirrored = taken_pixels(PHOTO[:, ::-1], Session(("a",), framing=framing, mirrored=True))
        np.testing.assert_array_equal(seen, mirrored)


@pytest.mark.parametrize("size", [(160, 96), (7, 5), (1, 1), (3, 400)], ids=str)
def test_the_camera_is_seen_inside_the_frame_and_the_painting_around_it(size: tuple[int, int]) -> None:
    photo = np.full((size[1], size[0], 3), 50, np.uint8)
    painted = np.full_like(photo, 200)
    shown = with_viewfinder(painted, photo)
    left, top, right, bottom = viewfinder_box(size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert (shown[top:bottom, left:right] == 50).all()
    assert painted.min() == 200, "the painting itself is left alone"
    if size == (160, 96):
        assert (shown[:10] == 200).all()
        assert (shown[top - 1, left:right] == 255).all()


def test_the_key_again_ends_the_countdown(folder: Path) -> None:
    with StyleMaker(folder, picture_style) as maker:
        controls = controls_of("dark")
        controls.session = maker.toggle_countdown(controls.session)
        assert controls.session.countdown_until_s is not None
        maker.attend(controls, SHOWN)
        controls.session = maker.toggle_countdown(controls.session)
        assert controls.session.countdown_until_s is None
        assert controls.session.notice == "no picture is taken"
    assert not folder.exists()


def test_before_the_first_frame_nothing_is_taken(maker: StyleMaker, folder: Path) -> None:
    controls = controls_of("dark")
    controls.session = maker.toggle_countdown(controls.session)
    maker.attend(controls, None)
    assert controls.session.countdown_until_s is not None
    assert not folder.exists()


def test_without_an_encoder_the_reason_is_shown_before_the_countdown(folder: Path) -> None:
    def refuse(_path: Path) -> LoadedStyle:
        raise StyleMismatchError("there is no style encoder")

    with StyleMaker(folder, refuse) as maker:
        session = maker.toggle_countdown(Session(("dark",)))
    assert session.countdown_until_s is None
    assert session.notice == "no style can be made: there is no style encoder"


def test_a_folder_that_cannot_be_written_into_ends_nothing(maker: StyleMaker, folder: Path) -> None:
    folder.write_text("a file is in the way")
    controls = controls_of("dark")
    controls.session = maker.toggle_countdown(controls.session)
    deadline_s = time.monotonic() + 60
    while "no style was made" not in controls.session.notice:
        maker.attend(controls, SHOWN)
        assert time.monotonic() < deadline_s
    assert controls.session.style_names == ("dark",)


def test_two_styles_of_one_second_have_two_names(maker: StyleMaker, folder: Path) -> None:
    controls = controls_of("dark")
    make(maker, controls)
    make(maker, controls)
    assert len(made(folder)) == 2
    assert len(set(controls.session.style_names)) == 3


# taking back ----------------------------------------------------------------------------------------------------------


def test_the_last_one_is_taken_back_and_the_style_before_is_on(maker: StyleMaker, folder: Path) -> None:
    controls = controls_of("dark", "light")
    controls.session = replace(controls.session, style_index=1)
    make(maker, controls)
    name = controls.session.style_name
    assert maker.take_back(controls) == f"removed {name}"
    assert controls.session.style_names == ("dark", "light")
    assert controls.session.style_name == "light"
    assert made(folder) == []
    assert maker.take_back(controls) == "no style was made with k"


def test_an_older_one_is_asked_for_twice(maker: StyleMaker, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controls = controls_of("dark")
    make(maker, controls)
    (path,) = made(folder)
    long_ago = time.time() - 3 * 3600
    os.utime(path, (long_ago, long_ago))
    assert maker.take_back(controls) == f"z again removes {path.stem}, which was made 3 hours ago"
    now_s = time.monotonic()
    monkeypatch.setattr("realtime.player.style_maker.time.monotonic", lambda: now_s + 60)
    assert maker.take_back(controls).startswith("z again removes"), "the first time is forgotten"
    assert path.exists()
    assert maker.take_back(controls) == f"removed {path.stem}"
    assert not path.exists()


def test_what_others_have_put_there_is_never_removed(maker: StyleMaker, folder: Path) -> None:
    folder.mkdir()
    for name in ("camera-20240101-120000.jpg", "camera-holiday.jpg", "postcard.jpg"):
        Image.fromarray(PHOTO).save(folder / name)
    (folder / "camera-20240101-120001.jpg").write_bytes(b"damaged")
    assert maker.take_back(controls_of("dark")) == "no style was made with k"
    assert len(list(folder.iterdir())) == 4


def test_a_style_that_is_gone_leaves_its_playlist_and_its_mix() -> None:
    styles = [shade(name, 10) for name in "abc"]
    switcher = StyleSwitcher(styles, Playlist(((0, 5), (1, 5), (2, 5))))
    session = switcher.remove(Session(tuple("abc"), style_index=2, mixing=True, mix=((1, 1.0), (2, 1.0))), "b")
    assert (session.style_names, session.style_name, session.mix) == (("a", "c"), "c", ())
    session = replace(session, automatic=True)
    shown = [(session := switcher.follow_playlist(session, at_s)).style_name for at_s in (0, 4, 6, 9, 11)]
    assert shown == ["a", "a", "c", "c", "a"]
    alone = Session(("a",))
    assert StyleSwitcher(styles[:1]).remove(alone, "a") is alone


# in a show ------------------------------------------------------------------------------------------------------------


def test_frames_go_on_in_the_old_style_until_the_new_one_is_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.player.style_maker.COUNTDOWN_S", 0.0)
    release: list[bool] = []

    def load(path: Path) -> LoadedStyle:
        def look() -> np.ndarray:
            while not release:
                time.sleep(0.005)
            return np.array([200], np.float32)

        return LoadedStyle(path.stem, path.stem, "", SHADE_NET, LazyVector(look))

    class Display(TypingDisplay):
        def show(self, pixels: Pixels) -> None:
            super().show(pixels)
            if len(self.shown) == 200:
                release.append(True)
            time.sleep(0.005)

    controls, collector = controls_of("dark"), Collector()
    with StyleMaker(folder, load) as maker, FrameStylizer(shade_backend()) as stylizer:
        outputs = PlayerOutputs(sinks=[collector], screen=Screen(Display({3: "k"})), style_maker=maker)
        Player(FewFrames(600), stylizer, controls, outputs=outputs).run()
    assert collector.shades[150] == 10
    assert collector.shades[-1] == 200
    assert collector.indices == list(range(600)), "no frame is lost and none comes twice"


def test_a_picture_that_cannot_be_read_leaves_the_show_with_the_style_before(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"damaged")
    styles = [shade("dark", 10), picture_style(tmp_path / "bad.jpg")]
    controls, collector = Controls(Session(("dark", "bad")), StyleSwitcher(styles)), Collector()
    with FrameStylizer(shade_backend()) as stylizer:
        outputs = PlayerOutputs(sinks=[collector], screen=Screen(TypingDisplay({3: "2"})))
        Player(FewFrames(200), stylizer, controls, outputs=outputs).run()
    assert set(collector.shades) == {10}
    assert controls.session.style_name == "dark"
    assert "its format is unknown" in controls.session.notice


def test_in_a_window_a_style_is_made_is_there_at_the_next_start_and_is_taken_back(
    open_window: Callable[..., OnScreen], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    monkeypatch.setenv("NST_LIVE_STYLES", str(mine))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_encoder(mine)
    command = ("-i", "test", "--size", "320x240", "--net", "fast")
    window = open_window(*command)
    left, top, right, bottom = viewfinder_box((320, 240))
    window.type("d")
    window.wait_for(lambda: window.look()[120:bottom, right].min() > 240)
    window.type("k")
    (path,) = window.wait_for(lambda: made(mine))
    assert read_photo(path).pixels.shape == (bottom - top, right - left, 3)
    window.wait_for(lambda: list((tmp_path / "cache/nst-live/predictions").glob("*.f32")))
    window.type("q")
    assert "Traceback" not in window.wait_for_end()
    window = open_window(*command, "--style", path.stem)
    window.type("z")
    window.wait_for(lambda: not made(mine))
    window.type("q")
    assert "Traceback" not in window.wait_for_end()
