"""How the commands read sizes, rates and numbers; what is wrong is said in the words of argparse."""

from __future__ import annotations

import argparse
import math
import re
from fractions import Fraction

from realtime.media.rates import exact_rate


class UsageError(ValueError):
    """Options that do not go together."""


def parse_size(text: str) -> tuple[int, int]:
    """Returns width and height of "640x480"."""
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match or min(int(side) for side in match.groups()) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; wanted WxH, as 640x480")
    return int(match[1]), int(match[2])


def parse_rate(text: str) -> Fraction:
    """Returns frames per second, exactly; 29.97 and the like are taken for what they stand for, 30000/1001."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no frame rate; wanted 25, 29.97 or 30000/1001")
    return exact_rate(rate)


def parse_count(text: str) -> int:
    """Returns a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def parse_level(text: str) -> int:
    """Returns a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def parse_scale(text: str) -> Fraction:
    """Returns a factor of "0.5" or "1/3", up to 16."""
    try:
        factor = Fraction(text)
    except (ValueError, ZeroDivisionError):
        factor = Fraction(0)
    if not 0 < factor <= 16:
        raise argparse.ArgumentTypeError(f"{text!r} is no scale; wanted a number above 0, as 0.5")
    return factor


def parse_time(text: str) -> Fraction:
    """Returns the seconds of "90", "1:30" or "0:01:30.5"."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; wanted seconds or H:MM:SS, as 90, 1:30 or 0:01:30.5")
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Fraction(part)
    return seconds


def parse_positive_number(text: str) -> float:
    """Returns a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _from_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0")
    return number


def parse_seconds(text: str) -> float:
    """Returns a time of 0 or more."""
    return _from_zero(text)


def parse_share(text: str) -> float:
    """Returns a number from 0 to 1."""
    share = _from_zero(text)
    if share > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return share


def parse_mix(text: str) -> dict[str, float]:
    """Returns the weights of "wave:0.6,udnie:0.4" by name; a name alone weighs 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        if not name or name in weights:
            raise argparse.ArgumentTypeError(f"{text!r} is no mix; wanted different styles, as wave:0.6,udnie:0.4")
        weights[name] = parse_positive_number(weight) if weight else 1.0
    return weights


def parse_target(text: str) -> float:
    """Returns a rate to hold; 0 for none."""
    return 0.0 if text.strip() in {"0", "0.0"} else float(parse_rate(text))
