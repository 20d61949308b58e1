"""How `nst-live` reads rates, times, mixes and playlists.

A word that makes no sense raises argparse's error for words.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from realtime.media.rates import exact_rate
from realtime.player.kiosk import DEFAULT_IDLE_S
from realtime.player.playlist import DEFAULT_SECONDS
from realtime.remote.address import Address, AddressError, address_of
from realtime.remote.ice import IceServerError, ice_server_of
from realtime.session import SMALLEST_BRUSH
from realtime.stylize.prediction import LARGEST_ZOOM, SMALLEST_ZOOM
from styles.registry import PICTURE_SUFFIXES
from styles.support.readers import parse_positive_number, quoted
from styles.support.secrets import has_secrets

# For how long a style is refined, and how long it may be: a day.
REFINING_MINUTES = 5.0
_MOST_MINUTES = 24 * 60.0
_MAX_RATE, _MAX_SCALE, _MAX_DELAY_MS = 1000, 16, 2000
DEFAULT_CONTROL, DEFAULT_IDLE = str(Address()), f"{DEFAULT_IDLE_S:g}"
OSC_ADDRESS = Address(port=9000)
_FILE_SUFFIXES = {*PICTURE_SUFFIXES, ".safetensors", ".onnx"}


def parse_rate(text: str) -> Fraction:
    """Returns frames per second, exactly: 29.97 and the like are read as the rate that they stand for, 30000/1001."""
    rate = _fraction(text)
    if not 0 < rate <= _MAX_RATE:
        raise ArgumentTypeError(f"{quoted(text)} is not a frame rate; expected e.g. 25, 29.97 or 30000/1001")
    return exact_rate(rate)


def parse_target(text: str) -> float:
    """Returns a rate to hold, in frames per second; 0 for none."""
    return 0.0 if text.strip() in {"0", "0.0"} else float(parse_rate(text))


def parse_scale(text: str) -> Fraction:
    """Returns a factor of "0.5" or "1/3", above 0 and at most 16."""
    factor = _fraction(text)
    if not 0 < factor <= _MAX_SCALE:
        raise ArgumentTypeError(f"{quoted(text)} is not a scale; expected a number above 0, e.g. 0.5")
    return factor


def parse_zoom(text: str) -> float:
    """Returns from how near a style picture is looked at: a number from 0.25 to 4."""
    return _within(text, SMALLEST_ZOOM, LARGEST_ZOOM, "a zoom")


def parse_brush(text: str) -> float:
    """Returns the scale at which the net paints: a number from 0.25 to 1."""
    return _within(text, SMALLEST_BRUSH, 1.0, "a brush")


def _within(text: str, smallest: float, largest: float, what: str) -> float:
    number = float(_fraction(text))
    if not smallest <= number <= largest:
        raise ArgumentTypeError(f"{quoted(text)} is not {what}; expected a number from {smallest:g} to {largest:g}")
    return number


def parse_time(text: str) -> Fraction:
    """Returns the seconds of "90", "1:30" or "0:01:30.5"."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise ArgumentTypeError(
            f"{quoted(text)} is not a time; expected seconds or H:MM:SS, e.g. 90, 1:30 or 0:01:30.5"
        )
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Fraction(part)
    return seconds


def parse_part_length(text: str) -> Fraction:
    """Returns the seconds of a part of a film, at least one."""
    seconds = parse_time(text)
    if seconds < 1:
        raise ArgumentTypeError(f"{quoted(text)} is too short for a part of a film; expected 1 second or more, e.g. 60")
    return seconds


def parse_ray_address(text: str) -> str:
    """Returns the address of the head of a Ray cluster, e.g. "192.168.1.7:6379".

    "auto" stands for the cluster that runs on this machine, and "" for Ray started for this run alone.
    """
    if text in {"", "auto"}:
        return text
    if Path(text).exists():
        raise ArgumentTypeError(
            f"{quoted(text)} is a file or folder, and --ray takes an address; name the input first, e.g. "
            f"nst-live {text} -o painted --ray"
        )
    if not re.fullmatch(r"[^\s/:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", text):
        raise ArgumentTypeError(f"{quoted(text)} is not an address of Ray; expected e.g. 192.168.1.7:6379, or auto")
    return text


def parse_milliseconds(text: str) -> float:
    """Returns a delay in milliseconds, up to two seconds in either direction."""
    try:
        delay_ms = float(text)
    except ValueError:
        delay_ms = math.nan
    if not abs(delay_ms) <= _MAX_DELAY_MS:
        raise ArgumentTypeError(
            f"{quoted(text)} is not a delay; expected milliseconds from -{_MAX_DELAY_MS} to {_MAX_DELAY_MS}, e.g. 120"
        )
    return delay_ms


