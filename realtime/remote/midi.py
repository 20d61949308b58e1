"""MIDI: knobs set controls, pads ask for commands, programme changes choose styles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from realtime.player.controls import Controls
from realtime.queues import LEAVE_TIMEOUT_S, BusyError
from realtime.remote.errors import MidiError
from realtime.remote.midi_mapping import Knob, read_mapping, write_mapping
from realtime.session import (
    ACTIONS,
    CHOOSING,
    CONTROLS,
    KEYS,
    MIX_OF,
    NOT_LEARNING,
    Control,
    ControlError,
    OneOf,
    Range,
    Session,
    Switch,
)

# A knob takes hold of a value that is so near, or that it passes; steps of MIDI are 1/127.
_NEAR, _SAME = 3 / 127, 1 / 254
_PRESSED = 0.5
_LOOK_EVERY_S = 2.0
# The system's own connection from each program to each other one.
_NO_DEVICE = "Midi Through"
_WEIGHT = Range(0.0, 1.0, 0.01)


@dataclass(frozen=True)
class Turned:
    """A knob that was turned, or a pad that was hit or let go.

    Args:
        knob: which one.
        share: where it stands, 0..1; 0 for a pad that is let go.
    """

    knob: Knob
    share: float


def turned(message: Any) -> Turned | None:
    """Returns what a message of mido says of a knob or a pad; None for other messages."""
    if message.type == "control_change":
        return Turned(Knob("control", message.channel + 1, message.control), message.value / 127)
    if message.type in ("note_on", "note_off"):
        velocity = message.velocity if message.type == "note_on" else 0
        return Turned(Knob("note", message.channel + 1, message.note), velocity / 127)
    if message.type == "pitchwheel":
        return Turned(Knob("pitch", message.channel + 1), (message.pitch + 8192) / 16383)
    return None


class MidiInput:
    """Does what MIDI messages ask for, from any thread.

    Soft takeover: a knob whose value was changed by something else does nothing before it reaches that value.

    Args:
        controls: of the show.
        file: where mappings are kept.

    Raises:
        MidiMappingError: the file cannot be read.
    """

    def __init__(self, controls: Controls, file: Path) -> None:
        self._controls, self._file = controls, file
        self._mapping = read_mapping(file)
        self._lock = threading.Lock()
        # where each knob stood last, and what was set by one: when it is done, and to which share
        self._shares: dict[Knob, float] = {}
        self._set: dict[str, tuple[Future[str], float]] = {}

    def take(self, message: Any) -> None:
        """Does what a message of mido asks for; what cannot be done is shown and changes nothing."""
        try:
            with self._lock:
                self._take(message)
        except BusyError:
            return
        except (ControlError, OSError) as exc:
            text = f"MIDI: {exc}"
            self._controls.send(lambda session: session.with_notice(text))

    def _take(self, message: Any) -> None:
        if message.type == "program_change":
            self._choose_style(message.program)
            return
        each = turned(message)
        if each is None:
            return
        learned = self._controls.session.learn
        if learned not in (NOT_LEARNING, CHOOSING):
            # a pad that is let go was hit before
            if each.share or each.knob.kind != "note":
                self._learn(each.knob, learned)
        elif (name := self._mapping.get(each.knob)) is not None:
            self._turn(each, name)
        self._shares[each.knob] = each.share

    def _choose_style(self, program: int) -> None:
        names = self._controls.session.style_names
        if program >= len(names):
            raise ControlError(f"no style {program + 1}: there are {len(names)}")
        self._controls.set("style", names[program])

    def _learn(self, knob: Knob, name: str) -> None:
        self._mapping[knob] = name
        write_mapping(self._file, self._mapping)
        text = f"{name} is {knob} now"
        self._controls.send(lambda session: replace(session, learn=CHOOSING).with_notice(text))

    def _turn(self, each: Turned, name: str) -> None:
        """Does what a knob or a pad is there for."""
        control = CONTROLS.get(name)
        if name.startswith(MIX_OF):
            self._turn_weight(each, name.removeprefix(MIX_OF))
        elif control is None:
            if self._is_hit(each):
                self._press(name)
        elif isinstance(control.kind, Range):
            self._turn_number(each, control)
        elif each.knob.kind != "note":
            self._controls.set(name, control.kind.at_share(each.share, self._controls.session))
        elif self._is_hit(each):
            self._controls.set(name, _next_value(control, self._controls.session))

    def _is_hit(self, each: Turned) -> bool:
        """Returns whether a pad is hit, or a knob comes into its upper half: once for each time."""
        if each.knob.kind == "note":
            return each.share > 0
        return each.share >= _PRESSED > self._shares.get(each.knob, 0.0)

    def _press(self, name: str) -> None:
        if name in ACTIONS:
            self._controls.ask(name)
        else:
            self._controls.send(next(key.command for key in KEYS if key.name == name))

    def _turn_number(self, each: Turned, control: Control) -> None:
        session = self._controls.session
        stands = control.kind.share_of(control.read(session), session)
        if stands is not None and self._holds_on(each, control.name, stands):
            done = self._controls.set(control.name, control.kind.at_share(each.share, session))
            self._set[control.name] = done, each.share

    def _turn_weight(self, each: Turned, style: str) -> None:
        session, name = self._controls.session, f"{MIX_OF}{style}"
        if self._holds_on(each, name, session.weights.get(style, 0.0)):
            self._set[name] = self._controls.set("mix", {style: _WEIGHT.at_share(each.share, session)}), each.share

    def _holds_on(self, each: Turned, name: str, stands: float) -> bool:
        """Returns whether a knob has hold of a value that stands at that share, or takes hold of it now."""
        last = self._shares.get(each.knob, each.share)
        passes = min(last, each.share) - _NEAR <= stands <= max(last, each.share) + _NEAR
        if passes or each.knob.kind == "note" or name not in self._set:
            return passes or each.knob.kind == "note"
        done, share = self._set[name]
        # what was set a moment ago may not be carried out yet
        return not done.done() or abs(stands - share) <= _SAME


def _next_value(control: Control, session: Session) -> object:
    """Returns what a pad changes a switch or a choice to."""
    value, kind = control.read(session), control.kind
    if isinstance(kind, Switch):
        return not value
    words = kind.among(session) if isinstance(kind, OneOf) else [value]
    return words[(words.index(str(value)) + 1) % len(words)]


class MidiPorts:
    """The devices that are listened to; those that are plugged in later too. A context manager.

    Args:
        take: gets each message, in a thread of the library.
        wanted: part of a device's name, "" for all.
        backend: what opens ports: `mido` itself by default.

    Raises:
        MidiError: MIDI does not work here, or there is no such device.
    """

    failure = backlog = ""

    def __init__(self, take: Callable[[Any], None], wanted: str = "", backend: Any = None) -> None:
        self._take, self._wanted, self._backend = take, wanted, backend or _default_backend()
        self._open: dict[str, Any] = {}
        self._look(first=True)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="MIDI", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        self._thread.join(LEAVE_TIMEOUT_S)
        for port in self._open.values():
            with suppress(Exception):  # drivers raise anything, also when they are gone
                port.close()

    @property
    def status(self) -> str:
        """Which devices are heard."""
        names = ", ".join(sorted(self._open))
        return f"MIDI: {names}" if names else f"MIDI: no {self._wanted or 'device'}, waiting for one"

    def _keep_looking(self) -> None:
        while not self._leaving.wait(_LOOK_EVERY_S):
            with suppress(Exception):  # whatever a driver has: the show goes on, and the next look is soon
                self._look()

    def _look(self, first: bool = False) -> None:
        """Opens what has been plugged in, and lets go of what is gone."""
        with _translated_errors(first):
            names = [name for name in self._backend.get_input_names() if not name.startswith(_NO_DEVICE)]
            wanted = [name for name in names if self._wanted.lower() in name.lower()]
            if first and self._wanted and not wanted:
                there = ", ".join(names) or "none"
                raise MidiError(f"no MIDI device {self._wanted!r}; there is: {there}")
            opened: Mapping[str, Any] = {name: self._open.get(name) for name in dict.fromkeys(wanted)}
            for name in self._open.keys() - opened.keys():
                self._open.pop(name).close()
            for name, port in opened.items():
                if port is None:
                    self._open[name] = self._backend.open_input(name, callback=self._take)


@contextmanager
def _translated_errors(first: bool) -> Iterator[None]:
    try:
        yield
    except MidiError:
        raise
    except Exception as exc:  # drivers raise anything
        if not first:
            raise
        reason = " ".join(str(exc).split()).rstrip(".")
        raise MidiError(f"there is no MIDI here: {reason}; on Linux it needs the module snd-seq of the kernel") from exc


def _default_backend() -> Any:
    """Returns mido, with its backend loaded. Raises MidiError."""
    try:
        import mido
        import rtmidi  # noqa: F401 - what mido opens devices with
    except ImportError as exc:
        raise MidiError(f'--midi needs the package {exc.name}; type: pip install "nst-live[midi]"') from exc
    return mido
