"""Settings files that say nonsense: numbers beyond all bounds, other types, other words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random

# TOML's own words for them.
_NUMBERS = (
    *("0", "-1", "1", "0.0", "-0.0", "1e308", "-1e308", "1e-308", "nan", "inf", "-inf", "2147483648", "4294967296"),
    *("9223372036854775807", "18446744073709551616", "1000000000000000000000000000000", "0.0000000001"),
)
_OTHERS = (
    *('""', '" "', "true", "false", "[]", "{}", "[1, 2]", "[[]]", "1979-05-27T07:32:00Z", "07:32:00", "{ a = 1 }"),
    *('"\\u001b[31mred\\u0007"', '"\\u0000"', '"nan"', '"1/0"', '"0/1"', '"auto"', '"x"', '"../../.."'),
    *('"%s%n"', '"-1"'),
    *('"١٢"', '"²"', '"1_0"', '"1e5"', '"٣x٤"', f'"{"9" * 5000}"', f'"{"x" * 70_000}"'),
)
_SIZES = ('"0x0"', '"1x1"', '"1000000x1000000"', '"1x1000000"', '"99999999999x1"', '"-1x-1"', '"64x"', '"7x5"')
_TIMES = ('"0:00:00.1"', '"99999999:59:59"', '"1:99"', '":"', '"0:0:0:0"', "0.2", "1e9")
_MIXES = ('"wave:0"', '"wave:1e308,udnie:1e308"', '"wave:1e-320"', '"wave,wave"', '":1"', '"wave:nan"', '"wave,udnie"')
_SHARES = ('"1/3"', '"16"', '"17"', '"1e-9"', '"1/1000000"', "0.5")
_RATES = ('"30000/1001"', '"1000"', '"1001"', '"1e-9"', '"1/1000000"', '"0.001"')

# What each setting is tried with beside numbers and other things. What would reach beyond the machine or the folder
# (a camera, a microphone, a server, a path) is tried with `_OTHERS` that cannot be any.
SETTINGS: Mapping[str, Sequence[str]] = {
    "overwrite": (),
    "resume": ("true",),
    "workers": ('"1"',),
    "style": ('"wave"', '"wav"'),
    "net": ('"fast"', '"full"', '"article"'),
    "backend": ('"onnxruntime"', '"tensorrt"'),
    "mix": _MIXES,
    "playlist": ('"wave:0"', '"wave:1e308"', '"wave:-1"', '"wave"', '"wave:0.001,udnie:0.001"'),
    "fade": (),
    "strength": (),
    "keep-colors": ("true",),
    "refine": ('"0"', '"-1"', '"nan"', '"many"'),
    "photos": ('"none"',),
    "colors": ('"style"', '"source"', '"sourc"', '"none.jpg"'),
    "steady": ("1.0",),
    "mirror": ("true",),
    "size": _SIZES,
    "max-size": ("1", "7", "16"),
    "scale": _SHARES,
    "start": _TIMES,
    "end": _TIMES,
    "encoder": ('"libx265"', '"ffv1"', '"h264_nvenc"'),
    "crf": ("0", "51", "52", "63"),
    "preset": ('"placebo"', '"13"', '"ultrafast"'),
    "fps": _RATES,
    "frames": ("3",),
    "target-fps": _RATES,
    "hud": ('"minimal"',),
    "fullscreen": ("true",),
    "no-window": ("true", "false"),
    "replay": (),
    "captures": ('"captures"',),
    "styles": ('"styles"',),
    "engines": ('"engines"',),
    "bitrate": ("1", "4500"),
    "loop": ("true", "false"),
    "no-such-setting": (),
    "Style": (),
}
_PATHS = {"captures", "styles", "engines"}


def nonsense(dice: Random) -> tuple[str, Sequence[str]]:
    """Returns the words of a settings file and the settings that it has."""
    keys = dice.sample(list(SETTINGS), dice.choice((1, 1, 1, 2, 3, 5)))
    lines = [f"{key} = {_value(key, dice)}" for key in keys]
    if dice.random() < 0.05:
        lines.append(lines[0])  # twice
    if dice.random() < 0.05:
        lines.insert(dice.randrange(len(lines) + 1), f"[{dice.choice(('a', 'style', 'a.b', ''))}]")
    begin = "\ufeff" if dice.random() < 0.05 else ""
    return begin + dice.choice(("\n", "\n", "\r\n")).join(lines) + "\n", keys


def _value(key: str, dice: Random) -> str:
    own = SETTINGS[key]
    if own and dice.random() < 0.5:
        return dice.choice(own)
    if key in _PATHS:
        return dice.choice((*_NUMBERS, '""', "true", "[]", json.dumps("x" * 300), '"\\u0000"'))
    return dice.choice((*_NUMBERS, *_OTHERS))
