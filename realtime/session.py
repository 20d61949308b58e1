"""The state of a show, what may be asked of it, and the keys that ask.

A session is frozen. A command is either a change, a function from one session to the next, or a request for something
that is done once. KEYS is the one table of keys: `player.controls`, the help on screen, `--help` and the README's test
read it, and whatever else is to control a show sends the same commands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

NOTICE_S = 2.5
# From the key to the picture that becomes a style.
COUNTDOWN_S = 3.0
HUDS = ("full", "minimal", "off")
VIEWS = ("painting", "side by side", "split")
# Shares of a frame's width and height that a net may paint at; each step is about 1.4 times the work of the last.
NET_SCALES = (0.5, 0.6, 0.7, 0.85, 1.0)
# The coarsest brush that can be asked for.
SMALLEST_BRUSH = 0.25
# What looks and measures best (docs/lab/stabilizer.md).
DEFAULT_STEADINESS = 0.8


@dataclass(frozen=True)
class Session:
    """The state of a show.

    Args:
        style_names: all styles, in the order of their numbers.
        style_index: which of them is on.
        mixing: whether a number adds its style to the mix, or takes it away.
        mix: the indices of the styles that are mixed; empty for the one style alone.
        original: show the frames unpainted.
        strength: how strongly to paint, 0..1.
        keep_colors: the painting's brightness in the camera's colours.
        steady: whether the stabilizer is on.
        steadiness: how firmly it holds the painting, 0..1.
        mirrored: swap left and right.
        automatic: styles change by themselves.
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
        quitting: end the show.
        notice: a message on the screen.
        notice_until_s: until when, on the monotonic clock.
    """

    style_names: tuple[str, ...]
    style_index: int = 0
    mixing: bool = False
    mix: tuple[int, ...] = ()
    original: bool = False
    strength: float = 1.0
    keep_colors: bool = False
    steady: bool = False
    steadiness: float = DEFAULT_STEADINESS
    mirrored: bool = False
    automatic: bool = False
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
    quitting: bool = False
    notice: str = ""
    notice_until_s: float = 0.0

    @property
    def style_name(self) -> str:
        """The name of the style that is on."""
        return self.style_names[self.style_index]

    def with_notice(self, text: str) -> Session:
        """Returns the session with a message for the screen."""
        return replace(self, notice=text, notice_until_s=time.monotonic() + NOTICE_S)


Change = Callable[[Session], Session]


class Request(Enum):
    """What is done once and is no part of the state."""

    SNAPSHOT = "take a snapshot"
    REPLAY = "save the last seconds"
    RELOAD = "reload the styles"
    MAKE_STYLE = "make a style"
    TAKE_BACK_STYLE = "take back a style"


Command = Change | Request


def choose_style(index: int) -> Change:
    """Returns the change to the style of that index; if there is none, only a notice says so."""

    def change(session: Session) -> Session:
        if index >= len(session.style_names):
            return session.with_notice(f"no style {index + 1}: there are {len(session.style_names)}")
        if session.mixing:
            return _toggle_in_mix(session, index)
        chosen = replace(session, style_index=index, original=False, automatic=False)
        return chosen.with_notice(session.style_names[index])

    return change


def toggle_mixing(session: Session) -> Session:
    """While mixing is on, the keys of the styles add to the mix and take away from it."""
    if session.mixing:
        return replace(session, mixing=False, mix=()).with_notice(session.style_name)
    mixing = replace(session, mixing=True, mix=(session.style_index,), original=False, automatic=False)
    return mixing.with_notice(f"mixing {session.style_name}: type the numbers of more styles")


def _toggle_in_mix(session: Session, index: int) -> Session:
    mix = tuple(other for other in session.mix if other != index)
    if len(mix) == len(session.mix):
        mix = tuple(sorted([*mix, index]))
    if not mix:
        return session.with_notice("a mix needs a style; x ends mixing")
    mixed = replace(session, mix=mix, original=False)
    return mixed.with_notice("mixing " + " + ".join(session.style_names[each] for each in mix))


def step_style(step: int) -> Change:
    """Returns the change to the next (+1) or the previous (-1) style; the first follows the last."""

    def change(session: Session) -> Session:
        alone = replace(session, mixing=False, mix=())
        return choose_style((session.style_index + step) % len(session.style_names))(alone)

    return change


def toggle_original(session: Session) -> Session:
    original = not session.original
    return replace(session, original=original).with_notice("original" if original else session.style_name)


def step_strength(step: float) -> Change:
    """Returns the change to a stronger (step > 0) or weaker painting; strength stays in 0..1."""

    def change(session: Session) -> Session:
        strength = min(1.0, max(0.0, round(session.strength + step, 2)))
        return replace(session, strength=strength).with_notice(f"strength {100 * strength:.0f} %")

    return change


def toggle_keep_colors(session: Session) -> Session:
    keep = not session.keep_colors
    return replace(session, keep_colors=keep).with_notice("the camera's colours" if keep else "the style's colours")


def toggle_steady(session: Session) -> Session:
    steady = not session.steady
    text = f"steady {100 * session.steadiness:.0f} %" if steady else "steady off"
    return replace(session, steady=steady).with_notice(text)


def toggle_mirrored(session: Session) -> Session:
    return replace(session, mirrored=not session.mirrored)


def toggle_automatic(session: Session) -> Session:
    automatic = not session.automatic
    text = "styles change by themselves" if automatic else "the style stays"
    return replace(session, automatic=automatic, mixing=False, mix=()).with_notice(text)


def toggle_recording(session: Session) -> Session:
    return replace(session, recording=not session.recording)


def toggle_frozen(session: Session) -> Session:
    return replace(session, frozen=not session.frozen).with_notice("live" if session.frozen else "frozen")


def toggle_framing(session: Session) -> Session:
    framing = not session.framing
    return replace(session, framing=framing).with_notice("k makes a style of what is in the frame" if framing else "")


def toggle_muted(session: Session) -> Session:
    return replace(session, muted=not session.muted).with_notice("sound on" if session.muted else "sound off")


def next_hud(session: Session) -> Session:
    return replace(session, hud=_after(session.hud, HUDS))


def next_view(session: Session) -> Session:
    view = _after(session.view, VIEWS)
    return replace(session, view=view).with_notice("split: drag the line with the mouse" if view == "split" else view)


def move_split(share: float) -> Change:
    """Returns the change of the split view's line to that share of the width; other views have no line."""

    def change(session: Session) -> Session:
        return replace(session, split=min(1.0, max(0.0, share))) if session.view == "split" else session

    return change


