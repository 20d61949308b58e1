"""What is typed after --control and --kiosk: an address, a number, nothing; and never the name of a file by mistake."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.app.options.settings import read_settings
from realtime.remote.address import Address, address_of
from tests.realtime.conftest import NstLive
from tests.realtime.servers import HOST, free_port

FEW = ("-i", "test", "--size", "32x24", "--frames", "3", "--no-window")


@pytest.mark.parametrize(
    ("argv", "address"),
    [
        (("--control",), Address()),
        (("film.mp4", "--control"), Address()),
        (("--control", "0.0.0.0"), Address("0.0.0.0", 8765)),
        (("--control", "9000", "--loop"), Address("127.0.0.1", 9000)),
    ],
)
def test_the_address_may_be_left_out(argv: tuple[str, ...], address: Address) -> None:
    words = argv if argv[0].startswith("-") else ("-i", *argv)
    control = read_settings(words, {}).options.control.control
    assert control is not None
    assert address_of(control) == address


def test_a_settings_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "page.toml"
    file.write_text('control = true\ncontrol-token = "0123456789abcdef"\nkiosk = 30\n')
    options = read_settings(["--config", str(file)], {}).options
    assert (options.control.control, options.control.control_token, options.screen.kiosk) == (
        "",
        "0123456789abcdef",
        30,
    )
    assert read_settings([], {"NST_LIVE_CONTROL": "0.0.0.0:9000"}).options.control.control == "0.0.0.0:9000"


@pytest.mark.parametrize("option", ["--control", "--kiosk"])
def test_a_file_that_follows_is_not_swallowed(option: str, tmp_path: Path, nst_live: NstLive) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"")
    answer = nst_live(option, film)
    assert answer.code == 2
    assert f"argument {option}: '" in answer.err
    assert " is a file; expected " in answer.err
    assert "; type files before options: nst-live FILE OPTIONS" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("--control", "film:mp4"), "'film:mp4' is not an address; expected HOST:PORT, e.g. 127.0.0.1:8765"),
        (("--control", "--control-token", "short"), "expected 16 characters or more"),
        (("--control-tls",), "--control-tls needs --control"),
        (("--control-token", "0123456789abcdef"), "--control-token needs --control"),
        (("--kiosk", "soon"), "'soon' is not a number above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(argv: tuple[str, ...], reason: str, nst_live: NstLive) -> None:
    answer = nst_live(*FEW, *argv)
    assert answer.code == 2
    assert reason in answer.err.splitlines()[-1]


def test_photos_and_several_files_have_no_page(tmp_path: Path, nst_live: NstLive) -> None:
    answer = nst_live("-i", tmp_path, "-o", tmp_path / "out", "--control")
    assert answer.code == 2
    assert "--control takes one input, not several files" in answer.err


def test_without_its_packages_it_says_what_to_install(nst_live: NstLive, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("realtime.remote.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segno", None)
    answer = nst_live(*FEW, "--control", f"{HOST}:{free_port()}")
    assert answer.code == 2
    assert 'needs the package segno; type: pip install "nst-live[control]"' in answer.err


def test_a_show_with_a_page_prints_its_link_and_no_token_for_this_machine(nst_live: NstLive) -> None:
    port = free_port()
    answer = nst_live(*FEW, "--control", f"{HOST}:{port}")
    assert (answer.code, f"controls: http://{HOST}:{port}/\n" in answer.err) == (0, True)
    answer = nst_live(*FEW, "--control", f"0.0.0.0:{port}", "--control-tls", "--control-token", "0123456789abcdef")
    assert answer.code == 0
    assert f":{port}/?token=0123456789abcdef\n" in answer.err
    assert "controls: https://" in answer.err
