"""MIDI by mido's own messages, and where a JACK server can run by a device that is real to the system."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mido
import pytest

from realtime.player.controls import Controls
from realtime.remote.errors import MidiError, MidiMappingError
from realtime.remote.midi import MidiInput, MidiPorts
from realtime.remote.midi_mapping import Knob, read_mapping, write_mapping
from realtime.session import Request, Session
from tests.realtime.conftest import NstLive
from tests.realtime.stand_ins import controls_of

KNOB, PAD, WHEEL = Knob("control", 1, 21), Knob("note", 10, 36), Knob("pitch", 1)
NAMES = ("la_muse", "scream", "wave")


class Rig:
    """A show with a MIDI device, whose messages are carried out at once."""

    def __init__(self, file: Path, session: Session) -> None:
        self.controls: Controls = controls_of(session)
        self.midi = MidiInput(self.controls, file)
        self.requests: list[Request] = []

    @property
    def session(self) -> Session:
        return self.controls.session

    def send(self, kind: str, at_once: bool = True, **values: int) -> Session:
        self.midi.take(mido.Message(kind, **values))
        return self.carried_out() if at_once else self.session

    def carried_out(self) -> Session:
        self.controls.carry_out(lambda request: self.requests.append(request) or "")  # type: ignore[func-returns-value]
        return self.session

    def turn(self, value: int, at_once: bool = True) -> Session:
        return self.send("control_change", at_once, channel=0, control=21, value=value)

    def hit(self, velocity: int = 100) -> Session:
        self.send("note_on", channel=9, note=36, velocity=velocity)
        return self.send("note_off", channel=9, note=36)

    def press(self, characters: str) -> Session:
        for character in characters:
            self.controls.press(character)
            self.carried_out()
        return self.session


@pytest.fixture
def rig(tmp_path: Path) -> Callable[..., Rig]:
    def make(mapping: dict[Knob, str] | None = None, **session: Any) -> Rig:
        file = tmp_path / "midi.toml"
        if mapping is not None:
            write_mapping(file, mapping)
        return Rig(file, replace(Session(NAMES, midi=True), **session))

    return make


def test_a_knob_sets_a_number_once_it_has_reached_its_value(rig: Callable[..., Rig]) -> None:
    show = rig({KNOB: "strength"}, strength=0.5)
    assert show.turn(10).strength == 0.5, "it stands elsewhere"
    assert show.turn(40).strength == 0.5
    assert show.turn(70).strength == pytest.approx(70 / 127), "it has passed 0.5"
    assert show.turn(127).strength == 1.0
    show.controls.set("strength", 0.2)
    show.carried_out()
    assert show.turn(126).strength == 0.2, "something else has set it"
    assert show.turn(90).strength == 0.2
    assert show.turn(26).strength == pytest.approx(26 / 127)
    assert show.turn(0).strength == 0.0


def test_a_knob_keeps_hold_while_its_messages_wait_and_a_jump_back_is_no_hold(rig: Callable[..., Rig]) -> None:
    show = rig({KNOB: "strength"}, strength=1.0)
    for value in (126, 110, 90, 60):
        show.turn(value, at_once=False)
    assert show.carried_out().strength == pytest.approx(60 / 127)
    assert show.turn(50).strength == pytest.approx(50 / 127)
    show.controls.set("strength", 1.0)
    show.carried_out()
    assert show.turn(49).strength == 1.0


def test_pads_switch_ask_and_step_and_let_go_does_nothing(rig: Callable[..., Rig]) -> None:
    assert rig({PAD: "mirror"}).hit().mirrored
    assert not rig({PAD: "mirror"}, mirrored=True).hit().mirrored
    assert rig({PAD: "view"}).hit().view == "side by side"
    assert rig({PAD: "style_3"}).hit().style_name == "wave"
    assert rig({PAD: "stronger"}, strength=0.5).hit().strength == 0.6
    assert rig({PAD: "next_style"}, style_index=2).hit().style_index == 0
    show = rig({PAD: "snapshot"})
    show.hit()
    assert show.requests == [Request.SNAPSHOT]


def test_knobs_and_wheels_of_every_kind(rig: Callable[..., Rig]) -> None:
    show = rig({KNOB: "mix/wave", WHEEL: "react"})
    show.turn(0)
    assert show.turn(64).weights == pytest.approx({"la_muse": 1.0, "wave": 64 / 127})
    show.send("pitchwheel", channel=0, pitch=-8192)
    assert show.send("pitchwheel", channel=0, pitch=8191).react == 1.0
    switch = rig({KNOB: "mirror"})
    assert [switch.turn(value).mirrored for value in (127, 70, 10)] == [True, True, False]
    button = rig({KNOB: "next_style"})
    assert [button.turn(value).style_index for value in (127, 0, 127, 100, 0)] == [1, 1, 2, 2, 2]


def test_programme_changes_choose_styles(rig: Callable[..., Rig]) -> None:
    show = rig()
    assert show.send("program_change", program=2).style_name == "wave"
    session = show.send("program_change", program=9)
    assert (session.style_name, session.notice) == ("wave", "MIDI: no style 10: there are 3")
    for other in ("clock", "sysex", "aftertouch"):
        assert show.send(other) is session
    assert show.turn(5) is session, "a knob that nobody has given anything"


def test_knobs_are_learned_by_keys_and_kept(rig: Callable[..., Rig], tmp_path: Path) -> None:
    show = rig()
    assert show.press("j").notice == "MIDI: press the key of a control, then move a knob or hit a pad; j ends"
    session = show.press("+")
    assert (session.learn, session.strength) == ("strength", 1.0)
    assert session.notice.startswith("strength: move a knob or hit a pad")
    assert show.turn(100).notice == "strength is knob 21 of channel 1 now"
    show.press("s")
    assert show.requests == [], "the key was chosen and not carried out"
    show.hit()
    show.press("3")
    show.send("note_on", channel=9, note=37, velocity=1)
    assert show.press("j").learn == "off"
    assert show.turn(120).strength == pytest.approx(1.0), "it has to pass the value first"
    assert show.turn(127).strength == 1.0
    assert read_mapping(tmp_path / "midi.toml") == {KNOB: "strength", PAD: "snapshot", Knob("note", 10, 37): "style_3"}
    again = rig()
    again.hit()
    assert again.requests == [Request.SNAPSHOT]
    show.controls.set("learn", "mix/wave")
    show.carried_out()
    show.turn(3)
    assert read_mapping(tmp_path / "midi.toml")[KNOB] == "mix/wave"
    assert "start with --midi" in rig(midi=False).press("j").notice


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[mapping", "cannot be read"),
        ("mapping = 3", "has a mapping that is not one: 3; expected kind"),
        (
            '[[mapping]]\nkind = "knob"\nchannel = 1\nnumber = 1\ndoes = "strength"',
            "expected kind \\(one of control, note",
        ),
        ('[[mapping]]\nkind = "note"\nchannel = 17\nnumber = 1\ndoes = "strength"', "channel \\(1 to 16\\)"),
        (
            '[[mapping]]\nkind = "note"\nchannel = 1\nnumber = 1\ndoes = "explode"',
            "pad 1 of channel 1 to 'explode', which",
        ),
    ],
)
def test_a_file_that_is_no_mapping_is_refused_in_one_line(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "midi.toml"
    file.write_text(text)
    with pytest.raises(MidiMappingError, match=reason) as error:
        read_mapping(file)
    assert "\n" not in str(error.value)


# devices --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jack() -> Iterator[Any]:
    """Mido with a JACK server that has no sound card."""
    if shutil.which("jackd") is None:
        pytest.skip("there is no jackd")
    server = subprocess.Popen(
        ["jackd", "-r", "-n", "nst-live-tests", "-d", "dummy"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JACK_DEFAULT_SERVER", "nst-live-tests")
        patch.setenv("JACK_NO_START_SERVER", "1")
        backend = mido.Backend("mido.backends.rtmidi/UNIX_JACK")
        try:
            end_s = time.monotonic() + 20
            while time.monotonic() < end_s:
                try:
                    backend.get_input_names()
                    break
                except Exception:
                    assert server.poll() is None, "jackd does not run here"
                    time.sleep(0.1)
            yield backend
        finally:
            server.terminate()
            server.wait(20)


def test_a_device_is_heard_and_one_that_is_plugged_in_later_too(jack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.remote.midi._LOOK_EVERY_S", 0.1)
    heard: list[Any] = []

    def wait_until(true: Callable[[], object]) -> None:
        end_s = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end_s, "it did not happen"
            time.sleep(0.02)

    with jack.open_output("Nano", virtual=True) as nano, MidiPorts(heard.append, "nano", jack) as ports:
        assert "Nano" in ports.status
        wait_until(lambda: nano.send(mido.Message("control_change", control=21, value=5)) or heard)
        assert (heard[0].control, heard[0].value) == (21, 5)
        nano.close()
        wait_until(lambda: ports.status == "MIDI: no nano, waiting for one")
        with jack.open_output("Nano", virtual=True) as again:
            heard.clear()
            wait_until(lambda: again.send(mido.Message("note_on", note=36)) or heard)
        with (
            jack.open_output("Pads", virtual=True),
            pytest.raises(MidiError, match=r"no MIDI device .moog.; there is: .*Pads"),
        ):
            MidiPorts(heard.append, "moog", jack)


def test_where_there_is_no_midi_the_command_says_so_in_one_line(
    identity: Path, nst_live: NstLive, missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    show = ("-i", "test", "--size", "64x48", "--frames", "2", "--no-window", "--style", identity)

    def broken() -> list[str]:
        raise RuntimeError("MidiInAlsa::initialize: error creating\nALSA sequencer client object.")

    monkeypatch.setattr(mido, "get_input_names", broken)
    told = nst_live(*show, "--midi")
    assert told.code == 4
    assert (
        "there is no MIDI here: MidiInAlsa::initialize: error creating ALSA sequencer client object" in told.complaint
    )
    missing("mido")
    told = nst_live(*show, "--midi")
    assert told.code == 4
    assert 'type: pip install "nst-live[midi]"' in told.complaint
