"""What the person at the keyboard has chosen so far. A hotkey turns one session into the next; the loop obeys it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from realtime.steady import DEFAULT_STEADINESS

MESSAGE_S = 2.5


@dataclass(frozen=True)
class Session:
    """The state of a show. `snapshots` and `replays` count the requests; `notice` is shown until `notice_until_s`."""

    style_names: tuple[str, ...]
    style: int = 0
    original: bool = False
    strength: float = 1.0
    keep_colors: bool = False
    steady: bool = False
    steadiness: float = DEFAULT_STEADINESS
    mirrored: bool = False
    automatic: bool = False
    recording: bool = False
    frozen: bool = False
    hud: bool = True
    help: bool = False
    snapshots: int = 0
    replays: int = 0
    quitting: bool = False
    notice: str = ""
    notice_until_s: float = 0.0

    @property
    def style_name(self) -> str:
        return self.style_names[self.style]

    def noticed(self, text: str) -> Session:
        """Returns the session with a message for the screen."""
        return replace(self, notice=text, notice_until_s=time.monotonic() + MESSAGE_S)


Action = Callable[[Session], Session]


def choose_style(index: int) -> Action:
    """Returns the action that switches to a style by its place; a place that is empty is said, not obeyed."""

    def action(session: Session) -> Session:
        if index >= len(session.style_names):
            return session.noticed(f"no style {index + 1}: there are {len(session.style_names)}")
        chosen = replace(session, style=index, original=False, automatic=False)
        return chosen.noticed(session.style_names[index])

    return action


def step_style(step: int) -> Action:
    """Returns the action that goes to the next (+1) or the previous (-1) style, round and round."""

    def action(session: Session) -> Session:
        return choose_style((session.style + step) % len(session.style_names))(session)

    return action


def toggle_original(session: Session) -> Session:
    original = not session.original
    return replace(session, original=original).noticed("original" if original else session.style_name)


def step_strength(step: float) -> Action:
    """Returns the action that paints more (step > 0) or less strongly; strength stays in 0..1."""

    def action(session: Session) -> Session:
        strength = min(1.0, max(0.0, round(session.strength + step, 2)))
        return replace(session, strength=strength).noticed(f"strength {100 * strength:.0f} %")

    return action


def toggle_keep_colors(session: Session) -> Session:
    keep = not session.keep_colors
    return replace(session, keep_colors=keep).noticed("the camera's colours" if keep else "the style's colours")


def toggle_steady(session: Session) -> Session:
    steady = not session.steady
    return replace(session, steady=steady).noticed(
        f"steady {100 * session.steadiness:.0f} %" if steady else "not steadied"
    )


def toggle_mirrored(session: Session) -> Session:
    return replace(session, mirrored=not session.mirrored)


def toggle_automatic(session: Session) -> Session:
    automatic = not session.automatic
    return replace(session, automatic=automatic).noticed(
        "styles change by themselves" if automatic else "the style stays"
    )


def take_snapshot(session: Session) -> Session:
    return replace(session, snapshots=session.snapshots + 1)


def save_replay(session: Session) -> Session:
    return replace(session, replays=session.replays + 1)


def toggle_recording(session: Session) -> Session:
    return replace(session, recording=not session.recording)


def toggle_frozen(session: Session) -> Session:
    return replace(session, frozen=not session.frozen).noticed("live" if session.frozen else "frozen")


def toggle_hud(session: Session) -> Session:
    return replace(session, hud=not session.hud)


def toggle_help(session: Session) -> Session:
    return replace(session, help=not session.help)


def quit_show(session: Session) -> Session:
    return replace(session, quitting=True)


@dataclass(frozen=True)
class Key:
    """A hotkey: the characters that trigger it, how they are written for people, what it does."""

    characters: str
    label: str
    meaning: str
    action: Action


ESCAPE = "\x1b"

# The one table of keys: read by the dispatch, the help on screen, --help and the README's test.
KEYS: tuple[Key, ...] = (
    *(Key(str(n), str(n), f"style {n}", choose_style(n - 1)) for n in range(1, 10)),
    Key("n", "n", "next style", step_style(+1)),
    Key("p", "p", "previous style", step_style(-1)),
    Key("0", "0", "original picture on / off", toggle_original),
    Key("+=", "+", "stronger", step_strength(+0.1)),
    Key("-_", "-", "weaker", step_strength(-0.1)),
    Key("c", "c", "camera's colours on / off", toggle_keep_colors),
    Key("t", "t", "steady on / off", toggle_steady),
    Key("m", "m", "mirror on / off", toggle_mirrored),
    Key("a", "a", "automatic show on / off", toggle_automatic),
    Key("s", "s", "snapshot", take_snapshot),
    Key("r", "r", "record on / off", toggle_recording),
    Key("b", "b", "save the last seconds", save_replay),
    Key(" ", "space", "freeze on / off", toggle_frozen),
    Key("i", "i", "HUD on / off", toggle_hud),
    Key("h?", "h or ?", "help on / off", toggle_help),
    Key("q" + ESCAPE, "q or ESC", "quit", quit_show),
)

_ACTIONS = {character: key.action for key in KEYS for character in key.characters}


def press(session: Session, character: str) -> Session:
    """Returns the session after a key press; a key without a meaning changes nothing."""
    action = _ACTIONS.get(character) or _ACTIONS.get(character.lower())
    return session if action is None else action(session)


def key_help() -> tuple[tuple[str, str], ...]:
    """Returns (keys, meaning) pairs for people; the nine style keys are one line."""
    rest = tuple((key.label, key.meaning) for key in KEYS if not key.label.isdigit() or key.label == "0")
    return (("1 … 9", "style by number"), *rest)
