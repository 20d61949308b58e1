"""The one table of controls: what can be set and asked for in a show, by whatever means.

Keys, the help on the screen, the page of the browser, HTTP, OSC, MIDI and docs/reference.md are all read from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from realtime.session.changes import (
    change_playlist,
    change_weights,
    choose_alone,
    choose_style,
    next_colors,
    next_hud,
    next_view,
    quit_show,
    reset_brush,
    set_brush,
    set_colors,
    set_fade,
    set_hud,
    set_learn,
    set_react,
    set_split,
    set_steadiness,
    set_strength,
    set_view,
    step_brush,
    step_react,
    step_strength,
    step_style,
    toggle_automatic,
    toggle_framing,
    toggle_frozen,
    toggle_fullscreen,
    toggle_help,
    toggle_learning,
    toggle_link,
    toggle_mirrored,
    toggle_mixing,
    toggle_muted,
    toggle_on_air,
    toggle_original,
    toggle_recording,
    toggle_steady,
)
from realtime.session.kinds import ControlError, ControlKind, Learnable, OneOf, Range, Switch, Value, Weights
from realtime.session.state import (
    CHOOSING,
    COLORS,
    ESCAPE,
    HUDS,
    LONGEST_FADE_S,
    LONGEST_TURN_S,
    NOT_LEARNING,
    SMALLEST_BRUSH,
    VIEWS,
    Change,
    Command,
    Request,
    Session,
)


@dataclass(frozen=True)
class Key:
    """A hotkey.

    Args:
        name: what the settings call it.
        characters: what may be typed; a capital letter counts as a small one.
        label: how the key is written for people.
        meaning: what it does, in a few words.
        command: what it asks for.
        locked: whether a kiosk takes no notice of it, since it ends, records or configures.
    """

    name: str
    characters: str
    label: str
    meaning: str
    command: Command
    locked: bool = False


@dataclass(frozen=True)
class Control:
    """A part of the state that can be set.

    Args:
        name: what HTTP, OSC, MIDI and the page call it.
        help: what it does, in one line without a full stop.
        kind: which values it can have.
        read: returns its value in a session.
        write: returns the change to a value that the kind has checked.
        keys: what is typed for it: name, characters, label, meaning, command.
        locked: whether it ends, records or configures, so that the keys of a kiosk do not.
        on_disk: whether it has files written.
    """

    name: str
    help: str
    kind: ControlKind
    read: Callable[[Session], Value]
    write: Callable[[Any], Change]
    keys: tuple[Key, ...] = ()
    locked: bool = False
    on_disk: bool = False

    def setting(self, value: object, session: Session) -> Change:
        """Returns the change to a value.

        Args:
            value: from outside, of any type.
            session: of the show, whose styles there are.

        Raises:
            ControlError: the value is not valid.
        """
        try:
            return self.write(self.kind.checked(value, session))
        except ControlError as exc:
            raise ControlError(f"{self.name}: {exc}") from exc


@dataclass(frozen=True)
class Action:
    """Something that can be asked for.

    Args:
        name: what HTTP, OSC, MIDI and the page call it.
        help: what it does, in one line without a full stop.
        command: what it asks for.
        keys: what is typed for it.
        locked: whether it ends, records or configures, so that the keys of a kiosk do not.
        on_disk: whether it has files written.
    """

    name: str
    help: str
    command: Command
    keys: tuple[Key, ...] = ()
    locked: bool = False
    on_disk: bool = False


def _key(characters: str, meaning: str, command: Command, *, name: str = "", label: str = "") -> Key:
    """Returns a key; unless it has a name, it is called like its row."""
    return Key(name, characters, label or characters[:1], meaning, command)


def _switch(
    name: str,
    help: str,  # noqa: A002 - the field's name
    toggle: Change,
    typed: tuple[str, str],
    *,
    field: str = "",
    label: str = "",
    **more: bool,
) -> Control:
    """Returns the control of a field that is on or off.

    Args:
        name: of the control.
        help: what it does.
        toggle: changes the field.
        typed: the characters of its key, and what that means.
        field: of the session; default: the name.
        label: how the key is written.
        more: locked, on_disk.
    """

    def read(session: Session) -> bool:
        return bool(getattr(session, field or name))

    def write(on: bool) -> Change:
        return lambda session: session if read(session) == on else toggle(session)

    return Control(name, help, Switch(), read, write, (_key(*typed, toggle, label=label),), **more)


def _number(name: str, help: str, kind: Range, write: Callable[[float], Change], *keys: Key, **more: Any) -> Control:  # noqa: A002
    """Returns the control of a field that is a number; `more` has `field` if that is called otherwise, and flags."""
    field = more.pop("field", name)
    return Control(name, help, kind, lambda session: float(getattr(session, field)), write, keys, **more)


def _action(name: str, help: str, command: Command, typed: tuple[str, str], *, label: str = "", **more: bool) -> Action:  # noqa: A002
    """Returns an action with the key that asks for it."""
    return Action(name, help, command, (_key(*typed, command, label=label),), **more)


_SHARE = Range(0.0, 1.0, 0.05)
_BRUSHES = Range(SMALLEST_BRUSH, 1.0, 0.05)

# In the order in which people see them, and in which several values that come together are set.
_ROWS: Sequence[Control | Action] = (
    Control(
        "style",
        "the style alone that is painted with",
        OneOf(),
        lambda session: session.style_name,
        choose_alone,
        keys=tuple(_key(str(n), f"style {n}", choose_style(n - 1), name=f"style_{n}") for n in range(1, 10)),
    ),
    _action("next_style", "change to the next style", step_style(+1), ("n", "next style")),
    _action("previous_style", "change to the previous style", step_style(-1), ("p", "previous style")),
    Control(
        "mix",
        "the weights of the styles that are painted with, by name",
        Weights(),
        lambda session: session.weights,
        change_weights,
    ),
    _switch("mixing", "numbers add styles to the mix", toggle_mixing, ("x", "mix on / off; numbers add styles")),
    _switch("original", "show the frames unpainted", toggle_original, ("0", "original on / off")),
    _number(
        "strength",
        "how strongly to paint",
        _SHARE,
        set_strength,
        _key("+=", "stronger", step_strength(+0.1), name="stronger"),
        _key("-_", "weaker", step_strength(-0.1), name="weaker"),
    ),
    Control(
        "colors",
        "whose colours the painting has; those of a picture if one was given at the start",
        OneOf(COLORS),
        lambda session: session.colors,
        set_colors,
        keys=(_key("c", "colours: style, camera, picture", next_colors),),
    ),
    _switch("steady", "hold the painting against flicker", toggle_steady, ("t", "steady on / off"), locked=True),
    _number("steadiness", "how firmly to hold it against flicker", _SHARE, set_steadiness, locked=True),
    _switch("mirror", "swap left and right", toggle_mirrored, ("m", "mirror on / off"), field="mirrored"),
    _switch(
        "automatic",
        "styles change by themselves, in the order of the playlist",
        toggle_automatic,
        ("a", "automatic styles on / off"),
    ),
    Control(
        "playlist",
        "the seconds of each style while they change by themselves; without any, all styles have their turn",
        Weights(LONGEST_TURN_S, 1.0, "s"),
        lambda session: dict(session.playlist),
        change_playlist,
        locked=True,
    ),
    _number(
        "fade",
        "seconds from one style to another, 0 for a cut",
        Range(0.0, LONGEST_FADE_S, 0.1, "s"),
        set_fade,
        field="fade_s",
        locked=True,
    ),
    _number(
        "react",
        "how much the painting follows the sound: its loudness and its beats",
        _SHARE,
        set_react,
        _key("o", "follow the sound more / not at all", step_react),
    ),
    _action(
        "reload",
        "load the styles again, as they are on the disk",
        Request.RELOAD,
        ("l", "reload the styles"),
        locked=True,
    ),
    _action(
        "make_style",
        "take a picture, and make a style of it",
        Request.MAKE_STYLE,
        ("k", "new style from the camera"),
        locked=True,
        on_disk=True,
    ),
    _switch(
        "framing",
        "show the frame of which the next style is made",
        toggle_framing,
        ("d", "frame a new style on / off"),
        locked=True,
    ),
    _action(
        "take_back_style",
        "remove the style that was made last",
        Request.TAKE_BACK_STYLE,
        ("z", "take the new style back"),
        locked=True,
        on_disk=True,
    ),
    Control(
        "view",
        "what is shown in the window",
        OneOf(VIEWS),
        lambda session: session.view,
        set_view,
        keys=(_key("v", "compare: beside, split, off", next_view),),
    ),
    _number("split", "where the line of the split view is", Range(0.0, 1.0, 0.01), set_split),
    _switch(
        "fullscreen", "a window as large as the screen", toggle_fullscreen, ("f", "full screen on / off"), locked=True
    ),
    _number(
        "brush",
        "the finest scale at which the net paints: 0.5 gives strokes twice as large, and is faster",
        _BRUSHES,
        set_brush,
        _key("[{", "coarser brush, faster", step_brush(-1), name="coarser"),
        _key("]}", "finer brush, slower", step_brush(+1), name="finer"),
        locked=True,
    ),
    _action(
        "reset_brush", "take the brush of the start again", reset_brush, ("g", "brush as at the start"), locked=True
    ),
    _action("snapshot", "save the painting as a picture", Request.SNAPSHOT, ("s", "take a snapshot"), on_disk=True),
    _switch(
        "recording",
        "record what is seen into a file",
        toggle_recording,
        ("r", "record on / off"),
        locked=True,
        on_disk=True,
    ),
    _switch("on_air", "send to the server of the stream", toggle_on_air, ("y", "stream on / off"), locked=True),
    Action("record", "start recording, or stop", toggle_recording, locked=True, on_disk=True),
    _action(
        "replay",
        "save the last seconds as a film",
        Request.REPLAY,
        ("b", "save the last seconds"),
        locked=True,
        on_disk=True,
    ),
    _switch("frozen", "stop at this frame", toggle_frozen, (" ", "freeze on / off"), label="space"),
    _switch(
        "muted", "no sound in streams and recordings", toggle_muted, ("u", "mute streams and recordings"), locked=True
    ),
    Control(
        "hud",
        "how much is written over the frames in the window",
        OneOf(HUDS),
        lambda session: session.hud,
        set_hud,
        keys=(_key("i", "HUD full / minimal / off", next_hud),),
        locked=True,
    ),
    _switch("help", "show the keys in the window", toggle_help, ("h?", "help on / off"), label="h or ?"),
    _switch(
        "link",
        "show the QR code of the page of controls in the window",
        toggle_link,
        ("w", "QR code of the page on / off"),
        locked=True,
    ),
    _action("quit", "end the show", quit_show, ("q" + ESCAPE, "quit"), label="q or ESC", locked=True),
)


def _with_named_keys(row: Control | Action) -> Control | Action:
    keys = tuple(replace(key, name=key.name or row.name, locked=row.locked) for key in row.keys)
    return replace(row, keys=keys)


_NAMED = tuple(map(_with_named_keys, _ROWS))
# What a knob or a pad can be given: all rows, and keys that do more than one thing of their row.
_LEARNABLE = dict.fromkeys(
    [
        *(row.name for row in _NAMED if isinstance(row, Action) or not isinstance(row.kind, Weights)),
        *(key.name for row in _NAMED for key in row.keys),
    ]
)
_LEARN = Control(
    "learn",
    "what the next knob or pad of a MIDI device will set",
    Learnable((NOT_LEARNING, CHOOSING, *_LEARNABLE)),
    lambda session: session.learn,
    set_learn,
    keys=(_key("j", "learn a MIDI knob or pad / end", toggle_learning),),
    locked=True,
)
_TABLE = (*_NAMED[:-1], _with_named_keys(_LEARN), _NAMED[-1])
# What can be set, and what can be asked for, by name.
CONTROLS: Mapping[str, Control] = {row.name: row for row in _TABLE if isinstance(row, Control)}
ACTIONS: Mapping[str, Action] = {row.name: row for row in _TABLE if isinstance(row, Action)}
KEYS: tuple[Key, ...] = tuple(key for row in _TABLE for key in row.keys)


def find_control(name: str) -> Control:
    """Returns the control of that name. Raises ControlError if there is none."""
    if name not in CONTROLS:
        raise ControlError(f"no control {name!r}; expected one of {', '.join(CONTROLS)}")
    return CONTROLS[name]


def find_action(name: str) -> Action:
    """Returns the action of that name. Raises ControlError if there is none."""
    if name not in ACTIONS:
        raise ControlError(f"no command {name!r}; expected one of {', '.join(ACTIONS)}")
    return ACTIONS[name]


def learned_by(key: Key) -> str:
    """Returns what a knob or a pad is given if that key is pressed while one is to be learned."""
    row = next(row for row in _TABLE if key in row.keys or any(other.name == key.name for other in row.keys))
    is_number = isinstance(row, Control) and isinstance(row.kind, Range)
    return row.name if is_number or len(row.keys) == 1 else key.name


def values_in(session: Session) -> dict[str, Value]:
    """Returns the value of every control in a session, by name."""
    return {name: control.read(session) for name, control in CONTROLS.items()}
