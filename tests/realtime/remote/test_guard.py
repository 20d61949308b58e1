"""Who may ask a server, and what happens to those who would misuse it: they are refused, and the show runs on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from realtime.remote.address import Address, AddressError, address_of, reachable_host
from realtime.remote.errors import ControlServerError
from realtime.remote.server import ControlServer, ServerOptions
from realtime.remote.show import RemoteShow
from tests.realtime.remote.stage import Stage, open_stage

TOKEN = "the-token-of-this-test"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    options = ServerOptions(Address(port=0), request_within_s=1.0)
    with open_stage(tmp_path_factory.mktemp("local"), options) as opened:
        yield opened


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("public"), ServerOptions(Address("0.0.0.0", 0), token=TOKEN)) as opened:
        yield opened


def is_alive(stage: Stage) -> bool:
    """Whether frames go on."""
    drawn = stage.frames.painted
    stage.wait_until(lambda: stage.frames.painted is not drawn, 5)
    return True


# names and sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.", "", "["])
def test_a_name_that_is_not_the_servers_own_is_refused(host: str, stage: Stage) -> None:
    answer = stage.ask("/api/state", Host=host)
    assert answer.status in {400, 403}, host
    assert b"strength" not in answer.body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.0.0.1:80"])
def test_the_servers_own_names_are_known(host: str, stage: Stage) -> None:
    assert stage.ask("/api/state", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://{host}"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "websocket"},
    ],
)
@pytest.mark.parametrize("path", ["/api/state", "/api/frame.jpg", "/api/stream.mjpg", "/api/events", "/"])
def test_what_another_site_asks_for_is_refused(headers: dict[str, str], path: str, stage: Stage) -> None:
    given = {name: text.replace("{host}", stage.url.partition("//")[2]) for name, text in headers.items()}
    answer = stage.ask(path, **given)  # type: ignore[arg-type]
    assert answer.status == 403
    assert b"a page of another site may not ask" in answer.body


def test_another_site_changes_nothing_but_the_own_page_does(stage: Stage) -> None:
    for method, path in (("PATCH", "/api/state"), ("POST", "/api/commands/snapshot"), ("POST", "/api/styles")):
        assert stage.ask(path, method, {"strength": 0.1}, Origin="http://evil.example").status == 403
        cross = stage.ask(path, method, {"strength": 0.1}, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
        assert cross.status == 403
    assert stage.controls.session.strength == 1.0
    assert stage.ask("/api/state", "PATCH", {"strength": 0.9}, Origin=stage.url).status == 200
    own = stage.ask("/api/state", "PATCH", {"strength": 1}, Origin=stage.url, Sec_Fetch_Site="same-origin")
    assert own.status == 200
    # a link from elsewhere may lead to the page
    assert stage.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
    assert stage.ask("/api/state", "OPTIONS", Origin="http://evil.example").status == 403
    assert stage.ask("/api/state", "DELETE").status == 405


# the token ------------------------------------------------------------------------------------------------------------

EVERY_PATH = ["/", "/view", "/page/main.js", "/api/state", "/api/frame.jpg", "/api/stream.mjpg", "/api/events", "/none"]


@pytest.mark.parametrize("path", EVERY_PATH)
def test_without_the_token_nothing_is_answered(path: str, public: Stage) -> None:
    for given in ("", "?token=", "?token=wrong", f"?token={TOKEN[:-1]}", f"?token={TOKEN}%00", "?token=%ff"):
        answer = public.ask(path + given)
        assert answer.status == 401
        assert b"this needs the link that nst-live has printed, with its token" in answer.body
    for header in ("Bearer wrong", f"Basic {TOKEN}", TOKEN[::-1]):
        assert public.ask(path, Authorization=header).status == 401
    assert public.ask(path, Cookie=f"{public.server.guard.cookie}=wrong").status == 401
    assert public.ask("/api/state", "PATCH", {"strength": 0}).status == 401


def test_the_token_is_taken_from_header_query_and_cookie_and_leaves_the_address(public: Stage) -> None:
    assert public.ask("/api/state", Authorization=f"Bearer {TOKEN}").status == 200
    assert public.ask(f"/api/state?token={TOKEN}").status == 200
    cookie = f"{public.server.guard.cookie}={TOKEN}"
    assert public.ask("/api/state", Cookie=cookie).status == 200
    with socket.create_connection(("127.0.0.1", public.server.guard.address.port)) as connection:
        connection.sendall(f"GET /view?token={TOKEN}&x=1 HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n".encode())
        answer = connection.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 303")
    assert "Location: /view?x=1\r\n" in answer
    assert "HttpOnly" in answer
    assert "SameSite=Lax" in answer
    host = Address(reachable_host(Address("0.0.0.0")), public.server.guard.address.port)
    assert public.server.link == f"http://{host}/?token={TOKEN}"


def test_with_the_token_names_still_count(public: Stage) -> None:
    assert public.ask("/api/state", Host="evil.example", Authorization=f"Bearer {TOKEN}").status == 403
    assert public.ask("/api/state", Host="192.168.7.7", Authorization=f"Bearer {TOKEN}").status == 200
    assert public.ask("/api/state", Host=f"{socket.gethostname()}:9", Authorization=f"Bearer {TOKEN}").status == 200


def test_other_addresses_get_a_token_of_their_own(stage: Stage) -> None:
    servers = [ControlServer(stage_show(stage), ServerOptions(Address("0.0.0.0", 0))) for _ in range(2)]
    tokens = {server.guard.token for server in servers}
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 20
    assert stage.server.guard.token == ""
    for server in servers:
        server._socket.close()


def stage_show(stage: Stage) -> RemoteShow:
    return stage.server._show


# what is too much -----------------------------------------------------------------------------------------------------


def connect(stage: Stage) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stage.server.guard.address.port), timeout=15)


def answer_of(connection: socket.socket) -> bytes:
    data = b""
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionError:
        pass
    return data


@pytest.mark.parametrize("framing", ["Content-Length: 1000000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize(
    ("method", "path", "kind"), [("POST", "/api/styles", "image/png"), ("PATCH", "/api/state", "application/json")]
)
def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(
    framing: str, method: str, path: str, kind: str, stage: Stage
) -> None:
    time.sleep(0.6)  # what was saved before counts
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
    chunk = b"x" * 1_000_000
    sent = 0
    with connect(stage) as connection:
        connection.sendall(head.encode())
        try:
            while sent < 1_000_000_000:
                connection.sendall(b"f4240\r\n" + chunk + b"\r\n" if "chunked" in framing else chunk)
                sent += len(chunk)
        except (ConnectionError, TimeoutError):
            pass
        answer = answer_of(connection)
    assert sent < 500_000_000
    assert not answer or b" 413 " in answer.splitlines()[0]
    assert is_alive(stage)


def send_slowly(connection: socket.socket, until_s: float) -> None:
    while time.monotonic() < until_s:
        connection.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    "begin", [b"", b"GET /api/state HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / "]
)
def test_a_request_that_comes_byte_by_byte_is_cut_off(begin: bytes, stage: Stage) -> None:
    with connect(stage) as connection:
        connection.sendall(begin)
        began_s = time.monotonic()
        with pytest.raises(ConnectionError):
            send_slowly(connection, began_s + 20)
    assert is_alive(stage)


def test_more_connections_than_there_may_be_are_turned_away_and_make_room_again(stage: Stage) -> None:
    connections = [connect(stage) for _ in range(300)]
    for connection in connections:
        connection.close()

    def is_answered() -> bool:
        with suppress(OSError):
            return stage.ask("/api/state").status == 200
        return False

    stage.wait_until(is_answered, 10)
    assert is_alive(stage)


@pytest.mark.parametrize("raw", [b"\x00\xff" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 20_000, b"X" * 70_000])
def test_what_is_not_http_is_refused(raw: bytes, stage: Stage) -> None:
    with connect(stage) as connection:
        connection.sendall(raw + b"\r\n\r\n")
        answer = answer_of(connection)
    assert b" 400 " in answer.splitlines()[0]
    assert b"Traceback" not in answer
    assert is_alive(stage)


def test_ten_thousand_messages_are_cut_off_and_the_show_runs_on(stage: Stage) -> None:
    async def flood() -> tuple[int | None, str]:
        async with aiohttp.ClientSession() as client, client.ws_connect(stage.url + "/api/events") as events:
            try:
                for index in range(10_000):
                    await events.send_str(json.dumps({"set": {"strength": index / 10_000}}))
            except (ConnectionError, aiohttp.ClientError):
                pass
            reason = ""
            async for message in events:
                reason = message.data
            return events.close_code, reason

    code, _ = asyncio.run(flood())
    assert code in {1008, 1006}
    assert is_alive(stage)
    stage.ask("/api/state", "PATCH", {"strength": 1.0})


def test_too_many_requests_are_refused_until_there_were_fewer(tmp_path: Path) -> None:
    async def ask_often(url: str) -> list[int]:
        async with aiohttp.ClientSession() as client:

            async def ask() -> int:
                async with client.get(url + "/api/state") as response:
                    return response.status

            return list(await asyncio.gather(*(ask() for _ in range(700))))

    with open_stage(tmp_path) as stage:
        statuses = asyncio.run(ask_often(stage.url))
        assert set(statuses) == {200, 429}
        stage.wait_until(lambda: stage.ask("/api/state").status == 200)


def test_a_viewer_that_never_reads_costs_the_show_no_frame(stage: Stage) -> None:
    dropped = stage.queue.dropped
    with connect(stage) as connection, connect(stage) as events:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /api/stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        events.sendall(f"GET /api/events HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n{key}\r\n\r\n".encode())
        stage.wait_until(lambda: stage.frames.watchers == 1)
        count = len([is_alive(stage) for _ in range(30)])
        assert count == 30
    stage.wait_until(lambda: stage.frames.watchers == 0)
    assert stage.queue.dropped - dropped <= 15


# pages in step --------------------------------------------------------------------------------------------------------


def test_every_page_hears_of_every_change_and_of_what_was_wrong(stage: Stage) -> None:
    async def hear() -> None:
        async with aiohttp.ClientSession() as client:
            one, two = [await client.ws_connect(stage.url + "/api/events") for _ in range(2)]

            async def until(events: aiohttp.ClientWebSocketResponse, strength: float) -> None:
                async with asyncio.timeout(10):
                    while (await events.receive_json())["state"]["strength"] != strength:
                        pass

            await until(one, 1.0)
            await until(two, 1.0)
            await one.send_json({"set": {"strength": 0.25}})
            await until(two, 0.25)
            await until(one, 0.25)
            await asyncio.to_thread(stage.controls.press, "+")
            await until(one, 0.35)
            for wrong, reason in (
                ({"set": {"strength": 3}}, "strength: 3 is out of range; expected a number from 0 to 1"),
                ({"do": "explode"}, "no command 'explode'"),
                ({"other": 1}, "expected"),
                ({"set": {"strength": 1}, "do": "quit"}, "expected"),
            ):
                await one.send_json(wrong)
                async with asyncio.timeout(10):
                    while "error" not in (answer := await one.receive_json()):
                        pass
                assert answer["error"].startswith(reason)
            await one.send_str("{")
            await two.send_json({"set": {"strength": 1.0}})
            await until(two, 1.0)

    asyncio.run(hear())


def test_a_change_is_answered_while_others_flood_the_show(stage: Stage) -> None:
    """Values that come faster than frames are merged: what waits stays little."""
    stopped = threading.Event()

    def flood() -> None:
        while not stopped.is_set():
            stage.controls.set("split", 0.5)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        assert stage.ask("/api/state", "PATCH", {"strength": 0.5}).value["strength"] == 0.5
    finally:
        stopped.set()
        thread.join()
        stage.ask("/api/state", "PATCH", {"strength": 1.0})


# addresses ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", Address("127.0.0.1", 8765)),
        ("9000", Address("127.0.0.1", 9000)),
        (":9000", Address("127.0.0.1", 9000)),
        ("0.0.0.0", Address("0.0.0.0", 8765)),
        ("192.168.1.5:80", Address("192.168.1.5", 80)),
        ("localhost", Address("localhost", 8765)),
        ("[::1]:9000", Address("::1", 9000)),
        ("my-mac.local:1", Address("my-mac.local", 1)),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert address_of(text) == address
    assert address_of(str(address)) == address


@pytest.mark.parametrize(
    "text", ["film.mp4:", "99999", "1.2.3:80", "::1", "a b", "-x", "http://a", "a:b", "[::1", "ä", "1.2.3.4:99999"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=r"is not an address; expected HOST:PORT, e.g. 127.0.0.1:8765"):
        address_of(text)


def test_a_file_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film").write_text("")
    with pytest.raises(AddressError, match="'film' is a file; expected HOST:PORT"):
        address_of("film")


def test_an_address_that_is_taken_is_refused_with_another(stage: Stage) -> None:
    port = stage.server.guard.address.port
    expected = f"at 127.0.0.1:{port}: Address already in use; .* 127.0.0.1:{port + 1}"
    with pytest.raises(ControlServerError, match=expected):
        ControlServer(stage_show(stage), ServerOptions(Address(port=port)))
