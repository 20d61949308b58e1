"""A real browser without a screen, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

ANSWER_WITHIN_S = 60.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
)


class PageError(AssertionError):
    """Something went wrong in a page."""


# Where an element is, a moment after it was scrolled to; pages that are not in front draw no frames.
_MIDDLE = """new Promise((done) => {
  const element = document.querySelector(%s);
  element.scrollIntoView({ block: "center", behavior: "instant" });
  setTimeout(() => {
    const box = element.getBoundingClientRect();
    done([box.x + box.width / 2, box.y + box.height / 2]);
  }, 50);
})"""


class Page:
    """A tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        return self._browser.call(method, params, self._session)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Returns what a JavaScript expression, or its promise, gives."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 30.0) -> None:
        """Waits until an expression is true; while it fails, it is not."""
        end_s = time.monotonic() + seconds
        while True:
            with suppress(PageError):
                if self.value(f"Promise.resolve({expression}).then(Boolean)"):
                    return
            if time.monotonic() > end_s:
                raise PageError(f"not true within {seconds} s: {expression}\n{self.problems}")
            time.sleep(0.03)

    def click(self, selector: str) -> None:
        """Clicks an element as a mouse does, where it is."""
        box: list[float] = []
        while (found := self.value(_MIDDLE % json.dumps(selector))) != box:
            # it moves: a message above it comes or goes, a picture is loaded
            box = found
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def set_slider(self, selector: str, value: float) -> None:
        """Moves a slider as somebody does."""
        self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {value};"
            " e.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Chooses files in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        scale = 2 if mobile else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile
        )

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    @property
    def problems(self) -> list[str]:
        """What the page has complained about."""
        return self._browser.problems.get(self._session, [])

    def close(self) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})


class Browser:
    """Chromium; `problems` has the errors of each tab."""

    def __init__(self, port: int, path: str) -> None:
        self.problems: dict[str, list[str]] = {}
        self._url = f"ws://127.0.0.1:{port}{path}"
        self._loop = asyncio.new_event_loop()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._ready, self._ended = threading.Event(), asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse
        self._thread = threading.Thread(target=self._run_loop, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def new_page(self, url: str = "about:blank") -> Page:
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session, target)
        if url != "about:blank":
            page.open(url)
        return page

    def call(self, method: str, params: dict[str, Any], session: str = "") -> Any:
        future = asyncio.run_coroutine_threadsafe(self._call(method, params, session), self._loop)
        return future.result(ANSWER_WITHIN_S)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        self._loop.close()

    def _run_loop(self) -> None:
        self._loop.run_until_complete(self._run())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    async def _call(self, method: str, params: dict[str, Any], session: str) -> Any:
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        answer = self._waiting[number] = self._loop.create_future()
        await self._socket.send_json(message)
        return await answer

    async def _run(self) -> None:
        async with aiohttp.ClientSession() as client, client.ws_connect(self._url, max_msg_size=0) as socket:
            self._socket = socket
            self._ready.set()
            reading = asyncio.create_task(self._read())
            await self._ended.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        async for message in self._socket:
            content = json.loads(message.data)
            if "id" in content:
                answer = self._waiting.pop(content["id"])
                if "error" in content:
                    answer.set_exception(PageError(str(content["error"])))
                else:
                    answer.set_result(content["result"])
            elif content["method"] in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.problems.setdefault(content.get("sessionId", ""), []).append(json.dumps(content["params"])[:600])


@contextmanager
def open_browser(*flags: str) -> Iterator[Browser]:
    """Starts Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "no chromium; type: sh tools/apt-packages.sh test"
    folder = tempfile.mkdtemp(prefix="nst-browser-")
    command = [program, *_FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        file = Path(folder) / "DevToolsActivePort"
        end_s = time.monotonic() + 60
        while not file.exists() or len(file.read_text().splitlines()) < 2:
            assert process.poll() is None, "chromium has ended"
            assert time.monotonic() < end_s, "chromium does not answer"
            time.sleep(0.05)
        port, path = file.read_text().splitlines()
        browser = Browser(int(port), path)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
