"""The window on a real X server: what is typed is obeyed, what is asked for can be read, and leaving is a success."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from PIL import Image, ImageGrab

from realtime.frames import Pixels
from realtime.window import TITLE, why_no_screen
from tests.realtime.clips import colourful, read_clip, write_clip

ROOT = Path(__file__).parents[2]
# long, since a busy machine may take most of a minute to start a command
PATIENCE_S = 120
SIZE, RATE = (480, 360), 10
STILL = colourful(3, SIZE)
Found = TypeVar("Found")
NEEDED = ("Xvfb", "xdotool")


def fail_or_skip(reason: str) -> None:
    """Skips, unless the window must be tested here."""
    if "window" in os.environ.get("NST_REQUIRE", "").split(",") or os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The DISPLAY of an X server without a monitor."""
    if not sys.platform.startswith("linux"):
        pytest.skip("X servers without a monitor are for Linux")
    if missing := [command for command in NEEDED if shutil.which(command) is None]:
        fail_or_skip(f"not installed: {', '.join(missing)}; type: sudo apt-get install xvfb xdotool")
    ours, theirs = os.pipe()
    # -noreset: else it begins anew, and forgets every window, whenever its last client leaves
    # -r: else a key is typed again and again where a busy machine lets its release wait
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset", "-r"]
    with subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL) as server:
        os.close(theirs)
        with os.fdopen(ours) as told:
            number = told.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
        server.terminate()


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


class ClientMessage(ctypes.Structure):
    """Xlib's XClientMessageEvent, as large as the largest event."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 20),
    )


def ask_to_close(display: str, window: int) -> None:
    """Sends WM_DELETE_WINDOW, as a window manager does for the button in the frame."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    protocols, delete = (x11.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    client_message = 33
    event = ClientMessage(type=client_message, window=window, message_type=protocols, format=32)
    event.data[0] = delete
    assert x11.XSendEvent(connection, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x11.XCloseDisplay(connection)


class OnScreen:
    """The command in its window: type, look, and wait for what should be seen."""

    def __init__(self, display: str, captures: Path, arguments: list[str]) -> None:
        self.captures = captures
        self._env = {**os.environ, "DISPLAY": display}
        self._display = display
        command = [sys.executable, "-m", "realtime.cli", "--captures", str(captures), "--fade", "0", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self._env, stderr=subprocess.PIPE, text=True)
        self.window = ""

    def wait_for_picture(self) -> None:
        """Waits for the window and its first picture, which comes after it."""
        self.window = self.wait_for(lambda: self._xdotool("search", "--onlyvisible", "--name", f"^{TITLE}$"))
        self.wait_for(lambda: self.look().std() > 5)

    def _xdotool(self, *words: str) -> str:
        done = subprocess.run(["xdotool", *words], env=self._env, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def type(self, key: str) -> None:
        """Presses and releases a key, by its X name, while the pointer is in the window."""
        self._xdotool("windowfocus", self.window, "mousemove", "--window", self.window, "50", "50", "key", key)

    def close(self) -> None:
        """Asks the window to close, as the button in its frame does."""
        ask_to_close(self._display, int(self.window))

    def look(self) -> Pixels:
        """Returns what is on the screen where the window is."""
        geometry = self._xdotool("getwindowgeometry", "--shell", self.window)
        at = {key: int(value) for key, value in (line.split("=") for line in geometry.splitlines())}
        box = (at["X"], at["Y"], at["X"] + at["WIDTH"], at["Y"] + at["HEIGHT"])
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("RGB").crop(box))

    def look_when_still(self) -> Pixels:
        """Returns what is on the screen once the middle of it has stopped to change."""
        looks = [self.look()]

        def still() -> bool:
            time.sleep(0.3)
            looks.append(self.look())
            return difference(looks[-2], looks[-1]) == 0

        self.wait_for(still)
        return looks[-1]

    def wait_for(self, what: Callable[[], Found]) -> Found:
        """Returns the first result that counts as true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < deadline_s, "this does not come to be seen"
            time.sleep(0.05)
        return found

    def wait_for_end(self) -> str:
        """Returns what was told by the time the command ended, with success."""
        told = self.process.communicate(timeout=PATIENCE_S)[1]
        assert self.process.returncode == 0, told
        return told


@pytest.fixture
def open_window(screen: str, tmp_path: Path) -> Iterator[Callable[..., OnScreen]]:
    """Returns `open_window("-i", …)`, which starts the command and waits for its window."""
    opened: list[OnScreen] = []

    def start(*arguments: object) -> OnScreen:
        opened.append(OnScreen(screen, tmp_path / "captures", [str(argument) for argument in arguments]))
        opened[-1].wait_for_picture()
        return opened[-1]

    yield start
    for window in opened:
        window.process.kill()
        window.process.communicate()


def difference(one: Pixels, other: Pixels) -> float:
    """Returns the mean difference in the middle of two pictures, where neither HUD nor messages are."""
    middle = np.s_[120:260, 60:420]
    return float(np.abs(one[middle].astype(int) - other[middle]).mean())


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
    corner, middle = np.s_[12:50, 12:160], np.s_[80:280, 120:360]

    def is_panel(where: tuple[slice, slice]) -> bool:
        panel = window.look()[where].mean(axis=2)
        return bool(np.median(panel) < 90 and panel.max() > 200 and 0.01 < (panel > 150).mean() < 0.5)

    window.wait_for(lambda: is_panel(corner))
    assert not is_panel(middle)
    window.type("h")
    window.wait_for(lambda: is_panel(middle))
    window.type("question")
    window.wait_for(lambda: not is_panel(middle))
    window.type("i")
    window.wait_for(lambda: not is_panel(corner))
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
    told = window.wait_for_end()
    (picture,) = window.captures.glob("*.png")
    (video,) = window.captures.glob("*.mp4")
    assert f"saved {picture}" in told
    assert f"saved {video}" in told
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


def test_a_film_that_is_over_closes_the_window(
    tmp_path: Path, identity: Path, open_window: Callable[..., OnScreen]
) -> None:
    # long enough to be seen before it is over, also on a busy machine
    clip = write_clip(tmp_path / "clip.mp4", 40, size=SIZE, rate=Fraction(4), draw=colourful)
    window = open_window("-i", clip, "--style", identity)
    assert "painted 40 frames in " in window.wait_for_end()


def test_a_screen_is_found_where_there_is_one(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen)
    assert why_no_screen() is None
    monkeypatch.setenv("DISPLAY", f"{screen}.0")
    assert why_no_screen() is None
