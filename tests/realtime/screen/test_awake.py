"""The computer neither sleeps nor starts its screen saver while a show is on air, and may again afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime.screen import awake as awake_module
from realtime.screen.awake import Awake
from tests.conftest import ROOT
from tests.realtime.conftest import NstLive
from tests.realtime.servers import HOST, free_port

NEEDS_BUS = pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is not installed")
SCREEN_SAVER = "org.freedesktop.ScreenSaver"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


class Desktop:
    """A desktop on a bus of its own, whose screen saver waits while somebody holds it. A context manager.

    `holders` are the connections that hold it now; `held` counts how often that was asked for.
    """

    def __init__(self) -> None:
        self.holders: set[str] = set()
        self.held = 0
        self._leaving = threading.Event()

    def __enter__(self) -> Desktop:
        command = ["dbus-daemon", "--session", "--print-address", "--nofork", "--nopidfile"]
        self._bus = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._bus.stdout is not None
        self.address = self._bus.stdout.readline().strip()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        assert ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        self._bus.terminate()
        self._bus.wait()
        assert self._bus.stdout is not None
        self._bus.stdout.close()

    def _serve(self, ready: threading.Event) -> None:
        from jeepney import MatchRule, MessageType, message_bus, new_error, new_method_return
        from jeepney.io.blocking import open_dbus_connection

        with open_dbus_connection(self.address) as connection:
            connection.send_and_get_reply(message_bus.RequestName(SCREEN_SAVER))
            gone = MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged")
            connection.send_and_get_reply(message_bus.AddMatch(gone))
            ready.set()
            while not self._leaving.is_set():
                try:
                    message: Any = connection.receive(timeout=0.05)
                except TimeoutError:
                    continue
                fields = {key.name: value for key, value in message.header.fields.items()}
                if message.header.message_type is MessageType.signal and fields["member"] == "NameOwnerChanged":
                    name, _before, after = message.body
                    self.holders -= set() if after else {name}
                elif fields.get("member") == "Inhibit" and fields["interface"] == SCREEN_SAVER:
                    self.holders.add(fields["sender"])
                    self.held += 1
                    connection.send(new_method_return(message, "u", (7,)))
                elif message.header.message_type is MessageType.method_call:
                    connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    with Desktop() as running:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", running.address)
        yield running


@NEEDS_BUS
def test_the_screen_saver_waits_until_it_may_start_again(desktop: Desktop) -> None:
    with Awake() as awake:
        assert not desktop.holders
        awake.on()
        awake.on()
        assert awake.unavailable_reason == ""
        assert len(desktop.holders) == 1
        awake.off()
        wait_until(lambda: not desktop.holders)
        awake.on()
    wait_until(lambda: not desktop.holders)
    assert desktop.held == 2


@NEEDS_BUS
def test_after_a_crash_the_computer_may_sleep_again(desktop: Desktop) -> None:
    code = "import time; from realtime.screen.awake import Awake; awake = Awake(); awake.on(); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as program:
        try:
            wait_until(lambda: bool(desktop.holders))
        finally:
            program.send_signal(signal.SIGKILL)
    wait_until(lambda: not desktop.holders)


@NEEDS_BUS
def test_a_show_on_air_keeps_the_screen_on_and_another_one_does_not(
    desktop: Desktop, identity: Path, nst_live: NstLive
) -> None:
    options = ["-i", "test", "--size", "64x48", "--style", identity, "--no-window", "--frames", "5"]
    assert nst_live(*options, "-o", "seen.mkv").code == 0
    assert desktop.held == 0
    url = f"udp://{HOST}:{free_port(socket.SOCK_DGRAM)}"
    assert nst_live(*options, "--stream", url).code == 0
    assert desktop.held == 1
    wait_until(lambda: not desktop.holders)


@NEEDS_BUS
def test_full_screen_keeps_the_screen_on_as_long_as_it_lasts(
    desktop: Desktop, identity: Path, open_window: Callable[..., Any]
) -> None:
    window = open_window("-i", "test", "--size", "480x360", "--style", identity)
    assert not desktop.holders
    window.type("f")
    wait_until(lambda: len(desktop.holders) == 1)
    window.type("f")
    wait_until(lambda: not desktop.holders)
    window.type("q")
    window.wait_for_end()


def test_without_a_desktop_the_reason_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    with Awake() as awake:
        awake.on()
        assert awake.unavailable_reason == "no desktop answers on D-Bus"


def test_on_macos_caffeinate_runs_for_as_long_as_our_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, log = tmp_path / "caffeinate", tmp_path / "log"
    program.write_text(f'#!/bin/sh\necho "$@" > {log}\nexec sleep 600\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "platform", "darwin")
    with Awake() as awake:
        awake.on()
        wait_until(lambda: log.is_file() and log.read_text().strip() != "")
    assert log.read_text().split() == ["-d", "-i", "-w", str(os.getpid())]


def test_on_windows_the_system_is_asked_and_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[int] = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(awake_module, "_windows_function", lambda: states.append)
    with Awake() as awake:
        awake.on()
        assert states == [0x80000003]
    assert states == [0x80000003, 0x80000000]
