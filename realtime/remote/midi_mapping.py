"""What the knobs and pads of MIDI devices do: learned in a show, and kept as TOML in the user's folder."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.remote.errors import MidiMappingError
from realtime.session import ACTIONS, CONTROLS, KEYS, MIX_OF, Weights
from styles.support.atomic_file import atomic_path

# What MIDI calls them, and what people do.
KINDS: Mapping[str, str] = {"control": "knob", "note": "pad", "pitch": "wheel"}
_CHANNELS, _NUMBERS = range(1, 17), range(128)
_SETTABLE = {name for name, control in CONTROLS.items() if not isinstance(control.kind, Weights)}
_TARGETS = {*_SETTABLE, *ACTIONS, *(key.name for key in KEYS)} - {"learn"}


@dataclass(frozen=True, order=True)
class Knob:
    """A knob, a pad or a wheel of a MIDI device.

    Args:
        kind: one of KINDS.
        channel: 1..16.
        number: of the controller or the note, 0..127; 0 for a wheel.
    """

    kind: str
    channel: int
    number: int = 0

    def __str__(self) -> str:
        number = "" if self.kind == "pitch" else f" {self.number}"
        return f"{KINDS[self.kind]}{number} of channel {self.channel}"


Mapped = Mapping[Knob, str]


def read_mapping(path: Path) -> dict[Knob, str]:
    """Returns what each knob does: the name of a control, a command or a key, or "mix/STYLE". Nothing without a file.

    Raises:
        MidiMappingError: the file cannot be read.
    """
    if not path.exists():
        return {}
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("mapping", [])
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise MidiMappingError(f"{path} cannot be read: {exc}; correct it, or remove it and learn again") from exc
    mapping: dict[Knob, str] = {}
    for row in rows if isinstance(rows, list) else [rows]:
        knob, name = _read_row(row, path)
        mapping[knob] = name
    return mapping


def write_mapping(path: Path, mapping: Mapped) -> None:
    """Writes what each knob does. Raises OSError."""
    lines = ["# what the knobs and pads of MIDI devices do in nst-live; each is learned in a show (docs/control.md)"]
    for knob, name in sorted(mapping.items()):
        number = [] if knob.kind == "pitch" else [f"number = {knob.number}"]
        values = [f'kind = "{knob.kind}"', f"channel = {knob.channel}", *number]
        lines += ["", "[[mapping]]", *values, f"does = {json.dumps(name, ensure_ascii=False)}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _read_row(row: Any, path: Path) -> tuple[Knob, str]:
    values: Mapping[str, Any] = row if isinstance(row, dict) else {}
    kind, channel, number, name = (values.get(key, 0) for key in ("kind", "channel", "number", "does"))
    numbers: Sequence[object] = (channel, number)
    whole = all(isinstance(each, int) and not isinstance(each, bool) for each in numbers)
    if kind not in KINDS or not whole or channel not in _CHANNELS or number not in _NUMBERS:
        raise MidiMappingError(
            f"{path} has a mapping that is not one: {str(row)[:80]}; expected kind (one of {', '.join(KINDS)}), "
            "channel (1 to 16), number (0 to 127) and does"
        )
    if not isinstance(name, str) or (name not in _TARGETS and not name.startswith(MIX_OF)):
        raise MidiMappingError(f"{path} maps {Knob(kind, channel, number)} to {str(name)[:40]!r}, which there is not")
    return Knob(kind, channel, number), name
