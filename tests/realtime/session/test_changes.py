"""Every key means one thing, the same on screen, in the help and in the README."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from realtime.session import ESCAPE, KEYS, NET_SCALES, Request, Session, command_for, key_help
from tests.realtime.stand_ins import press

NAMES = ("la_muse", "scream", "wave")
SESSION = Session(NAMES)


def test_no_key_is_in_the_table_twice() -> None:
    counts = Counter(character for key in KEYS for character in key.characters)
    assert [character for character, count in counts.items() if count > 1] == []


def test_every_key_does_something() -> None:
    before = Session(tuple("abcdefghi"), style_index=4)
    for key in KEYS:
        for character in key.characters:
            assert isinstance(key.command, Request) or press(before, character) != before, f"{key.label} does nothing"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_number_chooses_the_style_of_that_number_and_names_it(number: int) -> None:
    session = press(replace(SESSION, original=True), str(number))
    assert session.style_name == NAMES[number - 1]
    assert session.notice == NAMES[number - 1]
    assert not session.original


def test_a_number_without_a_style_says_how_many_there_are_and_changes_nothing_else() -> None:
    session = press(replace(SESSION, style_index=1, original=True), "7")
    assert session.notice == "no style 7: there are 3"
    assert replace(session, notice="", notice_until_s=0.0) == replace(SESSION, style_index=1, original=True)


@pytest.mark.parametrize(("key", "names"), [("n", ["scream", "wave", "la_muse"]), ("p", ["wave", "scream", "la_muse"])])
def test_next_and_previous_go_round_and_round(key: str, names: list[str]) -> None:
    session, visited = SESSION, []
    for _ in range(6):
        session = press(session, key)
        visited.append(session.style_name)
    assert visited == names * 2


@pytest.mark.parametrize(
    ("key", "flag"),
    [("0", "original"), ("r", "recording"), (" ", "frozen"), ("f", "fullscreen"), ("h", "help"), ("?", "help")],
)
def test_a_switch_goes_on_and_off(key: str, flag: str) -> None:
    once = press(SESSION, key)
    twice = press(once, key)
    assert getattr(once, flag) is not getattr(SESSION, flag)
    assert getattr(twice, flag) is getattr(SESSION, flag)
    changed = {name for name in vars(SESSION) if getattr(once, name) != getattr(SESSION, name)}
    assert changed <= {flag, "notice", "notice_until_s"}


def test_the_original_and_a_freeze_are_said() -> None:
    assert press(SESSION, "0").notice == "original"
    assert press(press(SESSION, "0"), "0").notice == "la_muse"
    assert press(SESSION, " ").notice == "frozen"
    assert press(press(SESSION, " "), " ").notice == "live"


def test_what_is_done_once_is_a_request_and_no_part_of_the_state() -> None:
    requests = {"s": Request.SNAPSHOT, "b": Request.REPLAY, "l": Request.RELOAD}
    requests |= {"k": Request.MAKE_STYLE, "z": Request.TAKE_BACK_STYLE}
    assert {character: command_for(character) for character in requests} == requests
    assert set(requests.values()) == set(Request)


@pytest.mark.parametrize("key", ["q", ESCAPE])
def test_q_and_escape_quit(key: str) -> None:
    assert press(SESSION, key).quitting


@pytest.mark.parametrize("key", ["Q", "N", "S", "H"])
def test_capital_letters_count_as_small_ones(key: str) -> None:
    session = press(SESSION, key)
    assert session != SESSION
    assert replace(session, notice_until_s=0) == replace(press(SESSION, key.lower()), notice_until_s=0)


@pytest.mark.parametrize("character", ["~", "ä", "\t", "", "\x00"])
def test_any_other_key_changes_nothing(character: str) -> None:
    assert press(SESSION, character) is SESSION


def test_the_hud_goes_from_full_to_minimal_to_off_and_round() -> None:
    session, seen = SESSION, []
    for _ in range(3):
        session = press(session, "i")
        seen.append(session.hud)
    assert seen == ["minimal", "off", "full"]


def test_colours_go_round_among_those_that_there_are() -> None:
    session, seen = SESSION, []
    for _ in range(3):
        session = press(session, "c")
        seen.append((session.colors, session.notice))
    assert seen == [("source", "the camera's colours"), ("style", "the style's colours"), seen[0]]
    session = press(press(replace(SESSION, color_picture="sunset.jpg"), "c"), "c")
    assert (session.colors, session.notice) == ("picture", "the colours of sunset.jpg")
    assert press(session, "c").colors == "style"


def test_while_mixing_numbers_add_styles_and_take_them_away_and_the_next_style_ends_it() -> None:
    session = press(SESSION, "x")
    assert (session.mixing, session.mix) == (True, ((0, 1.0),))
    assert press(session, "2").mix == ((0, 1.0), (1, 1.0))
    assert press(press(session, "2"), "1").mix == ((1, 1.0),)
    assert press(press(session, "2"), "1").style_index == 1, "what is painted with is what is on"
    assert press(session, "1").mix == ((0, 1.0),), "a mix is never empty"
    assert press(session, "9").mix == ((0, 1.0),)
    for ending in ("x", "n", "p", "a"):
        assert press(press(session, "2"), ending).mix == ()


@pytest.mark.parametrize("given", [1.0, 0.3, 0.6, 0.65])
def test_the_brush_stays_within_its_steps_until_it_is_let_go(given: float) -> None:
    session = replace(SESSION, brush=given, given_brush=given)
    for _ in range(10):
        session = press(session, "[")
    assert session.brush == min(*NET_SCALES, given)
    for _ in range(10):
        session = press(session, "]")
    assert session.brush == 1.0
    assert press(session, "g").brush == given


def test_a_brush_by_hand_says_how_to_go_back() -> None:
    session = replace(SESSION, brush=0.6, given_brush=0.6)
    assert press(session, "[").notice == "brush 50 %, by hand (g: back to 60 %)"
    assert press(session, "[]").notice == "brush 60 %"
    assert press(session, "]g").notice == "brush 60 %"


def test_the_help_names_every_key_once() -> None:
    lines = dict(key_help())
    assert lines.pop("1 … 9") == "style by number"
    assert lines == {key.label: key.meaning for key in KEYS if key.label not in "123456789"}
