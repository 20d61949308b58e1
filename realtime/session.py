"""What the person at the keyboard has chosen so far. A hotkey turns one session into the next; the loop obeys it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from realtime.player.governor import SCALES
from realtime.screen.compare import VIEWS
from realtime.stylize.stabilizer import DEFAULT_STEADINESS

MESSAGE_S = 2.5
HUDS = ("full", "minimal", "off")


@dataclass(frozen=True)
class Session:
    """The state of a show.

    `style` is a place in `style_names`; `mix` the places that are mixed, () for the style alone. `view` is one of
    compare.VIEWS, with the camera picture left of `split`, a share of the width. `net_scale` is the share of width and
    height that the net paints at, kept by the governor unless `scaled_by_hand`. `hud` is one of HUDS. `snapshots`,
    `replays` and `reloads` count the requests so far; `notice` is shown until `notice_until_s`.
    """

    style_names: tuple[str, ...]
    style: int = 0
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
    muted: bool = False
    view: str = VIEWS[0]
    split: float = 0.5
    fullscreen: bool = False
    net_scale: float = 1.0
    scaled_by_hand: bool = False
    hud: str = HUDS[0]
    help: bool = False
    snapshots: int = 0
    replays: int = 0
    reloads: int = 0
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
        if session.mixing:
            return _add_to_mix(session, index)
        chosen = replace(session, style=index, original=False, automatic=False)
        return chosen.noticed(session.style_names[index])

    return action


def toggle_mixing(session: Session) -> Session:
    """While one mixes, the keys of the styles add to the mix and take away from it."""
    if session.mixing:
        return replace(session, mixing=False, mix=()).noticed(session.style_name)
    mixing = replace(session, mixing=True, mix=(session.style,), original=False, automatic=False)
    return mixing.noticed(f"mixing {session.style_name}: type the numbers of more styles")


def _add_to_mix(session: Session, index: int) -> Session:
    mix = tuple(place for place in session.mix if place != index)
    if len(mix) == len(session.mix):
        mix = tuple(sorted([*mix, index]))
    if not mix:
        return session.noticed("a mix needs a style; x ends mixing")
    mixed = replace(session, mix=mix, original=False)
    return mixed.noticed("mixing " + " + ".join(session.style_names[place] for place in mix))


def step_style(step: int) -> Action:
    """Returns the action that goes to the next (+1) or the previous (-1) style, round and round."""

    def action(session: Session) -> Session:
        alone = replace(session, mixing=False, mix=())
        return choose_style((session.style + step) % len(session.style_names))(alone)

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
    return replace(session, automatic=automatic, mixing=False, mix=()).noticed(
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


def toggle_muted(session: Session) -> Session:
    return replace(session, muted=not session.muted).noticed("sound on" if session.muted else "sound off")


def next_hud(session: Session) -> Session:
    return replace(session, hud=_after(session.hud, HUDS))


def next_view(session: Session) -> Session:
    view = _after(session.view, VIEWS)
    hint = "split: drag the line with the mouse" if view == "split" else view
    return replace(session, view=view).noticed(hint)


def move_split(session: Session, share: float) -> Session:
    """Returns the session with the line of the split view at that share of the width."""
    return replace(session, split=min(1.0, max(0.0, share))) if session.view == "split" else session


def toggle_fullscreen(session: Session) -> Session:
    return replace(session, fullscreen=not session.fullscreen)


def step_net_scale(step: int) -> Action:
    """Returns the action that lets the net paint a larger (+1) or smaller (-1) picture, whatever the governor wants."""

    def action(session: Session) -> Session:
        nearest = min(range(len(SCALES)), key=lambda place: abs(SCALES[place] - session.net_scale))
        scale = SCALES[min(len(SCALES) - 1, max(0, nearest + step))]
        by_hand = replace(session, net_scale=scale, scaled_by_hand=True)
        return by_hand.noticed(f"net at {100 * scale:.0f} %, by hand (g lets it follow the frame rate)")

    return action


def let_govern(session: Session) -> Session:
    return replace(session, scaled_by_hand=False).noticed("the net's scale follows the frame rate")


def reload_styles(session: Session) -> Session:
    return replace(session, reloads=session.reloads + 1)


def _after(current: str, choices: tuple[str, ...]) -> str:
    return choices[(choices.index(current) + 1) % len(choices)]


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
    Key("x", "x", "mix on / off; numbers add styles", toggle_mixing),
    Key("a", "a", "automatic show on / off", toggle_automatic),
    Key("l", "l", "load the styles anew", reload_styles),
    Key("v", "v", "compare: beside, split, off", next_view),
    Key("f", "f", "full screen on / off", toggle_fullscreen),
    Key("[{", "[", "coarser net, faster", step_net_scale(-1)),
    Key("]}", "]", "finer net, slower", step_net_scale(+1)),
    Key("g", "g", "net scale by itself", let_govern),
    Key("s", "s", "snapshot", take_snapshot),
    Key("r", "r", "record on / off", toggle_recording),
    Key("b", "b", "save the last seconds", save_replay),
    Key(" ", "space", "freeze on / off", toggle_frozen),
    Key("u", "u", "sound on / off, on air and recorded", toggle_muted),
    Key("i", "i", "HUD full / minimal / off", next_hud),
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
