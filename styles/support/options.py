"""Options as data: a frozen dataclass declares the options of a command, and everything else is read from it.

    @dataclass(frozen=True)
    class PrintOptions:
        copies: int = option(Option("number of copies", read=parse_count, default=1, metavar="N"))

`build_parser` makes the command line of such classes, `read_options` fills one in, and `reference_table` describes them
on a page.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, NoReturn, TypeVar

from styles.support.secrets import without_secrets

_KEY = "option"
_T = TypeVar("_T")


class Kind(Enum):
    """How an option is typed, and what type its field has."""

    VALUE = "--name VALUE"
    # without a value it is ""
    OPTIONAL_VALUE = "--name [VALUE]"
    # a tuple
    VALUES = "--name VALUE [VALUE …]"
    # also typed several times; a tuple of them all
    MORE_VALUES = "--name VALUE [VALUE …] --name VALUE"
    # typed several times; a tuple
    REPEATED = "--name VALUE --name VALUE"
    FLAG = "--name"
    SWITCH = "--name or --no-name"
    # prints the version and stops
    VERSION = "--version"


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Args:
        help: what it means, in one line without a full stop.
        kind: how it is typed.
        read: makes its value of a word; raises argparse.ArgumentTypeError, with what was expected, or ValueError.
        read_items: makes its value of a list in a settings file, as `read` does of a word with commas; None if it
            takes no list.
        default: its value if nothing sets it.
        default_text: what people read about the default; "" for the default itself, or nothing if that is None.
        metavar: what stands for its value in the help.
        choices: the values that it can have; () for any.
        short: its short flag, e.g. "-o".
        opposite: the flag that switches a switch off; "" for --no-NAME.
        positional: typed without a flag.
        required: it has no default and must be given.
        one_of: the name of a set of options of which only one can be given; "" for none.
        hidden: for programs; neither the help nor the reference shows it.
        name: of the field that declares it, which is filled in from there.
    """

    help: str = ""
    kind: Kind = Kind.VALUE
    read: Callable[[str], Any] = str
    read_items: Callable[[Sequence[str]], Any] | None = None
    default: Any = None
    default_text: str = ""
    metavar: str = ""
    choices: tuple[Any, ...] = ()
    short: str = ""
    opposite: str = ""
    positional: bool = False
    required: bool = False
    one_of: str = ""
    hidden: bool = False
    name: str = ""

    @property
    def key(self) -> str:
        """Its name as it is typed, e.g. "max-size"."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """Its long flag, e.g. "--max-size"."""
        return f"--{self.key}"

    @property
    def flags(self) -> tuple[str, ...]:
        """All its flags; () for a positional one."""
        if self.positional:
            return ()
        opposite = (self.opposite or f"--no-{self.key}",) if self.kind is Kind.SWITCH else ()
        return (*((self.short,) if self.short else ()), self.flag, *opposite)

    @property
    def is_bare(self) -> bool:
        """Whether it is typed without a value."""
        return self.kind in {Kind.FLAG, Kind.SWITCH, Kind.VERSION}

    @property
    def value_text(self) -> str:
        """What stands for its value in the help: the metavar, or the choices."""
        return self.metavar or "|".join(map(str, self.choices)) or self.name.upper()

    @property
    def help_text(self) -> str:
        """Its help with the default."""
        default = self.default_text or _default_text(self.default)
        return " ".join(filter(None, [self.help, f"(default: {default})" if default else ""]))


def option(described: Option) -> Any:
    """Returns the field of a dataclass that holds the value of an option."""
    if described.required:
        return field(metadata={_KEY: described})
    return field(default=described.default, metadata={_KEY: described})


def options_of(kind: type) -> tuple[Option, ...]:
    """Returns the options that a dataclass declares, in their order, with their names."""
    return tuple(replace(each.metadata[_KEY], name=each.name) for each in fields(kind) if _KEY in each.metadata)


def read_options(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """Returns a dataclass of options.

    Args:
        kind: the dataclass.
        values: by name; what is missing has its default, and what the dataclass does not declare is ignored.
    """
    return kind(**{each.name: values[each.name] for each in options_of(kind) if each.name in values})


def build_parser(
    groups: Mapping[str, type], *, version: str = "", intermixed: bool = False, **about: Any
) -> CommandParser:
    """Returns what parses the command line of a command.

    Args:
        groups: the dataclasses of its options, by the heading in the help; "" for no heading.
        version: what --version prints.
        intermixed: let positional words stand between options.
        about: prog, description, epilog and the like, as for argparse.
    """
    parser = _Parser(**about)
    for heading, kind in groups.items():
        group = parser.add_argument_group(heading) if heading else parser
        sets: dict[str, Any] = {}
        for each in options_of(kind):
            if each.one_of and each.one_of not in sets:
                sets[each.one_of] = group.add_mutually_exclusive_group()
            _add(sets.get(each.one_of, group), each, version)
    return CommandParser(parser, intermixed)


@dataclass(frozen=True)
class CommandParser:
    """Parses command lines. Wrong ones end the process with the exit code 2, as argparse does."""

    parser: argparse.ArgumentParser
    intermixed: bool = False

    def typed(self, argv: Sequence[str]) -> dict[str, Any]:
        """Returns the values of the options that are typed, by name; the others are missing."""
        parse = self.parser.parse_intermixed_args if self.intermixed else self.parser.parse_args
        values = vars(parse(list(argv)))
        return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def reference_table(options: Iterable[Option], columns: Mapping[str, Callable[[Option], str]]) -> list[str]:
    """Returns the lines of a Markdown table of options.

    Args:
        options: those that are described; hidden ones are left out.
        columns: headings of further columns, with what they say of an option.
    """
    headings = ["option", "meaning", *columns]
    shown = [each for each in options if not each.hidden]
    rows = ([_typed_form(each), _prose(each.help_text), *(of(each) for of in columns.values())] for each in shown)
    return [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]


class _Parser(argparse.ArgumentParser):
    """Repeats no secrets in what it says about a wrong command line."""

    def error(self, message: str) -> NoReturn:
        super().error(without_secrets(message))


class _Switch(argparse.Action):
    """Stores True for all flags but the last, which is the opposite."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - argparse's signature
        namespace: argparse.Namespace,
        values: object,  # noqa: ARG002
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, option_string != self.option_strings[-1])

    def format_usage(self) -> str:
        return " | ".join(self.option_strings)


