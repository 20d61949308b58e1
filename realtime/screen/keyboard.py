"""What was typed, whatever the layout: a Cyrillic or Greek letter stands for the Latin one on its key."""

from __future__ import annotations

import ctypes
import functools
import locale
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

# What a window reports of a key that nobody can read.
UNREADABLE = "\N{REPLACEMENT CHARACTER}"

# Letters and the Latin ones on the same keys, of the layouts in which most people write Cyrillic and Greek.
_SAME_KEY: Mapping[str, str] = {
    **dict(zip("йцукенгшщзхъфывапролджэячсмитьбю", "qwertyuiop[]asdfghjkl;'zxcvbnm,.", strict=True)),
    **dict(zip("ςερτυθιοπασδφγηξκλζχψωβνμ", "wertyuiopasdfghjklzxcvbnm", strict=True)),
    **{"і": "s", "ї": "]", "є": "'", "ў": "o", "σ": "s"},
}
# What X11 calls letters: those of Cyrillic from 0x6c0 on, of Greek from 0x7e1 on, all others by their Unicode number.
_CYRILLIC = "юабцдефгхийклмнопярстужвьызшэщчъ"
_GREEK = "αβγδεζηθικλμνξοπρσςτυφχψω"
_FIRST_CYRILLIC, _FIRST_GREEK, _UNICODE = 0x6C0, 0x7E1, 0x1000000
_LATIN_1 = range(0xA0, 0x100)
# Keys that are no letters: dead keys, arrows, Shift, and those of multimedia.
_SPECIAL = range(0xFE00, 0x10000)
_MULTIMEDIA = 0x10000000
# Where macOS puts keys that are no letters into Unicode.
_PRIVATE_USE = range(0xE000, 0xF900)
_LAYOUTS, _LAST_ASCII = 4, 0x7E


def typed_character(code: int) -> str:
    """Returns the character that a key stands for, "" for none, UNREADABLE for a letter of an unknown layout.

    Args:
        code: what `cv2.waitKeyEx` returns.
    """
    if code == -1:
        return ""
    if 0 < code & 0xFFFF <= _LAST_ASCII + 1:
        return chr(code & 0xFF)
    if sys.platform.startswith("linux"):
        return _of_keysym(code)
    if sys.platform == "win32":
        letter = bytes([code & 0xFF]).decode(locale.getpreferredencoding(False), "ignore")
        return _of_letter(letter) if code < 0x100 else ""
    return "" if code & 0xFFFF in _PRIVATE_USE else _of_letter(chr(code & 0xFFFF))


def _of_letter(letter: str) -> str:
    if unicodedata.name(letter or " ", "").startswith("LATIN "):
        return letter  # one with an accent
    return _SAME_KEY.get(letter.lower(), UNREADABLE)


def _of_keysym(symbol: int) -> str:
    """Returns the Latin character on the key of a symbol of X11: by the key itself, else by the usual layout."""
    if symbol & _MULTIMEDIA or symbol & 0xFFFF in _SPECIAL:
        return ""
    if symbol in _LATIN_1:
        return chr(symbol)
    return _latin_on_key(symbol) or _of_letter(_letter_of_keysym(symbol))


def _letter_of_keysym(symbol: int) -> str:
    # small letters, and capital ones half a table further, or before
    tables = (
        (_FIRST_CYRILLIC, _CYRILLIC),
        (_FIRST_GREEK, _GREEK),
        (_FIRST_CYRILLIC + 32, _CYRILLIC),
        (_FIRST_GREEK - 32, _GREEK),
    )
    for first, letters in tables:
        if first <= symbol < first + len(letters):
            return letters[symbol - first]
    return chr(symbol - _UNICODE) if _UNICODE < symbol <= _UNICODE + sys.maxunicode else ""


def _latin_on_key(symbol: int) -> str:
    """Returns the Latin character that another layout of the user has on the key of a symbol; "" if none has one."""
    x11 = _x11()
    if x11 is None:
        return ""
    library, display = x11
    key = library.XKeysymToKeycode(display, symbol)
    if not key:
        return ""
    others = (library.XkbKeycodeToKeysym(display, key, layout, 0) for layout in range(_LAYOUTS))
    return next((chr(other) for other in others if ord(" ") <= other <= _LAST_ASCII), "")


@functools.cache
def _x11() -> tuple[Any, Any] | None:
    """Returns X11's library and a connection to the screen, for as long as the process lasts; None if there is none."""
    try:
        library = ctypes.CDLL("libX11.so.6")
    except OSError:
        return None
    library.XOpenDisplay.restype = ctypes.c_void_p
    library.XKeysymToKeycode.argtypes, library.XKeysymToKeycode.restype = (
        [ctypes.c_void_p, ctypes.c_ulong],
        ctypes.c_ubyte,
    )
    library.XkbKeycodeToKeysym.argtypes = [ctypes.c_void_p, ctypes.c_ubyte, ctypes.c_uint, ctypes.c_uint]
    library.XkbKeycodeToKeysym.restype = ctypes.c_ulong
    display = library.XOpenDisplay(None)
    return (library, display) if display else None
