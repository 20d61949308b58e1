"""The state of a show, and what may be asked of it.

A session is frozen. A command is either a change, a function from one session to the next, or a request for something
that is done once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

ESCAPE = "\x1b"
NOTICE_S = 2.5
# From the key to the picture that becomes a style.
COUNTDOWN_S = 3.0
HUDS = ("full", "minimal", "off")
# Whose colours a painting has; those of a picture only if one was given.
COLORS = ("style", "source", "picture")
VIEWS = ("painting", "side by side", "split")
# Of `Session.learn`.
NOT_LEARNING, CHOOSING = "off", "choose"
# Shares of a frame's width and height that a net may paint at; each step is about 1.4 times the work of the last.
NET_SCALES = (0.5, 0.6, 0.7, 0.85, 1.0)
# The coarsest brush that can be asked for.
SMALLEST_BRUSH = 0.25
# What looks and measures best (docs/lab/stabilizer.md).
DEFAULT_STEADINESS = 0.8
# The longest change from one style to the next that a control gives.
LONGEST_FADE_S = 10.0
# How long a style of a playlist may be on.
LONGEST_TURN_S = 600.0


@dataclass(frozen=True)
class Session:
    """The state of a show.

    Args:
        style_names: all styles, in the order of their numbers.
        style_index: which of them is on.
        mixing: whether a number adds its style to the mix, or takes it away.
        mix: the styles that are mixed, in the order of their numbers: each one's index and its weight, which is above
            0. Empty for the one style alone.
        original: show the frames unpainted.
        strength: how strongly to paint, 0..1.
        colors: whose colours the painting has: one of COLORS.
        color_picture: the name of the picture whose colours it may have, "" for none.
        steady: whether the stabilizer is on.
        steadiness: how firmly it holds the painting, 0..1.
        mirrored: swap left and right.
        automatic: styles change by themselves.
        react: how much the painting follows the sound, 0..1.
        playlist: in which order they do, each style by its name with its seconds; () for all of them in turn.
        fade_s: how long the change from one style to another takes, in seconds; 0 for a cut.
        on_air: send to the server of the stream, if there is one.
        recording: record what is seen into the captures folder.
        frozen: stop at this frame.
        framing: show the frame in which the camera is seen unpainted, and of which the next style is made.
        countdown_until_s: when the picture of the next style is taken, on the monotonic clock; None for none.
        muted: no sound in streams and recordings.
        view: one of VIEWS.
        split: where the line of the split view is, a share of the width in 0..1.
        fullscreen: a window as large as the screen.
        brush: the finest scale that the net may paint at: a share of width and height.
        given_brush: the brush at the start.
        net_scale: the scale that the net paints at: the brush, or less if the governor wants it so.
        hud: one of HUDS.
        help: show the keys.
        learn: what the next knob or pad of a MIDI device will set: the name of a control, a command or a key; "choose"
            while it is to be chosen by its key, "off" otherwise.
        midi: whether there may be MIDI devices.
        remapped: names of keys that people have given other places, each with its characters.
        link: show the QR code of the page of controls.
        quitting: end the show.
        notice: a message on the screen.
        notice_until_s: until when, on the monotonic clock.
    """

    style_names: tuple[str, ...]
    style_index: int = 0
    mixing: bool = False
    mix: tuple[tuple[int, float], ...] = ()
    original: bool = False
    strength: float = 1.0
    colors: str = COLORS[0]
    color_picture: str = ""
    steady: bool = False
    steadiness: float = DEFAULT_STEADINESS
    mirrored: bool = False
    automatic: bool = False
    react: float = 0.0
    playlist: tuple[tuple[str, float], ...] = ()
    fade_s: float = 0.0
    on_air: bool = False
    recording: bool = False
    frozen: bool = False
    framing: bool = False
    countdown_until_s: float | None = None
    muted: bool = False
    view: str = VIEWS[0]
    split: float = 0.5
    fullscreen: bool = False
    brush: float = 1.0
    given_brush: float = 1.0
    net_scale: float = 1.0
    hud: str = HUDS[0]
    help: bool = False
    learn: str = NOT_LEARNING
    midi: bool = False
    remapped: tuple[tuple[str, str], ...] = ()
    link: bool = False
    quitting: bool = False
    notice: str = ""
    notice_until_s: float = 0.0

    @property
    def style_name(self) -> str:
        """The name of the style that is on."""
        return self.style_names[self.style_index]

    @property
    def weights(self) -> Mapping[str, float]:
        """The weights of the styles that are painted with, by name: one style, or those of the mix."""
        if not self.mix:
            return {self.style_name: 1.0}
        return {self.style_names[index]: weight for index, weight in self.mix}

    def key(self, name: str, usual: str) -> str:
        """Returns how people write the key of that name: as usual, unless it is remapped."""
        typed = dict(self.remapped).get(name)
        return usual if typed is None else label_of(typed)

    def with_notice(self, text: str) -> Session:
        """Returns the session with a message for the screen."""
        return replace(self, notice=text, notice_until_s=time.monotonic() + NOTICE_S)


def label_of(characters: str) -> str:
    """Returns how people write a key that is typed as one of these characters."""
    words = {" ": "space", ESCAPE: "ESC"}
    return " or ".join(words.get(character, character) for character in characters)


Change = Callable[[Session], Session]


class Request(Enum):
    """What is done once and is no part of the state."""

    SNAPSHOT = "take a snapshot"
    REPLAY = "save the last seconds"
    RELOAD = "reload the styles"
    MAKE_STYLE = "make a style"
    TAKE_BACK_STYLE = "take back a style"


Command = Change | Request
