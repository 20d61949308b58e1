"""A real browser sends its camera to the real command, and shows by WebRTC what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.realtime.on_screen import PATIENCE_S
from tests.realtime.remote.browser import Browser, Page, open_browser
from tests.realtime.remote.show import Show

# What the tests look at: small copies of the two <video>s of the page, and how far apart they are.
_HELPERS = """
window.painted = document.querySelector("[data-painting=webrtc]");
window.preview = document.querySelector("#camera video");
window.pixelsOf = (video) => {
  const canvas = document.createElement("canvas");
  canvas.width = 32; canvas.height = 24;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 32, 24);
  return context.getImageData(0, 0, 32, 24).data;
};
window.apart = (one, other) => one.reduce((sum, value, index) => sum + Math.abs(value - other[index]), 0) / one.length;
window.isOn = () => document.querySelector("#use-camera").dataset.state === "on";
window.isPainted = () => !painted.hidden && painted.videoWidth > 0;
"""
# Two more who watch, of whom only the first finds a place.
_TOO_MANY = """
(async () => {
  const { Painting } = await import("/page/webrtc.js");
  window.others = [];
  for (let number = 0; number < 2; number++)
    await new Promise((resolve) => {
      const video = Object.assign(document.createElement("video"), { muted: true });
      const painting = new Painting(video, (shown, reason) => resolve(others.push([shown, reason, painting])));
    });
  return others.map(([shown, reason]) => [shown, reason]);
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory, identity: Path) -> Iterator[Show]:
    """A show that paints everything as it is."""
    folder = tmp_path_factory.mktemp("show")
    options = ("-i", "browser", "--control", "127.0.0.1:0", "--style", str(identity), "--steady", "0")
    with Show(folder, *options) as opened:
        yield opened


@pytest.fixture(scope="module")
def phone(browser: Browser, show: Show) -> Page:
    """The page of the show, whose camera is what is painted."""
    page = browser.new_page(show.wait_for_line("controls: "))
    page.wait_for("document.querySelector('#use-camera') !== null")
    page.value(_HELPERS)
    page.click("#use-camera")
    page.wait_for("isOn()", PATIENCE_S)
    return page


def test_the_show_waits_for_a_camera_and_says_where(show: Show) -> None:
    link = show.wait_for_line("controls: ")
    line = show.wait_for_line("waiting for a browser's camera")
    assert line == f": open {link} and press “Use this camera”"


def test_what_the_camera_sends_is_painted_and_seen_by_webrtc(show: Show, phone: Page) -> None:
    show.wait_for_line("the browser's camera 640x480")
    phone.wait_for("isPainted()")
    assert phone.value("[painted.videoWidth, painted.videoHeight]") == [640, 480]
    assert phone.value("document.querySelector('[data-painting=mjpeg]').hasAttribute('src')") is False
    # the fake camera's picture moves, so the two are never quite the same
    phone.wait_for("apart(pixelsOf(preview), pixelsOf(painted)) < 12")
    phone.value("window.before = pixelsOf(painted)")
    phone.wait_for("apart(before, pixelsOf(painted)) > 0.5")
    assert [problem for problem in phone.problems if "exceptionDetails" in problem] == []


def test_of_three_who_watch_the_last_is_left_to_jpegs(browser: Browser, show: Show, phone: Page) -> None:
    phone.wait_for("isPainted()")
    assert phone.value(_TOO_MANY) == [[True, ""], [False, "2 browsers watch by WebRTC already; this one gets JPEGs"]]
    third = browser.new_page(show.wait_for_line("controls: "))
    third.value(_HELPERS)
    third.wait_for("document.querySelector('[data-painting=mjpeg]').naturalWidth === 640")
    assert third.value("painted.hidden")
    # who leaves makes room at once
    phone.value("for (const [, , painting] of others) painting.close()")
    # it asks again when it is looked at again
    third.wait_for("document.dispatchEvent(new Event('visibilitychange')) && isPainted()")
    third.close()


def test_a_phone_that_goes_away_is_waited_for_and_painted_again(show: Show, phone: Page) -> None:
    phone.click("#use-camera")
    show.wait_for_line("the browser's camera lost, waiting; open the page there and press “Use this camera”")
    phone.value("window.frozen = pixelsOf(painted)")
    phone.click("#use-camera")
    phone.wait_for("isOn()")
    phone.wait_for("apart(frozen, pixelsOf(painted)) > 0.5")


def test_in_a_show_of_something_else_the_camera_becomes_what_is_painted(phone: Page) -> None:
    change = """fetch("/api/state", {
      method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ source: "test" })
    }).then((answer) => answer.json()).then((state) => state.source)"""
    assert phone.value(change) == "test"
    phone.wait_for("document.querySelector('#source-name').textContent === 'test'")
    for _ in range(2):
        phone.click("#use-camera")
    phone.wait_for("isOn()")
    phone.wait_for("document.querySelector('#source-name').textContent === `the browser's camera`")
    phone.wait_for("apart(pixelsOf(preview), pixelsOf(painted)) < 12")


def test_a_page_that_may_not_use_a_camera_says_what_to_do(phone: Page) -> None:
    insecure = """(async () => {
      const { cameraProblem } = await import("/page/webrtc.js");
      Object.defineProperty(navigator, "mediaDevices", { value: undefined, configurable: true });
      Object.defineProperty(window, "isSecureContext", { value: false, configurable: true });
      const problem = cameraProblem();
      delete navigator.mediaDevices;
      return problem;
    })()"""
    assert phone.value(insecure).endswith("only over HTTPS: start nst-live with --control-tls")


def test_the_show_ends_while_browsers_send_and_watch(show: Show, phone: Page) -> None:
    assert show.end() == 130
    assert show.printed.splitlines()[-1] == "nst-live: stopped"
    assert "Traceback" not in show.printed
    phone.wait_for("!isOn() && !isPainted()")