def parse_minutes(text: str) -> float:
    """Returns for how many minutes a style is refined; "" stands for five."""
    if not text:
        return REFINING_MINUTES
    if Path(text).exists():
        raise ArgumentTypeError(
            f"{quoted(text)} is a file or folder; expected minutes, or another option after --refine"
        )
    try:
        return _positive_minutes(text)
    except ArgumentTypeError as exc:
        raise ArgumentTypeError(f"{quoted(text)} is not a number of minutes; expected e.g. 5") from exc


def _positive_minutes(text: str) -> float:
    minutes = parse_positive_number(text)
    if minutes > _MOST_MINUTES:
        raise ArgumentTypeError(text)
    return minutes


def parse_control_address(text: str) -> str:
    """Returns the HOST:PORT of "HOST:PORT", "HOST" or "PORT"; "" stands for the default."""
    try:
        return str(address_of(text))
    except AddressError as exc:
        raise ArgumentTypeError(str(exc)) from exc


def parse_ice_server(text: str) -> str:
    """Returns the address of a STUN or TURN server as it is."""
    try:
        ice_server_of(text)
    except IceServerError as exc:
        raise ArgumentTypeError(str(exc)) from exc
    return text


def parse_idle_time(text: str) -> float:
    """Returns how long nobody must be there until a kiosk starts again, in seconds; "" stands for the default."""
    if Path(text).is_file():
        hint = "type files before options: nst-live FILE OPTIONS"
        raise ArgumentTypeError(f"{quoted(text)} is a file; expected seconds, e.g. {DEFAULT_IDLE}; {hint}")
    return parse_positive_number(text) if text else DEFAULT_IDLE_S


def parse_osc_address(text: str) -> str:
    """Returns the HOST:PORT of "HOST:PORT", "HOST" or "PORT"; "" stands for the default."""
    try:
        return str(address_of(text, OSC_ADDRESS))
    except AddressError as exc:
        raise ArgumentTypeError(str(exc)) from exc


def parse_device(text: str) -> str:
    """Returns the name of a device or a source: whatever is not a file."""
    if text and Path(text).exists():
        raise ArgumentTypeError(
            f"{quoted(text)} is a file; expected a name; type files before options: nst-live FILE OPTIONS"
        )
    return text


def parse_token(text: str) -> str:
    """Returns a token that nobody guesses: 16 letters, digits, - and _ at least."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{16,200}", text):
        raise ArgumentTypeError("that is not a token; expected 16 characters or more of a-z A-Z 0-9 - _")
    return text


def parse_mix(text: str) -> dict[str, float]:
    """Returns the weights of "wave:0.6,postcard.jpg:0.4" by style; a style alone has the weight 1."""
    return mix_of(text.split(","))


def mix_of(items: Sequence[str]) -> dict[str, float]:
    """Returns what `parse_mix` does, of items like "wave:0.6", in which commas are part of the name."""
    weights: dict[str, float] = {}
    for item in items:
        name, weight = _name_and_number(item)
        if not name or name in weights:
            whole = quoted(",".join(items))
            raise ArgumentTypeError(f"{whole} is not a mix; expected different styles, e.g. wave:0.6,udnie:0.4")
        weights[name] = parse_positive_number(weight) if weight else 1.0
    return weights


def parse_playlist(text: str) -> tuple[tuple[str, float], ...]:
    """Returns the styles of "wreck:20,postcard.jpg", each with its seconds; a style alone has DEFAULT_SECONDS."""
    return playlist_of(text.split(","))


def playlist_of(items: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Returns what `parse_playlist` does, of items like "wreck:20", in which commas are part of the name."""
    playlist = []
    for item in items:
        name, seconds = _name_and_number(item)
        try:
            playlist.append((name, parse_positive_number(seconds) if seconds else DEFAULT_SECONDS))
        except ArgumentTypeError as exc:
            expected = "expected NAME:SECONDS, e.g. wreck:20"
            raise ArgumentTypeError(f"{quoted(item.strip())} has no valid time; {expected}") from exc
        if not name:
            raise ArgumentTypeError(f"{quoted(','.join(items))} is not a playlist; expected e.g. wreck:20,wave:20")
    return tuple(playlist)


def _name_and_number(item: str) -> tuple[str, str]:
    """Returns the name of a style, and the number after its last colon, "" for none.

    The colon of a Windows drive comes before no number, and a colon within the name of a file neither.
    """
    name, colon, number = item.strip().rpartition(":")
    is_drive = len(name) == 1 and number.startswith(("\\", "/"))
    if not colon or is_drive or Path(number).suffix.lower() in _FILE_SUFFIXES:
        return item.strip(), ""
    return name, number


def _fraction(text: str) -> Fraction:
    """Returns 0 for what is not a number."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return Fraction(0)


def secret_in(urls: Sequence[str]) -> str:
    """Returns what makes addresses secret, "" if nothing does."""
    return "it may hold a password or a key" if any(map(has_secrets, urls)) else ""
