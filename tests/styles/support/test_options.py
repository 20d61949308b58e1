"""Options as data: what is declared once is what is parsed, read and described."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from styles.support.options import (
    CommandParser,
    Kind,
    Option,
    build_parser,
    option,
    options_of,
    read_options,
    reference_table,
)
from styles.support.readers import parse_count


@dataclass(frozen=True)
class PrintOptions:
    """Options of every kind."""

    pages: tuple[str, ...] = option(Option("what to print", Kind.VALUES, default=("all",), positional=True))
    copies: int = option(Option("number of copies", read=parse_count, default=1, metavar="N", short="-n"))
    paper: str = option(Option("size of the paper", default="a4", choices=("a4", "a|3"), one_of="paper"))
    roll: bool = option(Option("print on a roll, 100 % of it", Kind.FLAG, default=False, one_of="paper"))
    color: bool = option(Option("in color", Kind.SWITCH, default=True, opposite="--grey"))
    both_sides: bool = option(Option("on both sides", Kind.SWITCH, default=False))
    tray: str | None = option(Option("this tray, or any", Kind.OPTIONAL_VALUE, default_text="the first"))
    sizes: tuple[int, ...] = option(Option("sizes", Kind.VALUES, read=parse_count, default=()))
    fonts: tuple[str, ...] = option(Option("fonts", Kind.MORE_VALUES, default=()))
    note: tuple[str, ...] = option(Option("a note on the cover", Kind.REPEATED, default=()))
    json: bool = option(Option("for programs", Kind.FLAG, default=False, hidden=True))
    version: bool = option(Option("print the version", Kind.VERSION, default=False, short="-V"))


@dataclass(frozen=True)
class CopyOptions:
    """Options that must be given."""

    source: str = option(Option("what to copy", positional=True, required=True))
    to: str = option(Option("where to", required=True))


def parser() -> CommandParser:
    return build_parser({"": PrintOptions}, prog="print", version="print 1.0")


def parse(*argv: str) -> PrintOptions:
    return read_options(PrintOptions, parser().typed(argv))


def test_what_is_not_typed_is_at_its_default_and_not_among_the_typed() -> None:
    assert parser().typed([]) == {}
    assert parse() == PrintOptions()


def test_options_of_every_kind_are_read() -> None:
    typed = parse("a", "b", "-n", "3", "--paper", "a|3", "--grey", "--both-sides", "--tray", "--sizes", "1", "2")
    assert typed == PrintOptions(("a", "b"), 3, "a|3", False, False, True, "", (1, 2))
    assert parse("--tray", "2", "--no-both-sides", "--color", "--roll") == PrintOptions(tray="2", roll=True)
    assert parse("--note", "a", "--note", "b").note == ("a", "b")
    assert parse("--fonts", "a", "b", "--fonts", "c").fonts == ("a", "b", "c")
    assert parse("--json").json


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--copies", "no"), "argument -n/--copies: 'no' is not a whole number of at least 1"),
        (("--paper", "a5"), "argument --paper: invalid choice: 'a5'"),
        (("--paper", "a4", "--roll"), "argument --roll: not allowed with argument --paper"),
        (("--sizes",), "argument --sizes: expected at least one argument"),
    ],
)
def test_what_is_wrong_ends_with_2(argv: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(*argv)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def test_what_is_required_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    parser = build_parser({"what is copied": CopyOptions}, prog="copy")
    assert read_options(CopyOptions, parser.typed(["a", "--to", "b"])) == CopyOptions("a", "b")
    with pytest.raises(SystemExit):
        parser.typed(["a"])
    assert "the following arguments are required: --to" in capsys.readouterr().err


def test_the_help_shows_every_option_with_its_default_but_the_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().typed(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "-n N, --copies N number of copies (default: 1)" in shown
    assert "--color, --grey in color" in shown
    assert "--both-sides, --no-both-sides on both sides" in shown
    assert "this tray, or any (default: the first)" in shown
    assert "print on a roll, 100 % of it" in shown
    assert "--json" not in shown


def test_the_reference_shows_how_each_is_typed() -> None:
    options = options_of(PrintOptions)
    lines = reference_table(options, {"kind": lambda each: each.kind.name})
    assert lines[:3] == [
        "| option | meaning | kind |",
        "| --- | --- | --- |",
        "| `PAGES …` | what to print (default: all) | VALUES |",
    ]
    assert "| `-n`, `--copies N` | number of copies (default: 1) | VALUE |" in lines
    assert "| `--paper a4\\|a\\|3` | size of the paper (default: a4) | VALUE |" in lines
    assert "| `--color`, `--grey` | in color | SWITCH |" in lines
    assert "| `--fonts FONTS …` | fonts | MORE_VALUES |" in lines
    assert "| `--tray [TRAY]` | this tray, or any (default: the first) | OPTIONAL_VALUE |" in lines
    assert not any("json" in line for line in lines)
    assert len(lines) == 2 + len(options) - 1


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse("-V")
    assert left.value.code == 0
    assert capsys.readouterr().out == "print 1.0\n"