_ARGPARSE: Mapping[Kind, Mapping[str, Any]] = {
    Kind.VALUE: {},
    Kind.OPTIONAL_VALUE: {"nargs": "?", "const": ""},
    Kind.VALUES: {"nargs": "+"},
    Kind.MORE_VALUES: {"nargs": "+", "action": "extend"},
    Kind.REPEATED: {"action": "append"},
    Kind.FLAG: {"action": "store_true"},
    Kind.SWITCH: {"action": _Switch, "nargs": 0},
    Kind.VERSION: {"action": "version"},
}


def _add(group: Any, each: Option, version: str) -> None:
    """Adds an option to a parser, or to a group of one. What is not typed leaves no value."""
    given: dict[str, Any] = {**_ARGPARSE[each.kind], "default": argparse.SUPPRESS}
    given["help"] = argparse.SUPPRESS if each.hidden else each.help_text.replace("%", "%%")
    if each.kind is Kind.VERSION:
        given["version"] = version
    if not each.is_bare:
        given |= {"type": each.read, "choices": each.choices or None, "metavar": each.value_text}
    if each.positional:
        given |= {"nargs": "*"} if each.kind is Kind.VALUES and not each.required else {}
        group.add_argument(each.name, **given)
        return
    if each.required:
        given["required"] = True
    group.add_argument(*each.flags, dest=each.name, **given)


def _default_text(default: object) -> str:
    if default is None or isinstance(default, bool) or default in ("", ()):
        return ""
    if isinstance(default, tuple):
        return " ".join(map(_default_text, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def _typed_form(each: Option) -> str:
    """Returns how an option is typed, as code."""
    several = f"{each.value_text} …"
    forms = {Kind.VALUES: several, Kind.MORE_VALUES: several, Kind.OPTIONAL_VALUE: f"[{each.value_text}]"}
    value = forms.get(each.kind, each.value_text)
    if each.positional:
        return _code(value)
    last = len(each.flags) - 1
    return ", ".join(
        _code(flag if each.is_bare or index < last else f"{flag} {value}") for index, flag in enumerate(each.flags)
    )


def _code(text: str) -> str:
    # a bar would end the cell, also within code
    return "`" + text.replace("|", "\\|") + "`"


def _prose(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
