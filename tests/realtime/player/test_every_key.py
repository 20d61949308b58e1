"""Every key of the table, in a real window, in random order, while frames flow.

For longer, type: NST_KEYS_S=60 python -m pytest tests/realtime/player/test_every_key.py
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from realtime.session import ESCAPE, KEYS
from tests.realtime.clips import read_clip
from tests.realtime.on_screen import OnScreen

SECONDS = float(os.environ.get("NST_KEYS_S", "5"))
# What X calls the keys that are not called by their character.
X_NAMES = {
    "+": "plus",
    "=": "equal",
    "-": "minus",
    "_": "underscore",
    " ": "space",
    "?": "question",
    "[": "bracketleft",
    "{": "braceleft",
    "]": "bracketright",
    "}": "braceright",
}
QUITTING = ("q", ESCAPE)
CHARACTERS = sorted({character for key in KEYS for character in key.characters} - set(QUITTING))


def test_every_key_in_random_order_while_frames_flow(open_window: Callable[..., OnScreen]) -> None:
    window = open_window("-i", "test", "--size", "320x240", "--net", "fast", "--fade", "0.5")
    dice = random.Random(1810)
    pressed: set[str] = set()
    end_s = time.monotonic() + SECONDS
    while time.monotonic() < end_s or len(pressed) < len(CHARACTERS):
        for character in dice.sample(CHARACTERS, len(CHARACTERS)):
            window.type(X_NAMES.get(character, character))
            pressed.add(character)
            window.drag(dice.random())
            time.sleep(dice.random() / 10)
            assert window.process.poll() is None, character
    window.type("q")
    printed = window.wait_for_end()
    assert "Traceback" not in printed
    recordings = list(window.captures.glob("*.mp4"))
    assert recordings
    assert list(window.captures.glob("*.png"))
    for recording in recordings:
        assert read_clip(recording).size == (320, 240)
