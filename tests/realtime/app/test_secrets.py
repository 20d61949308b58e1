"""Passwords and keys in addresses appear nowhere: in no message, setting, traceback or argument of a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from realtime.app.options.table import TABLE
from realtime.sinks.stream import Stream
from styles.support.secrets import has_secrets, shown_address, shown_input, without_secrets
from tests.fuzz.command import command, environment_in
from tests.realtime.conftest import NstLive
from tests.realtime.servers import HOST, free_port

# Every secret part has one of these in it.
SECRETS = ("s3cret", "k3y")
ADDRESSES: Mapping[str, str] = {
    "rtsp://192.168.1.7/live/k3y": "rtsp://192.168.1.7/…",
    "rtsp://me:s3cret@192.168.1.7:554/live": "rtsp://192.168.1.7:554/…",
    "rtsp://me:s3cret@192.168.1.7": "rtsp://192.168.1.7",
    "rtsp://me:s3@cret@s3cret@camera.local/live": "rtsp://camera.local/…",
    "rtsp://me:pass/s3cret@camera.local/live": "rtsp://…",
    "rtsp://me:s3cret?more@camera.local/live": "rtsp://…",
    "rtsp://me:s3cret#more@camera.local/live": "rtsp://…",
    "rtsp://me:s3cret\\more@camera.local/live": "rtsp://…",
    "http://[::1]:8080/film.mp4?token=k3y": "http://[::1]:8080/…",
    "https://host?sig=k3y&mail=me@s3cret.org": "https://…",
    "RTMP://live.example.org/app/k3y": "rtmp://live.example.org/…",
    "udp://239.0.0.1:1234?key=k3y": "udp://239.0.0.1:1234/…",
    "srt://host:9000?passphrase=s3cret": "srt://host:9000/…",
    "rtsp:/me:s3cret@192.168.1.7/live": "rtsp://192.168.1.7/…",
    "tcp://127.0.0.1:5000": "tcp://127.0.0.1:5000",
    "http://host:s3cret/": "http://…",
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_of_an_address_the_host_alone_is_shown(url: str) -> None:
    assert shown_address(url) == ADDRESSES[url]
    assert not any(secret in shown_address(url) for secret in SECRETS)
    assert has_secrets(url) == any(secret in url for secret in SECRETS)


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("text", ["cannot open {}", "[Errno 5] Input/output error: '{}'", 'in "{}", line 3', "-i={}"])
def test_addresses_are_found_in_texts(text: str, url: str) -> None:
    shown = without_secrets(text.format(url))
    assert not any(secret in shown for secret in SECRETS)
    assert ADDRESSES[url].removesuffix("…") in shown


def test_an_address_that_was_given_is_found_with_all_its_spaces_and_quotes() -> None:
    url = "rtsp://me:it's \"s3cret\", isn't it@camera.local/live k3y"
    for text in (f"cannot open {url}", f"cannot open {url!r}", f"cannot open {[url]}"):
        assert not any(secret in without_secrets(text, [url]) for secret in SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "C:/films/a.mp4",
        "12:30.mp4",
        "Re: holiday.mp4",
        "a/b.mp4",
        "Re:/me.mp4",
        "expected rtmp://, rtsp:// or udp:// …",
    ],
)
def test_what_is_no_address_stays(text: str) -> None:
    assert without_secrets(text) == shown_input(text) == text


def test_every_option_that_takes_an_address_is_known_to_be_secret() -> None:
    url = "rtmp://live.example.org/app/k3y"
    assert {name for name, each in TABLE.items() if each.secret((url,) if name == "input" else url)} == {
        "input",
        "stream",
        "control_token",
    }


def test_a_stream_is_called_by_its_host() -> None:
    with Stream("rtmp://me:s3cret@127.0.0.1:1935/app/k3y", (64, 48), 25) as stream:  # type: ignore[arg-type]
        assert stream.name == "rtmp://127.0.0.1"


# the command ----------------------------------------------------------------------------------------------------------

URL = f"rtsp://me:s3@cret:s3cret@{HOST}:1/live/k3y?token=k3y"
PLAIN = ("-o", "painted.mp4", "--no-window")


@pytest.mark.parametrize(
    "arguments",
    [
        ("-i", URL, *PLAIN),
        ("-i", URL, "--debug", *PLAIN),
        (f"--input={URL}", "--debug", *PLAIN),
        ("-i", URL, "--print-config"),
        ("--stream", URL, "--print-config"),
        ("-i", URL, URL, "-o", "out"),
        ("-i", URL.replace("://", ":/"), *PLAIN),
        ("-i", URL.replace("s3@", "s3/"), "--debug", *PLAIN),
        ("-i", URL.replace("s3@", "s3 ' \" "), "--debug", *PLAIN),
        ("-i", "test", "--stream", URL.replace("rtsp", "ftp")),
        ("--strem", URL),
        ("--encoder", URL),
        ("--size", URL),
        ("--camera", "0", "-i", URL),
        ("--camera", URL),
        ("-o", "painted.mp4", URL),
        ("-i", "test", "-o", URL),
        ("--style", URL, "-i", "test", *PLAIN),
        ("gallery", URL, "-o", "sheet.png"),
        ("bench", "-i", URL),
    ],
    ids=lambda arguments: " ".join(arguments).replace(URL, "URL")[:60],
)
def test_nothing_that_is_printed_has_a_secret_in_it(arguments: Sequence[str], nst_live: NstLive) -> None:
    answer = nst_live(*arguments)
    printed = answer.out + answer.err
    assert printed
    assert not any(secret in printed for secret in SECRETS), printed


@pytest.mark.parametrize(
    "content",
    [
        f'input = ["{URL}"]',
        f'input = "{URL}"\ndebug = true',
        f'stream = ["{URL}"]',
        f'stream = "{URL}"\nfps = "{URL}"',
        f'hud = "{URL}"',
        f'"{URL}" = 1',
        f'input = ["clip.mp4", "{URL}"]\noutput = "out"',
    ],
)
@pytest.mark.parametrize("more", [("--debug",), ("--print-config",)], ids=" ".join)
def test_neither_has_what_the_settings_file_says(
    more: Sequence[str], content: str, tmp_path: Path, nst_live: NstLive
) -> None:
    (tmp_path / "clip.mp4").touch()
    (tmp_path / "mine.toml").write_text(content)
    answer = nst_live("--config", "mine.toml", "--no-window", "--frames", 1, *more)
    printed = answer.out + answer.err
    assert printed
    assert not any(secret in printed for secret in SECRETS), printed


@pytest.mark.parametrize("variable", ["INPUT", "STREAM", "FPS", "HUD", "STLYE"])
def test_neither_has_what_the_environment_says(
    variable: str, nst_live: NstLive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NST_LIVE_{variable}", URL)
    for more in ("--debug", "--print-config"):
        answer = nst_live(more, "--no-window", "--frames", 1)
        assert not any(secret in answer.out + answer.err for secret in SECRETS), answer


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes as Linux shows them")
def test_no_process_is_started_with_a_secret_among_its_arguments(tmp_path: Path, identity: Path) -> None:
    (tmp_path / "mine.toml").write_text(f'stream = "rtmp://{HOST}:{free_port()}/app/k3y"\nstyle = "{identity}"\n')
    argv = command("--config", "mine.toml", "-i", "test", "--no-window", "--frames", 1_000_000)
    with subprocess.Popen(
        argv, cwd=tmp_path, env=environment_in(tmp_path / "home"), stderr=subprocess.PIPE, text=True
    ) as process:
        seen: dict[int, bytes] = {}
        deadline_s = time.monotonic() + 60
        # the process that sends the stream, and the tracker of multiprocessing
        while len(seen) < 3 and time.monotonic() < deadline_s:
            seen |= {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in [process.pid, *children_of(process.pid)]}
            time.sleep(0.02)
        process.terminate()
        err = process.communicate(timeout=60)[1]
    assert len(seen) >= 2, err
    assert not any(secret.encode() in arguments for arguments in seen.values() for secret in SECRETS), seen
    assert not any(secret in err for secret in SECRETS), err


def children_of(pid: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children += map(int, (task / "children").read_text().split())
        except OSError:  # the thread has ended
            continue
    return [child for child in children if os.path.exists(f"/proc/{child}/cmdline")]  # noqa: PTH110