def toggle_fullscreen(session: Session) -> Session:
    return replace(session, fullscreen=not session.fullscreen)


def step_brush(step: int) -> Change:
    """Returns the change to a finer (+1) or a coarser (-1) brush."""

    def change(session: Session) -> Session:
        brushes = sorted({*NET_SCALES, session.given_brush})
        nearest = min(range(len(brushes)), key=lambda index: abs(brushes[index] - session.brush))
        brush = brushes[min(len(brushes) - 1, max(0, nearest + step))]
        back = "" if brush == session.given_brush else f", by hand (g: back to {100 * session.given_brush:.0f} %)"
        return replace(session, brush=brush).with_notice(f"brush {100 * brush:.0f} %{back}")

    return change


def reset_brush(session: Session) -> Session:
    """Takes the brush of the start again."""
    return replace(session, brush=session.given_brush).with_notice(f"brush {100 * session.given_brush:.0f} %")


def toggle_help(session: Session) -> Session:
    return replace(session, help=not session.help)


def quit_show(session: Session) -> Session:
    return replace(session, quitting=True)


def _after(current: str, choices: tuple[str, ...]) -> str:
    return choices[(choices.index(current) + 1) % len(choices)]


@dataclass(frozen=True)
class Key:
    """A hotkey.

    Args:
        characters: what may be typed; a capital letter counts as a small one.
        label: how the key is written for people.
        meaning: what it does, in a few words.
        command: what it asks for.
    """

    characters: str
    label: str
    meaning: str
    command: Command


ESCAPE = "\x1b"

KEYS: tuple[Key, ...] = (
    *(Key(str(n), str(n), f"style {n}", choose_style(n - 1)) for n in range(1, 10)),
    Key("n", "n", "next style", step_style(+1)),
    Key("p", "p", "previous style", step_style(-1)),
    Key("0", "0", "original on / off", toggle_original),
    Key("+=", "+", "stronger", step_strength(+0.1)),
    Key("-_", "-", "weaker", step_strength(-0.1)),
    Key("c", "c", "camera's colours on / off", toggle_keep_colors),
    Key("t", "t", "steady on / off", toggle_steady),
    Key("m", "m", "mirror on / off", toggle_mirrored),
    Key("x", "x", "mix on / off; numbers add styles", toggle_mixing),
    Key("a", "a", "automatic styles on / off", toggle_automatic),
    Key("l", "l", "reload the styles", Request.RELOAD),
    Key("k", "k", "new style from the camera", Request.MAKE_STYLE),
    Key("d", "d", "frame a new style on / off", toggle_framing),
    Key("z", "z", "take the new style back", Request.TAKE_BACK_STYLE),
    Key("v", "v", "compare: beside, split, off", next_view),
    Key("f", "f", "full screen on / off", toggle_fullscreen),
    Key("[{", "[", "coarser brush, faster", step_brush(-1)),
    Key("]}", "]", "finer brush, slower", step_brush(+1)),
    Key("g", "g", "brush as at the start", reset_brush),
    Key("s", "s", "take a snapshot", Request.SNAPSHOT),
    Key("r", "r", "record on / off", toggle_recording),
    Key("b", "b", "save the last seconds", Request.REPLAY),
    Key(" ", "space", "freeze on / off", toggle_frozen),
    Key("u", "u", "mute streams and recordings", toggle_muted),
    Key("i", "i", "HUD full / minimal / off", next_hud),
    Key("h?", "h or ?", "help on / off", toggle_help),
    Key("q" + ESCAPE, "q or ESC", "quit", quit_show),
)

_COMMANDS = {character: key.command for key in KEYS for character in key.characters}


def command_for(character: str) -> Command | None:
    """Returns what a typed character asks for, None if it has no meaning."""
    return _COMMANDS.get(character) or _COMMANDS.get(character.lower())


def key_help() -> tuple[tuple[str, str], ...]:
    """Returns (keys, meaning) pairs for people; the nine style keys are one line."""
    rest = tuple((key.label, key.meaning) for key in KEYS if not key.label.isdigit() or key.label == "0")
    return (("1 … 9", "style by number"), *rest)
