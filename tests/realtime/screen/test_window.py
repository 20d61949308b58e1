"""The window on a real X server: what is typed is obeyed, what is asked for can be read, and leaving is a success."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from realtime.screen.window import Window, no_screen_reason
from tests.realtime.clips import colourful, read_clip, write_clip
from tests.realtime.on_screen import OnScreen, difference

SIZE, RATE = (480, 360), 10
STILL = colourful(3, SIZE)


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of several minutes in which nothing moves: what changes on the screen was changed by a key."""
    folder = tmp_path_factory.mktemp("still")
    with av.open(str(folder / "still.avi"), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
        (packet,) = stream.encode(av.VideoFrame.from_ndarray(STILL, format="rgb24").reformat(format="yuvj420p"))
        for index in range(300 * RATE):
            again = av.Packet(bytes(packet))
            again.pts = again.dts = index
            again.time_base, again.stream, again.is_keyframe = Fraction(1, RATE), stream, True
            container.mux(again)
    return folder / "still.avi"


def test_keys_switch_the_styles_and_show_the_original(still: Path, open_window: Callable[..., OnScreen]) -> None:
    window = open_window("-i", still, "--style", "wreck", "--net", "fast")
    window.type("0")
    window.wait_for(lambda: difference(window.look(), STILL) < 6)
    seen = [STILL]
    for key in ("6", "1", "n"):
        window.type(key)
        window.wait_for(lambda: all(difference(window.look(), before) > 8 for before in seen))
        seen.append(window.look_when_still())
    window.type("p")
    window.wait_for(lambda: difference(window.look(), seen[2]) < 3)
    window.type("q")
    window.wait_for_end()


def test_hud_and_help_are_there_when_they_are_asked_for(
    still: Path, identity: Path, open_window: Callable[..., OnScreen]
) -> None:
    window = open_window("-i", still, "--style", identity)
    corner, below, middle = np.s_[12:50, 12:160], np.s_[55:70, 20:120], np.s_[80:280, 120:360]

    def is_panel(where: tuple[slice, slice]) -> bool:
        panel = window.look()[where].mean(axis=2)
        return bool(np.median(panel) < 90 and panel.max() > 200 and 0.01 < (panel > 150).mean() < 0.5)

    def is_bare(where: tuple[slice, slice]) -> bool:
        return float(np.abs(window.look()[where].astype(int) - STILL[where]).mean()) < 6

    window.wait_for(lambda: is_panel(corner))
    assert not is_panel(middle)
    window.type("h")
    window.wait_for(lambda: is_panel(middle))
    window.type("question")
    window.wait_for(lambda: not is_panel(middle))
    assert not is_bare(below)
    window.type("i")
    window.wait_for(lambda: is_bare(below))
    assert not is_bare(corner)
    window.type("i")
    window.wait_for(lambda: is_bare(corner))
    window.type("i")
    window.wait_for(lambda: is_panel(corner))
    window.type("Escape")
    window.wait_for_end()


def test_r_records_and_s_saves_what_is_seen(still: Path, identity: Path, open_window: Callable[..., OnScreen]) -> None:
    window = open_window("-i", still, "--style", identity)

    def has_dot() -> bool:
        return int((window.look()[:130, :200] == (255, 84, 72)).all(axis=2).sum()) > 20

    assert not has_dot()

    window.type("s")
    window.wait_for(lambda: list(window.captures.glob("*.png")))
    window.type("r")
    window.wait_for(has_dot)
    time.sleep(1)
    window.type("r")
    window.wait_for(lambda: not has_dot())
    window.type("q")
    printed = window.wait_for_end()
    (picture,) = window.captures.glob("*.png")
    (video,) = window.captures.glob("*.mp4")
    assert f"saved {picture}" in printed
    assert f"saved {video}" in printed
    with Image.open(picture) as saved:
        assert np.abs(np.asarray(saved).astype(int) - STILL).mean() < 6
    clip = read_clip(video)
    assert clip.size == SIZE
    assert len(clip.pictures) >= 3
    assert np.abs(clip.pictures[1].astype(int) - STILL).mean() < 8, "what is written on the screen is not recorded"


def test_closing_the_window_ends_with_success(identity: Path, open_window: Callable[..., OnScreen]) -> None:
    window = open_window("-i", "test", "--size", "480x360", "--style", identity)
    window.close()
    assert "painted " in window.wait_for_end()


def test_the_window_of_a_kiosk_that_is_closed_opens_again_and_hears_the_mouse(
    still: Path, open_window: Callable[..., OnScreen]
) -> None:
    window = open_window("-i", still, "--style", "wreck", "--net", "fast", "--kiosk", "600")
    window.close()
    window.wait_for_picture()

    def from_photo(split: float) -> float:
        window.drag(split)
        return difference(window.look(), STILL)

    def split_view_follows_the_mouse() -> bool:
        # a key may go to the window that is closing: the next one turns to the next view, and comes round
        window.type("v")
        return any(from_photo(0.98) < 6 and from_photo(0.02) > 8 for _ in range(5))

    window.wait_for(split_view_follows_the_mouse, "the split view")


def test_a_window_that_is_minimized_is_not_closed(identity: Path, open_window: Callable[..., OnScreen]) -> None:
    window = open_window("-i", "test", "--size", "480x360", "--style", identity)
    window.unmap()
    time.sleep(1.5)
    assert window.process.poll() is None
    window.map()
    window.wait_for(lambda: window.look().std() > 5)
    window.type("q")
    window.wait_for_end()


WITHOUT_VISIBILITY = """
import sys
import cv2
import realtime
from realtime.app.main import main
cv2.getWindowProperty = lambda *_: -1.0
sys.exit(main(sys.argv[1:]))
"""


def test_a_window_whose_toolkit_cannot_tell_whether_it_is_visible_is_not_closed(screen: str, identity: Path) -> None:
    options = ["-i", "test", "--size", "64x48", "--style", str(identity), "--frames", "20"]
    environment = {**os.environ, "DISPLAY": screen}
    command = [sys.executable, "-c", WITHOUT_VISIBILITY, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "painted 20 frames" in done.stderr


@pytest.mark.parametrize(("minimized", "closed"), [(True, False), (False, True)])
def test_a_window_that_is_in_the_dock_is_told_from_one_that_is_closed(
    minimized: bool, closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window.__new__(Window)
    window._shown = window._was_visible = True
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 0.0)
    monkeypatch.setattr("realtime.screen.window.is_minimized", lambda _title: minimized)
    assert window.closed == closed


def test_a_film_that_is_over_closes_the_window(
    tmp_path: Path, identity: Path, open_window: Callable[..., OnScreen]
) -> None:
    # long enough to be seen before it is over, also on a busy machine
    clip = write_clip(tmp_path / "clip.mp4", 20, size=SIZE, rate=Fraction(4), draw=colourful)
    window = open_window("-i", clip, "--style", identity)
    assert "painted 20 frames in " in window.wait_for_end()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_a_screen_that_lets_nobody_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # of any host, for any display, a cookie that the test does not show
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", bytes(16))
    entry = b"\xff\xff" + b"".join(len(field).to_bytes(2, "big") + field for field in fields)
    (tmp_path / "authority").write_bytes(entry)
    monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
    command = ["Xvfb", "-displayfd", "1", "-auth", str(tmp_path / "authority"), "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            display = f":{server.stdout.readline().strip()}"
            monkeypatch.setenv("DISPLAY", display)
            assert (
                no_screen_reason(os.environ) == f"no screen (nothing answers at DISPLAY {display}, or access is denied)"
            )
        finally:
            server.terminate()


def test_wayland_alone_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert (
        no_screen_reason(os.environ) == "no screen (DISPLAY is not set, and OpenCV's windows need X11, e.g. Xwayland)"
    )


def test_a_screen_is_found_where_there_is_one(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    assert no_screen_reason(os.environ) is None
    monkeypatch.setenv("DISPLAY", f"{screen}.0")
    assert no_screen_reason(os.environ) is None
