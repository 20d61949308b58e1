"""The command in a real window on an X server without a monitor: typed at, looked at, closed."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import ImageGrab

from realtime.frames import Pixels
from realtime.screen.window import TITLE
from tests.conftest import ROOT

# long, since a busy machine may take most of a minute to start a command
PATIENCE_S = 120
Found = TypeVar("Found")
NEEDED = ("Xvfb", "xdotool")


def fail_or_skip(reason: str) -> None:
    """Skips, unless the window must be tested here."""
    if "window" in os.environ.get("NST_REQUIRE", "").split(",") or os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def x_server() -> Iterator[str]:
    """Gives the DISPLAY of an X server without a monitor."""
    if not sys.platform.startswith("linux"):
        pytest.skip("X servers without a monitor are for Linux")
    if missing := [command for command in NEEDED if shutil.which(command) is None]:
        fail_or_skip(f"not installed: {', '.join(missing)}; type: sudo apt-get install xvfb xdotool")
    ours, theirs = os.pipe()
    # -noreset: else it starts again, and forgets every window, whenever its last client leaves
    # -r: else a key repeats if a busy machine delays its release
    command = ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset", "-r"]
    with subprocess.Popen(command, pass_fds=[theirs], stderr=subprocess.DEVNULL) as server:
        os.close(theirs)
        with os.fdopen(ours) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        try:
            yield f":{number}"
        finally:
            server.terminate()


def difference(one: Pixels, other: Pixels) -> float:
    """Returns the mean difference in the middle of two pictures, where neither HUD nor messages are."""
    middle = np.s_[120:260, 60:420]
    return float(np.abs(one[middle].astype(int) - other[middle]).mean())


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
        # on SIGABRT it prints where it is
        self._env = {**os.environ, "DISPLAY": display, "PYTHONFAULTHANDLER": "1"}
        self._display = display
        command = [sys.executable, "-m", "realtime.app.main", "--captures", str(captures), "--fade", "0", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self._env, stderr=subprocess.PIPE, text=True)
        self.window = ""

    def wait_for_picture(self) -> None:
        """Waits for the window, another one than before, and then its first frame."""
        before = self.window
        self.wait_for(lambda: self._visible() not in ("", before))
        self.window = self._visible()
        self.wait_for(lambda: self.look().std() > 5)

    def _visible(self) -> str:
        return self._xdotool("search", "--onlyvisible", "--name", f"^{TITLE}$")

    def _xdotool(self, *words: str) -> str:
        done = subprocess.run(["xdotool", *words], env=self._env, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def type(self, key: str) -> None:
        """Presses and releases a key, by its X name, while the pointer is in the window."""
        self._xdotool("windowfocus", self.window, "mousemove", "--window", self.window, "50", "50", "key", key)

    def drag(self, share: float) -> None:
        """Drags the mouse to that share of the window's width."""
        x = str(round(share * self.look().shape[1]))
        where = ("mousemove", "--window", self.window)
        self._xdotool(*where, "5", "100", "mousedown", "1", *where, x, "100", "mouseup", "1")

    def unmap(self) -> None:
        """Takes the window from the screen, as a window manager does to minimize it."""
        self._xdotool("windowunmap", "--sync", self.window)

    def map(self) -> None:
        """Puts the window back on the screen."""
        self._xdotool("windowmap", "--sync", self.window)

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
        """Returns what is on the screen once the middle of it has stopped changing."""
        looks = [self.look()]

        def still() -> bool:
            time.sleep(0.3)
            looks.append(self.look())
            return difference(looks[-2], looks[-1]) == 0

        self.wait_for(still)
        return looks[-1]

    def wait_for(self, what: Callable[[], Found], words: str = "this") -> Found:
        """Returns the first result that counts as true; `words` name what is waited for."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert self.process.poll() is None, self._last_words()
            if time.monotonic() > deadline_s:
                self.process.send_signal(signal.SIGABRT)
                pytest.fail(f"{words} was not seen in time; the command was here:\n{self._last_words()}")
            time.sleep(0.05)
        return found

    def wait_for_end(self) -> str:
        """Waits until the command has ended with success; returns what it printed."""
        self.process.wait(timeout=PATIENCE_S)
        printed = self._last_words()
        assert self.process.returncode == 0, printed
        return printed

    def _last_words(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def end(self) -> None:
        """Ends the command, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
