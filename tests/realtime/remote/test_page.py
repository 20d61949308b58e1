"""The page of controls in a real browser, beside the real command in a real window."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from realtime.session import CONTROLS, OneOf, Range, Switch
from styles.registry import USER_FOLDER_VARIABLE
from tests.realtime.clips import read_clip, write_clip
from tests.realtime.on_screen import OnScreen, difference, x_server
from tests.realtime.remote.browser import Browser, Page, open_browser
from tests.realtime.servers import free_port

SHOW_SIZE = (320, 240)
# By WebRTC, or as JPEGs.
_IS_SHOWN = """(() => {
  const image = document.querySelector('[data-painting]:not([hidden])');
  return (image.naturalWidth || image.videoWidth) > 0;
})()"""
# The mean colour of the painting in the page.
_COLOUR = """(() => {
  const image = document.querySelector('[data-painting]:not([hidden])');
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 48;
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0, 64, 48);
  return Array.from(context.getImageData(0, 0, 64, 48).data).filter((_, index) => index % 4 < 3);
})()"""


@dataclass
class Show:
    """The command, in its window, and its page."""

    window: OnScreen
    url: str
    styles: Path

    @property
    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "/api/state", timeout=30) as answer:
            state: dict[str, Any] = json.load(answer)
            return state

    def wait_for(self, name: str, value: object) -> None:
        self.window.wait_for(lambda: self.state[name] == value, f"{name} {value}")

    def reset(self) -> None:
        body = json.dumps({"style": "wreck", "strength": 1, "original": False}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + "/api/state", body, headers, method="PATCH")
        with urllib.request.urlopen(request, timeout=30):
            pass


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Show]:
    folder, port = tmp_path_factory.mktemp("page"), free_port()
    os.environ[USER_FOLDER_VARIABLE] = str(folder / "styles")
    with x_server() as display:
        size = "x".join(map(str, SHOW_SIZE))
        arguments = ["-i", "test", "--size", size, "--net", "fast", "--hud", "off", "--control", f"127.0.0.1:{port}"]
        window = OnScreen(display, folder / "captures", arguments)
        try:
            window.wait_for_picture()
            window.wait_for(lambda: answers(port))
            yield Show(window, f"http://127.0.0.1:{port}", folder / "styles")
        finally:
            window.end()
    del os.environ[USER_FOLDER_VARIABLE]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(show: Show, browser: Browser) -> Iterator[Page]:
    show.reset()
    page = browser.new_page(show.url)
    page.wait_for("document.querySelectorAll('.card').length >= 6 && document.querySelector('[data-control]')")
    page.wait_for(_IS_SHOWN)
    yield page
    page.close()


def painting_in(page: Page) -> np.ndarray[Any, Any]:
    return np.array(page.value(_COLOUR), float)


def test_the_page_shows_moving_painted_frames_in_the_style_that_is_chosen(show: Show, page: Page) -> None:
    first = painting_in(page)
    assert first.std() > 10
    page.wait_for(f"{_COLOUR}.some((value, index) => Math.abs(value - {first.astype(int).tolist()}[index]) > 20)")
    wreck = painting_in(page).reshape(-1, 3).mean(axis=0)
    page.click("[data-style=wave]")
    show.wait_for("style", "wave")
    page.wait_for("document.querySelector('[data-style=wave]').getAttribute('aria-pressed') === 'true'")
    show.window.wait_for(lambda: np.abs(painting_in(page).reshape(-1, 3).mean(axis=0) - wreck).max() > 8)
    assert page.problems == [each for each in page.problems if "link.svg" in each]


def test_every_control_of_the_page_changes_the_state_and_shows_it(show: Show, page: Page) -> None:
    shown = page.value("[...document.querySelectorAll('[data-control]')].map(each => each.dataset.control)")
    actions = page.value("[...document.querySelectorAll('[data-action]')].map(each => each.dataset.action)")
    elsewhere = {"style", "mix", "mixing", "playlist"}
    assert {*shown, *actions} >= CONTROLS.keys() - elsewhere
    for name in dict.fromkeys(shown):
        kind, before = CONTROLS[name].kind, show.state[name]
        if name in {"muted", "on_air", "react"}:
            continue  # there is neither sound nor a stream here, which a notice says
        if isinstance(kind, Switch):
            page.click(f"[data-control={name}]")
            show.wait_for(name, not before)
            page.wait_for(
                f"document.querySelector('[data-control={name}]').ariaChecked === '{str(not before).lower()}'"
            )
            page.click(f"[data-control={name}]")
        elif isinstance(kind, Range):
            number = kind.lowest if before > kind.lowest else kind.highest
            page.set_slider(f"[data-control={name}]", number)
            show.wait_for(name, number)
            page.set_slider(f"[data-control={name}]", before)
        elif isinstance(kind, OneOf):
            value = next(each for each in kind.choices if each != before)
            page.click(f"[data-control={name}][value='{value}']")
            show.wait_for(name, value)
            page.click(f"[data-control={name}][value='{before}']")
        show.wait_for(name, before)
    page.click("[data-action=frozen]")
    show.wait_for("frozen", True)
    frozen = show.window.look_when_still()
    page.set_slider("[data-control=strength]", 0)
    show.wait_for("strength", 0)
    page.click("[data-action=frozen]")
    show.wait_for("frozen", False)
    show.window.wait_for(lambda: difference(frozen, show.window.look()) > 5)


def test_sliders_mix_styles_and_another_page_follows(show: Show, page: Page, browser: Browser) -> None:
    other = browser.new_page(show.url)
    other.wait_for("document.querySelectorAll('.card').length >= 6")
    page.click("#mix-toggle")
    page.set_slider("[data-weight=wave]", 0.5)
    show.window.wait_for(lambda: show.state["mix"] == {"wave": 0.5, "wreck": 1.0})
    other.wait_for("document.querySelector('[data-weight=wave]').value === '0.5'")
    other.wait_for("document.querySelector('#styles').classList.contains('mixing')")
    other.set_slider("[data-control=strength]", 0.25)
    page.wait_for("document.querySelector('[data-control=strength]').value === '0.25'")
    show.window.type("n")
    page.wait_for("document.querySelectorAll('.card.on').length === 1")
    page.click("#playlist-toggle")
    for name, seconds in (("wave", 1), ("scream", 2)):
        page.value(f"document.querySelector('[data-seconds={name}]').value = '{seconds}'")
        page.value(f"document.querySelector('[data-seconds={name}]').dispatchEvent(new Event('change'))")
    show.window.wait_for(lambda: show.state["playlist"] == {"wave": 1.0, "scream": 2.0})
    other.wait_for("document.querySelector('[data-seconds=scream]').value === '2'")
    page.click("[data-control=automatic]")
    for name in ("wave", "scream", "wave"):
        show.wait_for("style", name)
    page.click("[data-control=automatic]")
    show.wait_for("automatic", False)
    other.close()


def test_a_picture_that_is_chosen_in_the_page_is_painted_with(show: Show, page: Page, tmp_path: Path) -> None:
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[::7], pixels[:, ::9] = (255, 30, 30), (240, 220, 40)
    Image.fromarray(pixels).save(tmp_path / "My plaid.png")
    page.choose_files("#files", [tmp_path / "My plaid.png"])
    page.wait_for("document.querySelector('[data-style=my-plaid]')?.getAttribute('aria-pressed') === 'true'", 60)
    assert show.state["style"] == "my-plaid"
    assert [path.name for path in show.styles.iterdir()] == ["my-plaid.jpg"]
    show.window.wait_for(lambda: show.state["show"]["caption"] == "my-plaid")
    page.wait_for("document.querySelector('[data-style=my-plaid] img').naturalWidth > 0", 60)
    (tmp_path / "text.png").write_text("no picture")
    page.choose_files("#files", [tmp_path / "text.png"])
    page.wait_for("document.querySelector('.error')?.textContent.startsWith('that is not a picture')")


def test_the_source_changes_in_mid_show_and_the_recording_goes_on(show: Show, page: Page, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "square.mp4", 20, size=(64, 64))
    page.click("[data-action=original]")
    show.wait_for("original", True)
    page.click("[data-action=recording]")
    show.wait_for("recording", True)
    time.sleep(0.5)
    page.click("#source")
    page.wait_for("document.querySelector('#sources option[value=test]')")
    page.value(f"document.querySelector('#source').value = {json.dumps(str(clip))}")
    page.click("#source ~ button")
    show.wait_for("source", str(clip))
    time.sleep(1)
    page.value("document.querySelector('#source').value = '/no/such/film.mp4'")
    page.click("#source ~ button")
    page.wait_for("document.querySelector('.error')?.textContent.startsWith('source: no file')")
    page.value("document.querySelector('#source').value = 'test'")
    page.click("#source ~ button")
    show.wait_for("source", "test")
    page.click("[data-action=recording]")
    show.wait_for("recording", False)
    (recording,) = show.window.captures.glob("*.mp4")
    frames = read_clip(recording)
    assert frames.size == SHOW_SIZE
    edges = [float(frame[:, :20].std()) for frame in frames.pictures]
    assert min(edges) < 8, "the square film between black bars"
    assert max(edges) > 12, "the scene"
    page.wait_for("document.querySelector('.saved a')")


def test_pages_that_disappear_cost_the_show_nothing(show: Show, browser: Browser) -> None:
    pages = [browser.new_page(show.url + path) for path in ("/", "/view", "/")]
    pages[1].wait_for("document.querySelector('#painting').naturalWidth > 0")
    for page in pages:
        page.close()
    show.window.type("h")
    show.wait_for("help", True)
    show.window.type("h")
    show.wait_for("help", False)


def test_a_link_with_a_token_opens_the_page(browser: Browser, tmp_path: Path) -> None:
    from realtime.remote.address import Address
    from realtime.remote.server import ServerOptions
    from tests.realtime.remote.stage import open_stage

    options = ServerOptions(Address("0.0.0.0", 0), secure=True)
    with open_stage(tmp_path, options) as stage:
        port, token = stage.server.guard.address.port, stage.server.guard.token
        page = browser.new_page(f"https://127.0.0.1:{port}/?token={token}")
        page.wait_for("document.querySelectorAll('.card').length === 3")
        page.wait_for(_IS_SHOWN)
        assert page.value("location.search") == ""
        assert page.value("document.cookie") == "", "no script can read the token"
        assert page.value("isSecureContext") is True
        page.wait_for("document.querySelector('.links img').naturalWidth > 0")
        page.set_slider("[data-control=strength]", 0.5)
        stage.wait_until(lambda: stage.controls.session.strength == 0.5)
        page.close()
