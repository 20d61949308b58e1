"""Whatever can be set in a show is one row of one table, by which its values are read, checked and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import pytest

from realtime.session import (
    ACTIONS,
    CONTROLS,
    KEYS,
    ControlError,
    Key,
    OneOf,
    Range,
    Request,
    Session,
    Switch,
    Value,
    find_action,
    find_control,
    values_in,
)
from realtime.session.kinds import Weights

SESSION = Session(("la_muse", "scream", "wave"))
# What belongs to the show and not to those who control it.
NOT_SET = {
    "style_names",
    "style_index",
    "given_brush",
    "net_scale",
    "quitting",
    "color_picture",
    "notice",
    "notice_until_s",
}
NOT_SET |= {"countdown_until_s", "remapped", "midi"}


def after(name: str, value: object, session: Session = SESSION) -> Session:
    return CONTROLS[name].setting(value, session)(session)


def another_value(name: str) -> Value:
    """Returns a value that the control does not have at the start."""
    control = CONTROLS[name]
    before = control.read(SESSION)
    if isinstance(control.kind, Switch):
        return not before
    if isinstance(control.kind, Range):
        return control.kind.lowest if before != control.kind.lowest else control.kind.highest
    if isinstance(control.kind, OneOf):
        return control.kind.among(SESSION)[1]
    return {"la_muse": 0.5, "wave": 0.25}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_has_the_value_that_it_is_set_to_and_nothing_changes_if_it_has_it_already(name: str) -> None:
    value = another_value(name)
    session = after(name, value)
    assert CONTROLS[name].read(session) == value
    again = after(name, value, session)
    assert replace(again, notice="", notice_until_s=0.0) == replace(session, notice="", notice_until_s=0.0)


def test_everything_that_can_be_changed_in_a_session_is_a_control() -> None:
    changed = {
        each.name
        for name in CONTROLS
        for each in fields(Session)
        if getattr(after(name, another_value(name)), each.name) != getattr(SESSION, each.name)
    }
    assert changed - {"notice", "notice_until_s", "style_index"} == {each.name for each in fields(Session)} - NOT_SET


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("steady", "yes", "steady: 'yes' is not a state of a switch; expected true or false"),
        ("steady", 2, "expected true or false"),
        ("strength", 1.01, "strength: 1.01 is out of range; expected a number from 0 to 1"),
        ("strength", float("nan"), "strength: nan is not a number"),
        ("strength", True, "strength: True is not a number"),
        ("fade", -1, "fade: -1 is out of range; expected a number from 0 to 10 s"),
        ("view", "left", "view: 'left' is not a choice; expected one of painting, side by side, split"),
        ("style", "udnie", "style: 'udnie' is not a choice; expected one of la_muse, scream, wave"),
        ("style", ["wave"], "is not a choice"),
        ("mix", 3, 'mix: 3 is not a number for each style; expected e.g. {"la_muse": 0.5}'),
        ("playlist", {"wave": 601}, "playlist: 601 is out of range; expected a number from 0 to 600 s"),
        ("mix", {"udnie": 1}, "mix: 'udnie' is not a choice"),
        ("mix", {"wave": -1}, "mix: -1 is out of range"),
        ("hud", "x" * 5000, "..."),
    ],
)
def test_a_value_that_is_not_valid_is_refused_in_one_short_line(name: str, value: object, reason: str) -> None:
    with pytest.raises(ControlError) as error:
        CONTROLS[name].setting(value, SESSION)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(ControlError, match="no control 'colour'; expected one of style"):
        find_control("colour")
    with pytest.raises(ControlError, match="no command 'explode'; expected one of next_style"):
        find_action("explode")


@pytest.mark.parametrize(
    ("mix", "weights", "after_mix"),
    [
        ((), {"wave": 0.5}, {"la_muse": 1.0, "wave": 0.5}),
        ((), {"la_muse": 0, "wave": 0.5}, {"wave": 1.0}),
        (((0, 0.5), (1, 0.2)), {"scream": None}, {"la_muse": 1.0}),
        (((0, 0.5), (1, 0.2)), {"la_muse": 0.1}, {"la_muse": 0.1, "scream": 0.2}),
        (((0, 0.5), (1, 0.2)), {"la_muse": 0, "scream": 0}, {"la_muse": 0.5, "scream": 0.2}),
    ],
)
def test_sliders_change_weights_one_by_one(
    mix: tuple[tuple[int, float], ...], weights: Mapping[str, float], after_mix: Mapping[str, float]
) -> None:
    session = after("mix", weights, replace(SESSION, mix=mix))
    assert session.weights == after_mix
    assert session.style_name in after_mix


def test_a_state_that_was_read_can_be_written_back_in_the_order_of_the_table() -> None:
    session = after("mix", {"la_muse": 0, "scream": 1, "wave": 0.5}, replace(SESSION, strength=0.3, steady=True))
    state = values_in(session)
    restored = SESSION
    for name, value in state.items():
        restored = after(name, value, restored)
    assert values_in(restored) == state


def test_a_style_alone_ends_the_mix() -> None:
    mixing = replace(SESSION, mixing=True, mix=((0, 1.0), (1, 1.0)))
    session = after("style", "wave", mixing)
    assert (session.style_name, session.mix, session.mixing) == ("wave", (), False)


@pytest.mark.parametrize("name", [name for name in CONTROLS if not isinstance(CONTROLS[name].kind, Weights)])
def test_a_knob_reaches_every_value_and_shows_it(name: str) -> None:
    kind = CONTROLS[name].kind
    for share in (0.0, 0.3, 1.0):
        value = kind.at_share(share, SESSION)
        assert kind.checked(value, SESSION) == value
        assert value is not None
        shown = kind.share_of(value, SESSION)
        assert shown is not None
        assert kind.at_share(shown, SESSION) == pytest.approx(value)


def test_every_request_is_an_action_and_every_key_has_a_name_of_its_own() -> None:
    assert {action.command for action in ACTIONS.values()} >= set(Request)
    assert not CONTROLS.keys() & ACTIONS.keys()
    names = [key.name for key in KEYS]
    assert len(set(names)) == len(names)
    assert all(key.name and key.label for key in KEYS)


def test_a_kiosk_locks_what_ends_records_or_configures() -> None:
    def labels(keys: list[Key]) -> str:
        return " ".join(key.label for key in keys if not key.label.isdigit() or key.label == "0")

    assert labels([key for key in KEYS if not key.locked]) == "n p x 0 + - c m a o v s space h or ?"
