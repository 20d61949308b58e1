"""What kinds of values controls have, and which values of them are valid."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from realtime.session.state import Session

# What a control is set to.
Value = bool | float | str | Mapping[str, float]

# The largest weight of a style in a mix.
LARGEST_WEIGHT = 1.0
# How the weight of one style is called.
MIX_OF = "mix/"


class ControlError(ValueError):
    """There is no such control, or not with such a value."""


class ControlKind(Protocol):
    """What values a control can have."""

    def checked(self, value: object, session: Session) -> Value:
        """Returns a value if it is valid in the session. Raises ControlError, with what was expected."""

    def at_share(self, share: float, session: Session) -> Value | None:
        """Returns the value that a knob turned to a share in 0..1 stands for; None if no knob can set it."""

    def share_of(self, value: Value, session: Session) -> float | None:
        """Returns where a knob with that value stands, in 0..1; None if no knob can show it."""


@dataclass(frozen=True)
class Switch:
    """On or off."""

    def checked(self, value: object, session: Session) -> Value:  # noqa: ARG002 - the same in every session
        """Returns True or False; 1 and 0 stand for them."""
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise ControlError(f"{_quoted(value)} is not a state of a switch; expected true or false")

    def at_share(self, share: float, session: Session) -> Value | None:  # noqa: ARG002
        """Returns whether a knob is in its upper half."""
        return share >= 0.5

    def share_of(self, value: Value, session: Session) -> float | None:  # noqa: ARG002
        """Returns 1 for on and 0 for off."""
        return float(bool(value))


@dataclass(frozen=True)
class Range:
    """A number.

    Args:
        lowest: the lowest valid one.
        highest: the highest valid one.
        step: by how much a slider or a key changes it.
        unit: "s" for seconds; "" for a share.
    """

    lowest: float
    highest: float
    step: float
    unit: str = ""

    def checked(self, value: object, session: Session) -> Value:  # noqa: ARG002
        """Returns a number within the range."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise ControlError(f"{_quoted(value)} is not a number; expected {self._expected}")
        if not self.lowest <= value <= self.highest:
            raise ControlError(f"{value:g} is out of range; expected {self._expected}")
        return float(value)

    @property
    def _expected(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"a number from {self.lowest:g} to {self.highest:g}{unit}"

    def at_share(self, share: float, session: Session) -> Value | None:  # noqa: ARG002
        """Returns the number at that share of the range."""
        return self.lowest + min(1.0, max(0.0, share)) * (self.highest - self.lowest)

    def share_of(self, value: Value, session: Session) -> float | None:  # noqa: ARG002
        """Returns the share of the range at which a number lies."""
        if not isinstance(value, int | float):
            return None
        return min(1.0, max(0.0, (value - self.lowest) / (self.highest - self.lowest)))


@dataclass(frozen=True)
class OneOf:
    """One of several words.

    Args:
        choices: the words; () for the names of the session's styles.
    """

    choices: Sequence[str] = ()

    def among(self, session: Session) -> Sequence[str]:
        """Returns the words of a session."""
        return self.choices or session.style_names

    def checked(self, value: object, session: Session) -> Value:
        """Returns one of the words."""
        choices = self.among(session)
        if isinstance(value, str) and value in choices:
            return value
        raise ControlError(f"{_quoted(value)} is not a choice; expected one of {', '.join(choices)}")

    def at_share(self, share: float, session: Session) -> Value | None:
        """Returns the word at that place in their order."""
        choices = self.among(session)
        return choices[min(len(choices) - 1, max(0, int(share * len(choices))))]

    def share_of(self, value: Value, session: Session) -> float | None:
        """Returns the middle of the words's part of a knob's way."""
        choices = self.among(session)
        return (choices.index(value) + 0.5) / len(choices) if value in choices else None


@dataclass(frozen=True)
class Learnable(OneOf):
    """One of several words, or "mix/STYLE" for the weight of a style in the mix."""

    def among(self, session: Session) -> Sequence[str]:
        """Returns the words of a session."""
        return (*self.choices, *(f"{MIX_OF}{name}" for name in session.style_names))


@dataclass(frozen=True)
class Weights:
    """A number for each of some styles, by name; those that are not named stay as they are.

    Args:
        highest: the highest number; the lowest is 0, which takes a style out.
        step: by how much a slider changes it.
        unit: "s" for seconds; "" for a weight.
    """

    highest: float = LARGEST_WEIGHT
    step: float = 0.01
    unit: str = ""

    def checked(self, value: object, session: Session) -> Value:
        """Returns numbers of styles that there are."""
        if not isinstance(value, Mapping):
            example = f'{{"{session.style_name}": {0.5 * self.highest:g}}}'
            raise ControlError(f"{_quoted(value)} is not a number for each style; expected e.g. {example}")
        checked: dict[str, float] = {}
        for name, weight in value.items():
            OneOf().checked(name, session)
            # null takes a style out, as in a JSON merge patch
            kind = Range(0.0, self.highest, self.step, self.unit)
            number = kind.checked(0.0 if weight is None else weight, session)
            checked[name] = float(number) if isinstance(number, int | float) else 0.0
        return checked

    def at_share(self, share: float, session: Session) -> Value | None:  # noqa: ARG002
        """Returns None: there are several weights."""
        return None

    def share_of(self, value: Value, session: Session) -> float | None:  # noqa: ARG002
        """Returns None: there are several weights."""
        return None


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
