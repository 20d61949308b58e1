"""How the commands read sizes and numbers. A word that makes no sense raises argparse's error for words."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError

from styles.support.secrets import without_secrets

_MAX_QUOTED = 60
_LONGEST_NAME = 300


def quoted(value: object) -> str:
    """Returns a value as an error quotes it: without secrets, and a long one is shortened."""
    text = without_secrets(repr(value))
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…"


def shortened(name: str) -> str:
    """Returns a name as an error shows it: whole, unless it is longer than any that somebody reads."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def parse_size(text: str) -> tuple[int, int]:
    """Returns width and height of "640x480", in pixels, both at least 1."""
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match or min(int(side) for side in match.groups()) < 1:
        raise ArgumentTypeError(f"{quoted(text)} is not a size; expected WxH, e.g. 640x480")
    return int(match[1]), int(match[2])


def parse_count(text: str) -> int:
    """Returns a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{quoted(text)} is not a whole number of at least 1")
    return int(text)


def parse_whole_number(text: str) -> int:
    """Returns a whole number of at least 0."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"{quoted(text)} is not a whole number of at least 0")
    return int(text)


def parse_positive_number(text: str) -> float:
    """Returns a number above 0."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{quoted(text)} is not a number above 0")
    return number


def parse_number(text: str) -> float:
    """Returns a number of at least 0."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{quoted(text)} is not a number of at least 0")
    return number


def parse_share(text: str) -> float:
    """Returns a number from 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"{quoted(text)} is not a number from 0 to 1")
    return number


def parse_named_number(text: str) -> tuple[str, float]:
    """Returns the name, "" for none, and the number of "NAME=0.5" or "0.5"; the number is at least 0."""
    name, _, number = text.rpartition("=")
    return name, parse_number(number)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
