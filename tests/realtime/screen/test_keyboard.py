"""Keys work with every layout of the keyboard: a letter stands for the Latin one on its key."""

from __future__ import annotations

import locale
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from realtime.screen import keyboard
from realtime.screen.keyboard import UNREADABLE, typed_character
from realtime.session import Session
from tests.realtime.on_screen import OnScreen
from tests.realtime.stand_ins import controls_of


@pytest.fixture
def without_x11(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyboard, "_x11", lambda: None)


@pytest.mark.usefixtures("without_x11")
@pytest.mark.parametrize(
    ("symbol", "character"),
    [
        (ord("q"), "q"),
        (ord("["), "["),
        (27, "\x1b"),
        (-1, ""),
        (0x6CA, "q"),  # Cyrillic_shorti
        (0x6EA, "q"),  # Cyrillic_SHORTI
        (0x6C8, "["),  # Cyrillic_ha
        (0x6D9, "s"),  # Cyrillic_yeru
        (0x7F6, "f"),  # Greek_phi
        (0x7D0, "p"),  # Greek_PI
        (0x1000456, "s"),  # U+0456, Ukrainian i
        (0xE4, "ä"),
        (0x5D4, UNREADABLE),  # Arabic_sheen
        (0x1000905, UNREADABLE),  # U+0905, a letter of Hindi
        (0xFF53, ""),  # Right
        (0xFFE1, ""),  # Shift_L
        (0xFE03, ""),  # ISO_Level3_Shift
        (0x1008FF11, ""),  # XF86AudioLowerVolume
    ],
)
def test_a_symbol_of_x11_is_the_letter_on_its_key(symbol: int, character: str) -> None:
    assert typed_character(symbol) == character


@pytest.mark.parametrize(
    ("code", "character"),
    [(ord("й"), "q"), (ord("é"), "é"), (ord("Ф"), "a"), (ord("ψ"), "c"), (ord("あ"), UNREADABLE), (0xF702, "")],
)
def test_on_macos_a_letter_comes_as_unicode(code: int, character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert typed_character(code) == character


@pytest.mark.parametrize(
    ("encoding", "letter", "character"), [("cp1251", "й", "q"), ("cp1253", "φ", "f"), ("cp1255", "ש", UNREADABLE)]
)
def test_on_windows_a_letter_comes_in_the_encoding_of_the_system(
    encoding: str, letter: str, character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(locale, "getpreferredencoding", lambda _do_setlocale: encoding)
    assert typed_character(letter.encode(encoding)[0]) == character
    assert typed_character(0x250000) == "", "an arrow"


def test_that_keys_are_latin_letters_is_said_once() -> None:
    controls = controls_of(Session(("wave",)))
    controls.press(UNREADABLE)
    assert controls.session.notice == "keys are Latin letters here: switch the layout of your keyboard"
    controls.notify("something else")
    controls.press(UNREADABLE)
    assert controls.session.notice == "something else"


@pytest.mark.parametrize(
    ("layout", "key"), [("us,ru", "Cyrillic_shorti"), ("ru", "Cyrillic_shorti"), ("us,ara", "Arabic_dad")]
)
def test_the_key_q_ends_the_show_in_other_layouts(
    layout: str, key: str, screen: str, identity: Path, open_window: Callable[..., OnScreen]
) -> None:
    window = open_window("-i", "test", "--size", "480x360", "--style", identity)
    subprocess.run(["setxkbmap", "-display", screen, "-layout", layout], check=True)
    try:
        window.type(key)
        window.wait_for_end()
    finally:
        subprocess.run(["setxkbmap", "-display", screen, "-layout", "us"], check=True)
