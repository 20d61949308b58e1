"""What keeps a show from being controlled from elsewhere."""

from __future__ import annotations


class ControlServerError(OSError):
    """Nothing can be opened at an address: no page, no OSC."""


class MidiError(RuntimeError):
    """There is no MIDI here, or no such device."""


class MidiMappingError(ValueError):
    """The file of what knobs and pads do cannot be read."""
