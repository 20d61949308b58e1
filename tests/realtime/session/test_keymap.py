"""Keys can be given other places by their names; what clashes or does not exist is refused with the line to type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from realtime.app.options.settings import read_settings, written_settings
from realtime.session import (
    ESCAPE,
    KEYS,
    ControlError,
    Request,
    Session,
    command_for,
    key_help,
    remapped_keys,
    written_keys,
)
from styles.support.errors import UsageError
from tests.realtime.conftest import NstLive
from tests.realtime.stand_ins import press

WANTED = {"snapshot": "e", "frozen": [";", "."], "recording": "space", "style_1": "", "quit": "s"}


def test_a_remapped_key_does_what_the_old_one_did_and_the_old_one_nothing() -> None:
    remapped = remapped_keys(WANTED)
    assert command_for("e", remapped) is Request.SNAPSHOT
    assert command_for("E", remapped) is Request.SNAPSHOT
    assert command_for("1", remapped) is None
    session = Session(("wave", "udnie"), remapped=remapped)
    assert [press(session, key).frozen for key in (";", ".", " ")] == [True, True, False]
    assert press(session, " ").recording
    assert press(session, "s").quitting
    assert press(session, ESCAPE).quitting, "a window that is closed sends ESC"
    assert not press(session, "q").quitting


def test_the_help_and_what_is_written_name_the_remapped_keys() -> None:
    remapped = remapped_keys(WANTED)
    shown = {meaning: label for label, meaning in key_help(remapped)}
    assert (shown["take a snapshot"], shown["freeze on / off"], shown["record on / off"]) == ("e", "; or .", "space")
    assert "style 1" not in shown
    assert shown["style 2"] == "2"
    written = {name: typed for name, typed, _ in written_keys(remapped)}
    assert written["frozen"] == [";", "."]
    assert written["quit"] == ["s", "esc"]
    assert remapped_keys({name: list(typed) for name, typed in written.items()})
    session = Session(("wave",), remapped=remapped_keys({"make_style": "e", "reset_brush": ";"}))
    assert press(session, "d").notice == "e makes a style of what is in the frame"
    assert "(;: back to 100 %)" in press(session, "[").notice


def test_two_keys_can_change_places() -> None:
    remapped = remapped_keys({"snapshot": "r", "recording": "s"})
    assert command_for("r", remapped) is Request.SNAPSHOT
    assert {key.name for key in KEYS} == {name for name, _, _ in written_keys(remapped)}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (
            {"snapshot": "r"},
            "snapshot cannot be 'r', the key of recording (record on / off); give that another one, e.g.",
        ),
        ({"snapshot": "r"}, 'e.g. add: recording = "e"'),
        ({"snapshot": "e", "replay": "e"}, "the key of snapshot"),
        ({"snapsot": "e"}, "'snapsot' is not the name of a key; did you mean snapshot?"),
        ({"xyzzy": "e"}, "is not the name of a key; to see all keys, type: nst-live --print-config"),
        ({"snapshot": 3}, 'snapshot is 3; expected a character, e.g. snapshot = "j", or "space", or a list of them'),
        ({"snapshot": "\n"}, "expected a character"),
        ({"snapshot": "esc"}, "snapshot cannot be ESC, which always quits"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(wanted: Mapping[str, object], reason: str) -> None:
    with pytest.raises(ControlError) as error:
        remapped_keys(wanted)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_settings_file_remaps_keys_and_its_errors_name_it(tmp_path: Path, nst_live: NstLive) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('fade = 2\n[keys]\nsnapshot = "e"\n')
    settings = read_settings(("--config", str(file)), {})
    assert settings.options.screen.keys == (("snapshot", "e"),)
    assert settings.options.look.fade == 2
    lines = list(written_settings(settings))
    assert 'snapshot = "e"  # take a snapshot' in lines
    again = tmp_path / "again.toml"
    again.write_text("\n".join(lines))
    assert list(written_settings(read_settings(("--config", str(again)), {})))[-40:] == lines[-40:]
    for argv in (["--help", "--config", file], ["-h", f"--config={file}"]):
        told = nst_live(*argv)
        assert "e            take a snapshot" in told.out
    file.write_text('[keys]\nsnapshot = "r"\n')
    with pytest.raises(UsageError, match=r"\[keys\] in .*mine.toml: snapshot cannot be 'r'"):
        read_settings(("--config", str(file)), {})
    assert "s            take a snapshot" in nst_live("--help", "--config", file).out
    file.write_text('keys = "e"\n')
    told = nst_live("--config", file)
    assert told.code == 2
    assert "expected a section [keys]" in told.complaint
