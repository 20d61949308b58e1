"""A real browser without a window, driven by Chromium's DevTools protocol through a pipe."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# long, since a busy machine may take most of a minute to start a browser
PATIENCE_S = 120
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-pipe",
)


class BrowserError(RuntimeError):
    """The browser does not do what it was asked for, or the page has an error."""


class Browser:
    """Chromium, and the pipe through which it is driven."""

    def __init__(self, profile: Path, flags: Sequence[str] = ()) -> None:
        program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        if program is None:
            _fail_or_skip("no Chromium here; type: sudo apt-get install chromium")
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        # Chromium reads from 3 and writes to 4
        words = [f'exec {program} "$@" 3<&{their_in} 4>&{their_out}', "chromium", *_FLAGS, *flags]
        self._process = subprocess.Popen(
            ["bash", "-c", *words, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(their_in)
        os.close(their_out)
        self._read, self._id = b"", 0
        self.events: list[Mapping[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> Mapping[str, Any]:
        """Returns what the browser answers."""
        self._id += 1
        message: dict[str, Any] = {"id": self._id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._id:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                result: Mapping[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(self, url: str = "about:blank") -> Page:
        """Returns a new page."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable", session)
        return page

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _next(self) -> Mapping[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._in], [], [], PATIENCE_S)
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise BrowserError("the browser has ended" if ready else "the browser does not answer")
            self._read += data
        message, _, self._read = self._read.partition(b"\0")
        found: Mapping[str, Any] = json.loads(message)
        return found


class Page:
    """A page in a tab of its own."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self.session = browser, target, session

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        return self._browser.call(method, self.session, **parameters)

    def before_load(self, script: str) -> None:
        """Lets a script run in each document before the page's own ones."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def go(self, url: str) -> None:
        """Goes to an address, and waits until the page is there; a stream in it may go on loading."""
        answer = self.call("Page.navigate", url=url)
        if answer.get("errorText"):
            raise BrowserError(f"{url}: {answer['errorText']}")
        self.wait_for("document.readyState !== 'loading' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """Returns the value of an expression; that of a promise is waited for.

        Raises:
            BrowserError: it throws.
        """
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait_for(self, script: str, describe: Callable[[], object] = lambda: "") -> Any:
        """Returns the first value of an expression that counts as true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not (value := self.run(script)):
            assert time.monotonic() < deadline_s, f"never true: {script} {describe()}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Clicks an element that is there, or will be soon."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"{found} !== null")
        self.run(f"{found}.click()")

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Gives the page a size, in pixels, as on a phone or not."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def screenshot(self, path: Path) -> None:
        """Saves what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def errors(self) -> list[str]:
        """Returns what the page has reported to the console as an error, and forgets it."""
        self.run("0")
        found = []
        for event in self._browser.events:
            parameters = event.get("params", {})
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(parameters["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                found.append(parameters["entry"]["text"])
        self._browser.events.clear()
        return found

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextmanager
def open_browser(*flags: str) -> Iterator[Browser]:
    """Gives a browser that begins with nothing, and forgets everything."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the browser of the tests is for Linux")
    with tempfile.TemporaryDirectory(prefix="nst-live-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile), flags)
        try:
            yield browser
        finally:
            browser.close()


def _fail_or_skip(reason: str) -> None:
    """Skips, unless the browser must be tested here."""
    if "browser" in os.environ.get("NST_REQUIRE", "").split(",") or os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
