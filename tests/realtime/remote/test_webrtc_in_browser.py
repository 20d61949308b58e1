"""A real browser sends its camera to the real command, and shows by WebRTC what becomes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import PATIENCE_S, Browser, Page, open_browser
from tests.conftest import ROOT
from tests.fuzz.command import environment_in

# What the tests look at: small copies of two <video>s, and how far apart they are.
_HELPERS = """
window.pixelsOf = (video) => {
  const canvas = document.createElement("canvas");
  canvas.width = 32; canvas.height = 24;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 24);
  return context.getImageData(0, 0, 32, 24).data;
};
window.apart = (one, other) => one.reduce((sum, value, index) => sum + Math.abs(value - other[index]), 0) / one.length;
window.nextFrame = (video) => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
"""
_WATCH = """
(async () => {
  const { Painting } = await import("/page/webrtc.js");
  window.video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  window.told = [];
  window.painting = new Painting(video, (shown, reason) => told.push([shown, reason]));
})()
"""
_SEND = """
(async () => {
  const { Camera } = await import("/page/webrtc.js");
  window.states = [];
  window.camera = new Camera((state, text) => states.push([state, text]));
  await camera.start();
  window.preview = document.createElement("video");
  preview.muted = true;
  preview.srcObject = camera.stream;
  await preview.play();
})()
"""


class Show:
    """The command, and what it prints."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._printed = (folder / "printed.txt").open("w+")
        command = [sys.executable, "-m", "realtime.app.main", "--no-window", *arguments]
        environment = {**environment_in(folder / "home"), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=self._printed)

    @property
    def printed(self) -> str:
        self._printed.flush()
        return Path(self._printed.name).read_text()

    def wait_for(self, what: Callable[[], Any]) -> Any:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline_s, self.printed
            time.sleep(0.05)
        return found

    def wait_for_line(self, beginning: str) -> str:
        """Returns the rest of the first line that begins so."""
        lines = self.wait_for(lambda: [line for line in self.printed.split("\n")[:-1] if line.startswith(beginning)])
        return str(lines[0]).removeprefix(beginning)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        self._printed.close()
        return code


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, identity: Path) -> Iterator[Show]:
    """A show that paints everything as it is."""
    folder = tmp_path_factory.mktemp("show")
    (folder / "home").mkdir()
    opened = Show(folder, "-i", "browser", "--control", "127.0.0.1:0", "--style", str(identity), "--steady", "0")
    yield opened
    opened.end()


@pytest.fixture(scope="module")
def phone(browser: Browser, show: Show) -> Page:
    """A page that sends the camera; the show begins with it."""
    link = show.wait_for_line("controls: ")
    page = browser.open()
    page.go(f"{link}view")
    page.run(_HELPERS + _SEND)
    page.wait_for("states.at(-1)[0] === 'on'", lambda: page.run("states"))
    return page


def test_the_show_waits_for_a_camera_and_says_where(show: Show) -> None:
    link = show.wait_for_line("controls: ")
    line = show.wait_for_line("waiting for a browser's camera")
    assert line == f": open {link} and press “Use this camera”"


def test_what_the_camera_sends_is_painted_and_seen_by_webrtc(show: Show, phone: Page) -> None:
    show.wait_for_line("the browser's camera 640x480")
    phone.run(_WATCH)
    phone.wait_for("told.length === 1 && told[0][0] && video.videoWidth === 640", lambda: phone.run("told"))
    seen = phone.run(
        "(async () => { for (let n = 0; n < 10; n++) await nextFrame(video); return video.videoHeight })()"
    )
    assert seen == 480
    # the fake camera's picture moves, so the two are never quite the same
    assert phone.wait_for("(d => d < 12 && d)(apart(pixelsOf(preview), pixelsOf(video)))") < 12
    before = "window.before = pixelsOf(video); true"
    assert phone.run(before)
    phone.wait_for("apart(before, pixelsOf(video)) > 0.5")
    assert phone.errors() == []
