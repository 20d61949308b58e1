"""Opens what a show is played with beside the keyboard: OSC and MIDI."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from realtime.app.options.readers import OSC_ADDRESS
from realtime.app.options.table import ControlOptions
from realtime.player.controls import Controls
from realtime.remote.address import address_of
from styles.support.errors import UsageError
from styles.support.terminal import print_line
from styles.support.user_folders import settings_folder


def midi_file() -> Path:
    """Returns the file of what the knobs and pads of MIDI devices do."""
    return settings_folder() / "midi.toml"


def open_instruments(controls: Controls, options: ControlOptions, stack: ExitStack) -> None:
    """Listens to OSC and MIDI, if that was asked for, and says where.

    Args:
        controls: of the show.
        options: what was asked for.
        stack: ends it.

    Raises:
        UsageError: the package of OSC is missing.
        ControlServerError: the address of OSC cannot be opened.
        MidiError: there is no MIDI here, or no such device.
        MidiMappingError: the file of mappings cannot be read.
    """
    if options.osc is not None:
        _open_osc(controls, options.osc, stack)
    if options.midi is not None:
        _open_midi(controls, options.midi, stack)


def _open_osc(controls: Controls, text: str, stack: ExitStack) -> None:
    address = address_of(text, OSC_ADDRESS)
    try:
        from realtime.remote.osc import OscServer
    except ImportError as exc:
        raise UsageError(f'--osc needs the package python-osc; type: pip install "nst-live[control]" ({exc})') from exc
    server = stack.enter_context(OscServer(controls, address))
    print_line(f"OSC: UDP at {server.address}, e.g. /nst/strength 0.5")
    if not address.is_loopback:
        print_line("OSC has no passwords: everybody in that network can control the show")


def _open_midi(controls: Controls, wanted: str, stack: ExitStack) -> None:
    from realtime.remote.midi import MidiInput, MidiPorts

    ports = stack.enter_context(MidiPorts(MidiInput(controls, midi_file()).take, wanted))
    controls.session = replace(controls.session, midi=True)
    print_line(f"{ports.status}; {controls.session.key('learn', 'j')} learns what its knobs and pads do")
