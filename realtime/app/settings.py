"""Where the options come from: the command line, else the environment, else a settings file, else their defaults."""

from __future__ import annotations

import argparse
import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import platformdirs

from realtime.app.readers import UsageError, parse_time
from realtime.sources.open import is_file

PREFIX = "NST_LIVE_"
# Variables of that name that belong to the other commands.
_FOREIGN = {"LOSS_NETWORK"}
# What is done once and is no setting.
_COMMANDS = {
    "help",
    "version",
    "config",
    "print_config",
    "list_styles",
    "list_cameras",
    "list_microphones",
    "list_backends",
    "debug",
}
# Typed together they complete one another; but who types a style wants no mix from the settings file.
_RIVALS = {"style", "mix", "playlist"}
# Of files alone: as settings they wait for the next file while something else is played.
_OF_FILES = ("start", "end", "max_size", "scale", "resume", "loop")
_TYPED = "command line"
# Such addresses have a key in them.
_SECRET = ("stream",)
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_UNSET = object()

# Values by option, each with where it was found, for people.
Layer = dict[str, tuple[Any, str]]


def default_file() -> Path:
    """Returns the settings file that is read where none is named, if it is there."""
    return platformdirs.user_config_path("nst-live") / "config.toml"


def read_settings(
    parser: argparse.ArgumentParser, argv: Sequence[str], environment: Mapping[str, str]
) -> tuple[argparse.Namespace, Mapping[str, str]]:
    """Returns the options, and for each that is not at its default where it was set.

    The command line comes before $NST_LIVE_…, that before the settings file. Of options that exclude one another the
    one that is nearest to the command line counts. For a camera or a stream, what is of files alone counts only if
    typed, and so does `loop` where a file is written. Raises UsageError; what is wrong in argv, argparse says itself.
    """
    actions = _actions(parser)
    given = parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(actions, _UNSET)))
    typed = {name: (value, _TYPED) for name in actions if (value := getattr(given, name)) is not _UNSET}
    layers = [typed, _from_environment(actions, environment), _from_file(actions, _settings_file(given, environment))]
    found: Layer = {}
    for layer in layers:
        groups = (*_exclusive(parser), _RIVALS)
        barred = {name for group in groups if group & set(found) for name in group}
        _check_exclusive(parser, layer)
        found |= {name: item for name, item in layer.items() if name not in found and name not in barred}
    inputs, _ = found.get("input", ((), ""))
    waiting = {"loop"} if "output" in found else set()
    if not any(is_file(url) for url in inputs or ()):
        waiting = set(_OF_FILES)
    if not given.print_config:
        found = {name: item for name, item in found.items() if name not in waiting or item[1] == _TYPED}
    for name, action in actions.items():
        setattr(given, name, found[name][0] if name in found else action.default)
    return given, {name: where for name, (_, where) in found.items()}


def written_settings(
    parser: argparse.ArgumentParser, args: argparse.Namespace, origins: Mapping[str, str]
) -> Sequence[str]:
    """Returns the lines of a settings file that says what `args` says, each with where it comes from."""
    lines = [f"# settings of nst-live; read from {default_file()} or the file after --config"]
    for name, action in _actions(parser).items():
        key, value = name.replace("_", "-"), getattr(args, name)
        if action.type is parse_time and value is not None:
            value = float(value)
        if value is None:
            lines.append(f"# {key} is not set")
        elif name in _SECRET:
            lines.append(f"# {key} is set and not told, since it holds a key  # {origins.get(name, 'default')}")
        elif name == "input" and any(re.search(r"//[^/@]*@", url) for url in value):
            lines.append(f"# {key} is set and not told, since it holds a password  # {origins.get(name, 'default')}")
        else:
            lines.append(f"{key} = {_toml(value)}  # {origins.get(name, 'default')}")
    return lines


def _actions(parser: argparse.ArgumentParser) -> Mapping[str, argparse.Action]:
    """Returns what can be set, by name; of two options that set the same, the first."""
    actions: dict[str, argparse.Action] = {}
    for action in parser._actions:
        if action.dest not in _COMMANDS:
            actions.setdefault(action.dest, action)
    return actions


def _settings_file(given: argparse.Namespace, environment: Mapping[str, str]) -> Path | None:
    named = given.config or environment.get(f"{PREFIX}CONFIG")
    if named is not None:
        if not Path(named).is_file():
            raise UsageError(f"no settings file {named}; to see what could be in it, type: nst-live --print-config")
        return Path(named)
    return default_file() if default_file().is_file() else None


def _from_environment(actions: Mapping[str, argparse.Action], environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for variable, text in environment.items():
        option = variable.removeprefix(PREFIX)
        if option == variable or option in _FOREIGN or option == "CONFIG":
            continue
        name = option.lower()
        if name not in actions:
            raise UsageError(f"${variable} sets nothing{_nearest(option, (known.upper() for known in actions))}")
        where = f"${variable}"
        layer[name] = _value(actions[name], _SWITCHES.get(text.lower(), text), text, where), where
    return layer


def _from_file(actions: Mapping[str, argparse.Action], path: Path | None) -> Layer:
    if path is None:
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is no TOML: {exc}") from exc
    layer: Layer = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in actions:
            known = (other.replace("_", "-") for other in actions)
            raise UsageError(f"{path} sets {key!r}, which is no setting{_nearest(key, known)}")
        layer[name] = _value(actions[name], value, value, f"{key} in {path}"), str(path)
    return layer


def _value(action: argparse.Action, switch: object, value: object, where: str) -> Any:
    """Returns what the option makes of a value; `switch` is it as a bool, where it can be read as one."""
    if action.nargs == 0:
        if not isinstance(switch, bool):
            raise UsageError(f"{where} is {value!r}; wanted true or false")
        return switch
    if action.nargs == "?" and isinstance(switch, bool):
        return action.const if switch else action.default
    if action.nargs == "+":
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    if isinstance(value, bool | list | dict):
        raise UsageError(f"{where} is {json.dumps(value)}; wanted {action.metavar or 'text'}")
    try:
        converted = action.type(str(value)) if callable(action.type) else str(value)
    except (argparse.ArgumentTypeError, ValueError) as exc:
        raise UsageError(f"{where}: {exc}") from exc
    if action.choices is not None and converted not in action.choices:
        raise UsageError(f"{where} is {value!r}; wanted one of {', '.join(map(str, action.choices))}")
    return converted


def _exclusive(parser: argparse.ArgumentParser) -> Iterable[set[str]]:
    return ({action.dest for action in group._group_actions} for group in parser._mutually_exclusive_groups)


def _check_exclusive(parser: argparse.ArgumentParser, layer: Layer) -> None:
    for group in _exclusive(parser):
        both = sorted(group & set(layer))
        if len(both) > 1:
            raise UsageError(f"{' and '.join(both)} exclude one another; both are set in {layer[both[0]][1]}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; to see what there is, type: nst-live --print-config"


def _toml(value: object) -> str:
    """Returns a value as TOML, in the words in which it could have been typed."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list):
        return json.dumps([str(item) for item in value], ensure_ascii=False)
    if isinstance(value, dict):
        return json.dumps(",".join(f"{name}:{weight:g}" for name, weight in value.items()), ensure_ascii=False)
    if isinstance(value, tuple):
        return json.dumps("x".join(map(str, value)))
    return json.dumps(str(value) if isinstance(value, Fraction | Path) else value, ensure_ascii=False)
