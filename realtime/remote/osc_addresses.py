"""The OSC addresses of a show: one for each row of the table of controls, and what their arguments mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from realtime.session import ACTIONS, CONTROLS, Control, ControlError, OneOf, Range, Session, Switch, Value, Weights

PREFIX = "/nst"
# Asks for the value of every control; what is wrong with a message is answered at the other one.
STATE, ERROR = f"{PREFIX}/state", f"{PREFIX}/error"
# What OSC keeps for its patterns, and spaces.
_SPECIAL = re.compile(r"[^!-~]|[#*,/?\[\]{}]")

# A number, a text or a truth value, as OSC has them.
Argument = float | int | str | bool


def address_of_control(name: str) -> str:
    """Returns the address of a control or a command."""
    return f"{PREFIX}/{name}"


def osc_reference() -> Iterator[tuple[str, str, str]]:
    """Yields for people each address, its argument and its meaning."""
    for control in CONTROLS.values():
        style = "/STYLE" if isinstance(control.kind, Weights) else ""
        yield address_of_control(control.name) + style, _argument_text(control), control.help
    for action in ACTIONS.values():
        yield address_of_control(action.name), "none, or 1; 0 does nothing", action.help
    yield STATE, "none", "answers with the value of every control"


def _argument_text(control: Control) -> str:
    kind = control.kind
    if isinstance(kind, Switch):
        return "1 or 0"
    if isinstance(kind, Range):
        return f"{kind.lowest:g} … {kind.highest:g}" + (f" {kind.unit}" if kind.unit else "")
    if isinstance(kind, OneOf):
        return (", ".join(kind.choices) or "the name of a style") + ", or its number from 1"
    assert isinstance(kind, Weights)
    return f"0 … {kind.highest:g}" + (f" {kind.unit}" if kind.unit else "")


def asked_for(address: str, arguments: Sequence[object], session: Session) -> tuple[str, object] | None:
    """Returns what a message asks for: the name of a control and its value, or of a command and None.

    Args:
        address: of the message.
        arguments: of the message, of any type.
        session: of the show, whose styles there are.

    Returns None for the release of a button.

    Raises:
        ControlError: there is no such address, or the arguments do not fit.
    """
    name, _, part = address.removeprefix(f"{PREFIX}/").partition("/")
    known = address.startswith(f"{PREFIX}/") and (name in CONTROLS or name in ACTIONS)
    if not known or bool(part) != (name in CONTROLS and isinstance(CONTROLS[name].kind, Weights)):
        raise ControlError(f"no address {address[:60]}; docs/reference.md lists them")
    if name in ACTIONS:
        return (name, None) if not arguments or arguments[0] not in (0, False, None) else None
    if len(arguments) != 1:
        raise ControlError(f"{address}: {len(arguments)} arguments; expected one")
    # OSC has single precision: 0.8 comes as 0.800000012
    value = round(arguments[0], 6) if isinstance(arguments[0], float) else arguments[0]
    kind = CONTROLS[name].kind
    if part:
        return name, {_style_at(part, session): value}
    if isinstance(kind, OneOf) and isinstance(value, int | float) and not isinstance(value, bool):
        return name, _at_place(kind, value, session)
    return name, value


def messages_of(values: Mapping[str, Value], session: Session) -> Mapping[str, Argument]:
    """Returns the values of controls as messages: arguments by address."""
    messages: dict[str, Argument] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            for style in session.style_names:
                messages[f"{address_of_control(name)}/{_address_part(style)}"] = float(value.get(style, 0.0))
        else:
            messages[address_of_control(name)] = int(value) if isinstance(value, bool) else value
    return messages


def _at_place(kind: OneOf, place: float, session: Session) -> str:
    words = kind.among(session)
    if place != place or not 0 <= place - 1 < len(words):  # noqa: PLR0124 - not a number
        raise ControlError(f"{place:g} is not a place; expected a number from 1 to {len(words)}")
    return words[int(place) - 1]


def _address_part(style: str) -> str:
    return _SPECIAL.sub("_", style)


def _style_at(part: str, session: Session) -> str:
    for style in session.style_names:
        if part in (style, _address_part(style)):
            return style
    raise ControlError(f"no style {part[:60]!r}; expected one of {', '.join(map(_address_part, session.style_names))}")
