"""Measures what a page costs and how quickly it is heeded: python -m tests.realtime.remote.measure

Prints a line for each: from a control to the state that the show has and to the frame that shows it, and the rate of a
show with a page that never reads, and with 50 viewers of the MJPEG stream, as a share of its rate alone: the medians of
rounds in which all take their turn. Run it on a quiet machine.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from realtime.frames import Pixels
from styles.support.terminal import print_line
from tests.conftest import ROOT
from tests.realtime.servers import free_port

ROUNDS = 30
VIEWERS = 50
TURNS = 7
SETTLE_S, RATED_S = 2.0, 4.0
SIZE = "640x480"


class MeasuredShow:
    """The command with a page: the bundled scene on air, without a window, as fast as it goes."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, values: object = None) -> Any:
        body = None if values is None else json.dumps(values).encode()
        headers = {"Content-Type": "application/json"}
        method = "GET" if values is None else "PATCH"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @property
    def fps(self) -> float:
        """Frames a second in the mean of some time."""
        time.sleep(SETTLE_S)
        rates: list[float] = []
        end_s = time.monotonic() + RATED_S
        while time.monotonic() < end_s:
            time.sleep(0.5)
            rates.append(self.ask("/api/state")["show"]["fps"])
        return statistics.mean(rates)


@contextmanager
def open_show() -> Iterator[MeasuredShow]:
    port = free_port()
    arguments = ["-i", "test", "--size", SIZE, "--fps", "60", "--net", "fast", "--target-fps", "0", "--no-window"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "realtime.app.main", *arguments, "--control", f"127.0.0.1:{port}"]
        process = subprocess.Popen([*command, "--captures", folder], cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            show = MeasuredShow(port)
            end_s = time.monotonic() + 60
            while not is_answered(lambda: show.ask("/api/state")["show"]["fps"]):
                assert time.monotonic() < end_s, "the show does not answer"
                time.sleep(0.2)
            yield show
        finally:
            process.terminate()
            process.wait(20)


def is_answered(ask: Callable[[], object]) -> bool:
    try:
        return bool(ask())
    except OSError:
        return False


@contextmanager
def viewers(port: int, count: int, *, reading: bool) -> Iterator[None]:
    """Opens the MJPEG stream several times, and reads it or not."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(b"GET /api/stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connections.append(connection)
        leaving = threading.Event()

        def read(connection: socket.socket) -> None:
            connection.settimeout(0.5)
            while not leaving.is_set():
                try:
                    connection.recv(1 << 16)
                except TimeoutError:
                    continue
                except OSError:
                    return

        threads = [threading.Thread(target=read, args=(each,)) for each in connections if reading]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            leaving.set()
            for thread in threads:
                thread.join()


def frame_of(show: MeasuredShow) -> Pixels:
    import cv2
    import numpy as np

    with urllib.request.urlopen(f"http://127.0.0.1:{show.port}/api/frame.jpg", timeout=30) as answer:
        data = np.frombuffer(answer.read(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_REDUCED_COLOR_4), dtype=np.uint8)


def state_delays_ms(show: MeasuredShow) -> list[float]:
    """Returns how long it takes until a changed control is in the state of the show, which the answer says."""
    delays = []
    for index in range(ROUNDS):
        began_s = time.monotonic()
        show.ask("/api/state", {"strength": 0.5 + index % 2 / 2})
        delays.append(1000 * (time.monotonic() - began_s))
        time.sleep(0.1)
    return delays


def frame_delays_ms(show: MeasuredShow) -> list[float]:
    """Returns how long it takes until a frame is there that shows a changed control."""
    delays = []
    show.ask("/api/state", {"fade": 0, "steady": False, "strength": 1})
    for index in range(ROUNDS):
        time.sleep(0.3)
        before, began_s = frame_of(show).astype(int), time.monotonic()
        show.ask("/api/state", {"original": index % 2 == 0})
        while abs(frame_of(show) - before).mean() < 12:
            if time.monotonic() > began_s + 5:
                break
        delays.append(1000 * (time.monotonic() - began_s))
    return delays


def line_of(what: str, delays: list[float]) -> str:
    ordered = sorted(delays)
    return f"{what}: median {statistics.median(ordered):.0f} ms, of 30 the slowest {ordered[-1]:.0f} ms"


def main() -> None:
    with open_show() as show:
        print_line(line_of("from a control to the state of the show", state_delays_ms(show)), sys.stdout)
        print_line(
            line_of("from a control to a frame that shows it, fetched over HTTP", frame_delays_ms(show)), sys.stdout
        )
        show.ask("/api/state", {"original": False})
        turns = {
            "with a page that never reads": (1, False),
            f"with {VIEWERS} viewers that read": (VIEWERS, True),
            f"with {VIEWERS} viewers that never read": (VIEWERS, False),
        }
        alone: list[float] = []
        rates: dict[str, list[float]] = {what: [] for what in turns}
        for _ in range(TURNS):
            alone.append(show.fps)
            for what, (count, reading) in turns.items():
                with viewers(show.port, count, reading=reading):
                    rates[what].append(show.fps)
        print_line(f"alone: {statistics.median(alone):.1f} frames a second", sys.stdout)
        for what, found in rates.items():
            shares = [each / of for each, of in zip(found, alone, strict=True)]
            print_line(f"{what}: {statistics.median(shares):.2f} of that", sys.stdout)


if __name__ == "__main__":
    main()
