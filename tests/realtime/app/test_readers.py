"""Sizes, rates, numbers and mixes as people type them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from fractions import Fraction

import pytest

from realtime.app.options.readers import (
    mix_of,
    parse_mix,
    parse_playlist,
    parse_rate,
    parse_scale,
    parse_time,
    playlist_of,
)
from realtime.media.rates import clock_for, exact_rate
from realtime.player.playlist import DEFAULT_SECONDS
from styles.support.readers import (
    parse_count,
    parse_named_number,
    parse_number,
    parse_share,
    parse_size,
    parse_whole_number,
    quoted,
)


def test_what_people_type_is_understood() -> None:
    assert parse_size("640x480") == (640, 480)
    assert parse_size("1280X720") == (1280, 720)
    assert parse_count("12") == 12
    assert parse_whole_number("0") == 0
    assert parse_number("0") == 0
    assert parse_share("0.25") == 0.25
    assert parse_scale("1/3") == Fraction(1, 3)
    assert parse_time("0:01:30.5") == Fraction(181, 2)
    assert parse_named_number("wave=0.5") == ("wave", 0.5)
    assert parse_named_number("2") == ("", 2)
    assert parse_mix("wave:0.6, udnie") == {"wave": 0.6, "udnie": 1.0}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("25", Fraction(25)),
        ("30", Fraction(30)),
        ("29.97", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
        ("24", Fraction(24)),
    ],
)
def test_a_rate_is_the_one_that_is_meant(typed: str, meant: Fraction) -> None:
    assert parse_rate(typed) == meant


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_size, "640"),
        (parse_size, "0x480"),
        (parse_size, "640x480x3"),
        (parse_rate, "0"),
        (parse_rate, "fast"),
        (parse_rate, "1/0"),
        (parse_rate, "-25"),
        (parse_count, "0"),
        (parse_count, "-3"),
        (parse_count, "many"),
        (parse_number, "-1"),
        (parse_number, "nan"),
        (parse_share, "1.5"),
        (parse_share, "nan"),
        (parse_scale, "0"),
        (parse_scale, "17"),
        (parse_time, "1:2:3:4"),
        (parse_whole_number, "-1"),
        (parse_named_number, "wave="),
        (parse_mix, "wave,wave"),
        (parse_mix, "wave:0"),
        (parse_mix, ":1"),
        (parse_mix, "wave:soon"),
        (parse_playlist, ""),
        (parse_playlist, ":20"),
        (parse_playlist, "wave:0"),
        (parse_playlist, "wave:-1"),
        (parse_playlist, "wave:soon"),
        (parse_playlist, "wave:inf"),
    ],
)
def test_what_makes_no_sense_is_refused(parse: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


@pytest.mark.parametrize(
    ("item", "name", "number"),
    [
        ("wave", "wave", None),
        ("wave:5", "wave", 5),
        ("a photo.jpg:0.5", "a photo.jpg", 0.5),
        ("C:\\pictures\\a.jpg", "C:\\pictures\\a.jpg", None),
        ("C:\\pictures\\a.jpg:2", "C:\\pictures\\a.jpg", 2),
        ("D:/a:2", "D:/a", 2),
        ("at 10:30.png", "at 10:30.png", None),
        ("at 10:30.PNG:3", "at 10:30.PNG", 3),
        ("mine:old.safetensors", "mine:old.safetensors", None),
    ],
)
def test_what_stands_after_the_last_colon_is_the_number(item: str, name: str, number: float | None) -> None:
    assert parse_mix(item) == {name: 1.0 if number is None else number}
    assert parse_playlist(item) == ((name, DEFAULT_SECONDS if number is None else number),)


def test_lists_have_names_with_commas() -> None:
    assert mix_of(["a,b.jpg:0.5", "wave"]) == {"a,b.jpg": 0.5, "wave": 1.0}
    assert playlist_of(["a,b.jpg:5", "wave", "a,b.jpg"]) == (("a,b.jpg", 5), ("wave", 20), ("a,b.jpg", 20))


def test_a_clock_holds_the_frames_of_a_rate_exactly_and_is_as_fine_as_the_files_own() -> None:
    for rate, own in [
        (Fraction(30000, 1001), Fraction(1, 11988)),
        (Fraction(25), Fraction(1, 12800)),
        (Fraction(10), Fraction(1, 1000)),
    ]:
        clock = clock_for(rate, own)
        assert (1 / rate / clock).denominator == 1
        assert clock <= own


def test_a_rate_beside_ntsc_but_not_it_stays_as_it_is() -> None:
    assert exact_rate(Fraction(2998, 100)) == Fraction(2998, 100)
    assert exact_rate(Fraction(2997, 100)) == Fraction(30000, 1001)


def test_a_long_word_is_quoted_in_part() -> None:
    assert quoted("640") == "'640'"
    assert quoted("9" * 1000) == f"'{'9' * 59}…"
    with pytest.raises(argparse.ArgumentTypeError, match="… is not a size; expected WxH"):
        parse_size("9" * 1000)
