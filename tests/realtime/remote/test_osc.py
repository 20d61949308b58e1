"""OSC by a real UDP client: messages change the show, changes are answered, and garbage and floods cost nothing."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.udp_client import SimpleUDPClient

from realtime.remote.address import Address
from realtime.remote.errors import ControlServerError
from realtime.remote.osc import OscServer
from realtime.remote.osc_addresses import osc_reference
from realtime.session import ACTIONS, CONTROLS, OneOf, Range, Session, Switch
from tests.realtime.conftest import NstLive
from tests.realtime.remote.stage import STYLES, Stage, open_stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("osc")) as stage:
        yield stage


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[OscServer]:
    with OscServer(stage.controls, Address(port=0)) as server:
        yield server


class Client(SimpleUDPClient):
    """A client that keeps what it is answered, by address."""

    def __init__(self, server: OscServer) -> None:
        super().__init__("127.0.0.1", server.address.port)
        self._sock.settimeout(0.05)
        self.heard: dict[str, Any] = {}

    def listen(self) -> dict[str, Any]:
        """Takes in what has come, and returns all that was answered."""
        from pythonosc.osc_message import OscMessage

        try:
            while True:
                message = OscMessage(self._sock.recv(65_536))
                self.heard[message.address] = message.params[0]
        except TimeoutError:
            return self.heard

    def hears(self, address: str, value: object) -> Callable[[], bool]:
        return lambda: self.listen().get(address) == pytest.approx(value)


@pytest.fixture
def client(server: OscServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client._sock.close()


def test_every_control_has_an_address_that_sets_it_and_is_answered(stage: Stage, client: Client) -> None:
    client.send_message("/nst/state", [])
    stage.wait_until(lambda: len(client.listen()) >= len(CONTROLS) - 2 + 2 * len(STYLES))
    for name, control in CONTROLS.items():
        if name in ("mix", "playlist", "frozen", "recording", "learn", "link", "muted", "react", "automatic"):
            continue
        session = stage.controls.session
        before = control.read(session)
        if isinstance(control.kind, Switch):
            sent: Any = int(not before)
        elif isinstance(control.kind, Range):
            sent = control.kind.lowest if before != control.kind.lowest else control.kind.highest
        else:
            assert isinstance(control.kind, OneOf)
            sent = next(word for word in control.kind.among(session) if word != before)
        client.send_message(f"/nst/{name}", sent)
        stage.wait_until(lambda control=control, sent=sent: control.read(stage.controls.session) == sent)  # type: ignore[misc]
        stage.wait_until(client.hears(f"/nst/{name}", sent))
        client.send_message(f"/nst/{name}", before)
        stage.wait_until(lambda control=control, before=before: control.read(stage.controls.session) == before)  # type: ignore[misc]


def test_styles_by_name_and_number_weights_and_commands(stage: Stage, client: Client) -> None:
    def session() -> Session:
        return stage.controls.session

    client.send_message("/nst/style", 3.0)
    stage.wait_until(lambda: session().style_name == "light")
    client.send_message("/nst/style", "grey")
    stage.wait_until(lambda: session().style_name == "grey")
    client.send_message("/nst/mix/dark", 0.5)
    stage.wait_until(lambda: session().weights == {"dark": 0.5, "grey": 1.0})
    stage.wait_until(client.hears("/nst/mix/dark", 0.5))
    client.send_message("/nst/mix/dark", 0)
    client.send_message("/nst/next_style", 0)  # a button that is let go
    client.send_message("/nst/next_style", 1)
    stage.wait_until(lambda: session().style_name == "light")
    client.send_message("/nst/snapshot", [])
    stage.wait_until(lambda: list(stage.captures.glob("*.png")))
    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, value in (("/nst/strength", 0.25), ("/nst/mirror", 1)):
        message = OscMessageBuilder(address)
        message.add_arg(value)
        bundle.add_content(message.build())
    client.send(bundle.build())
    stage.wait_until(lambda: (session().strength, session().mirrored) == (0.25, True))


def test_a_listener_hears_what_others_change_and_not_what_it_knows(stage: Stage, client: Client) -> None:
    client.send_message("/nst/state", [])
    stage.wait_until(lambda: "/nst/strength" in client.listen())
    client.heard.clear()
    stage.controls.set("strength", 0.7)
    stage.wait_until(client.hears("/nst/strength", 0.7))
    assert client.heard.keys() == {"/nst/strength"}


@pytest.mark.parametrize(
    ("address", "arguments", "reason"),
    [
        ("/nst/strength", [7.0], "strength: 7 is out of range; expected a number from 0 to 1"),
        ("/nst/strength", ["loud"], "strength: 'loud' is not a number"),
        ("/nst/strength", [float("nan")], "strength: nan is not a number"),
        ("/nst/strength", [], "/nst/strength: 0 arguments; expected one"),
        ("/nst/strength", [0.1, 0.2], "/nst/strength: 2 arguments; expected one"),
        ("/nst/style", [9], "9 is not a place; expected a number from 1 to 3"),
        ("/nst/style", [float("inf")], "inf is not a place"),
        ("/nst/style", ["udnie"], "style: 'udnie' is not a choice"),
        ("/nst/mix/udnie", [0.5], "no style 'udnie'; expected one of dark, grey, light"),
        ("/nst/mix", [0.5], "no address /nst/mix"),
        ("/nst/explode", [1], "no address /nst/explode; docs/reference.md lists them"),
        ("/other/strength", [1], "no address /other/strength"),
        ("/nst/steady", [b"blob"], "is not a state of a switch"),
    ],
)
def test_what_is_wrong_is_answered_in_one_line(
    address: str, arguments: list[Any], reason: str, stage: Stage, client: Client
) -> None:
    before = stage.controls.session
    stage.wait_until(lambda: client.send_message(address, arguments) or reason in client.listen().get("/nst/error", ""))  # type: ignore[func-returns-value]
    assert "\n" not in client.heard["/nst/error"]
    assert stage.controls.session.strength == before.strength


def test_garbage_and_a_flood_leave_the_show_as_it_is_and_the_next_message_is_heeded(
    stage: Stage, client: Client
) -> None:
    rng, painted = random.Random(0), stage.frames.painted
    shell = b"#bundle\0" + bytes(7) + b"\1"
    deep = b""
    for _ in range(1500):
        deep = shell + len(deep).to_bytes(4, "big") + deep
    packets = [b"", b"/", b"#bundle", shell * 100, deep[:4096], deep, os.urandom(1400), b"/nst/strength\0\0\0,f\0\0"]
    packets += [bytes(rng.randrange(256) for _ in range(rng.randrange(1, 80))) for _ in range(200)]
    end_s = time.monotonic() + 1.0
    while time.monotonic() < end_s:
        for packet in packets:
            client._sock.sendto(packet, (client._address, client._port))
        for number in range(500):
            client.send_message("/nst/strength", number / 500)
    stage.wait_until(lambda: client.send_message("/nst/strength", 0.125) or stage.controls.session.strength == 0.125)  # type: ignore[func-returns-value]
    stage.wait_until(lambda: stage.frames.painted is not painted)
    assert stage.controls.session.style_names == tuple(STYLES)


def test_a_port_that_is_taken_and_an_address_of_others_are_refused_in_one_line(stage: Stage, server: OscServer) -> None:
    with pytest.raises(ControlServerError, match=rf"cannot listen to OSC at {server.address}: .* in use; expected a"):
        OscServer(stage.controls, server.address)
    with pytest.raises(ControlServerError, match=r"cannot listen to OSC at 192\.0\.2\.1:9000"):
        OscServer(stage.controls, Address("192.0.2.1", 9000))


def test_the_reference_has_an_address_for_each_row_of_the_table() -> None:
    addresses = [address for address, _, _ in osc_reference()]
    assert len(set(addresses)) == len(addresses) == len(CONTROLS) + len(ACTIONS) + 1
    assert "/nst/mix/STYLE" in addresses


def test_the_command_listens_and_a_file_is_not_swallowed(tmp_path: Path, identity: Path, nst_live: NstLive) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    show = ("-i", "test", "--size", "64x48", "--frames", "3", "--no-window", "--style", identity)
    told = nst_live(*show, "--osc", port)
    assert told.code == 0
    assert f"OSC: UDP at 127.0.0.1:{port}" in told.err
    assert "no passwords" not in told.err
    film = tmp_path / "film.mp4"
    film.write_bytes(b"")
    for option in ("--osc", "--midi", "--ndi"):
        told = nst_live(option, film)
        assert told.code == 2
        assert "is a file; expected" in told.err
        assert "type files before options: nst-live FILE OPTIONS" in told.err
    assert "is not an address" in nst_live("--osc", "not an address").err
