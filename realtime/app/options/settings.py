"""Where the options come from: the command line, else the environment, else a settings file, else their defaults."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from build_engines.tensorrt.cache import FOLDER_VARIABLE
from realtime.app.jobs import use_of
from realtime.app.options.readers import parse_time
from realtime.app.options.rules import refused_beside, refused_for
from realtime.app.options.table import TABLE, FolderOptions, LiveOption, Options, live_parser, options_from, values_of
from realtime.session import ControlError, Remapped, remapped_keys, written_keys
from styles.registry import USER_FOLDER_VARIABLE
from styles.support.errors import UsageError
from styles.support.options import Kind
from styles.support.readers import quoted
from styles.support.user_folders import settings_folder

PREFIX = "NST_LIVE_"
# The section of a settings file that gives keys other places.
_KEYS = "keys"
_HELP = {"-h", "--help"}
# Variables with that prefix that belong to the other commands.
_FOREIGN = {"LOSS_NETWORK"}
# How the environment says where the folders are, which the processes that build engines read too.
_FOLDER_VARIABLES = {"styles": USER_FOLDER_VARIABLE, "engines": FOLDER_VARIABLE}
_TYPED = "command line"
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_SETTINGS: Mapping[str, LiveOption] = {name: each for name, each in TABLE.items() if not each.once}


@dataclass(frozen=True)
class _Found:
    """A value, and where it was found, for people."""

    value: Any
    origin: str


# By the names of options.
_Layer = dict[str, _Found]


@dataclass(frozen=True)
class Settings:
    """The options of a run, and where each that is not at its default was set."""

    options: Options
    origins: Mapping[str, str]


def default_file() -> Path:
    """Returns the settings file that is read if none is named and it exists."""
    return settings_folder() / "config.toml"


def read_settings(argv: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Returns the options of a run.

    The command line comes before $NST_LIVE_…, that before the settings file. Of options that exclude one another the
    one that is nearest to the command line counts. What does not fit what is painted, or the other options, waits if
    it comes from the environment or the file; if it was typed, `rules.check_options` refuses it.

    Args:
        argv: the command line, without the name of the command. What is wrong there, argparse reports itself.
        environment: the environment variables.

    Raises:
        UsageError: something is wrong in the environment or the settings file.
    """
    parser = live_parser(_keys_for_help(argv, environment) if _HELP & set(argv) else (), "--debug" in argv)
    typed = {name: _Found(value, _TYPED) for name, value in parser.typed(argv).items()}
    file = _settings_file(typed["config"].value if "config" in typed else None, environment)
    content = _read_file(file)
    keys = _keys_of(content, file)
    layers = [typed, _from_environment(environment), _from_file(content, file)]
    found: _Layer = {}
    for layer in layers:
        _check_exclusive(layer)
        barred = {rival for name in found for rival in _rivals(name)}
        found |= {name: item for name, item in layer.items() if name not in found and name not in barred}
    if "print_config" not in typed:
        found = _fitting(found)
    values = {name: item.value for name, item in found.items()}
    options = options_from(values)
    options = replace(options, screen=replace(options.screen, keys=keys))
    return Settings(options, {name: item.origin for name, item in found.items()})


def written_settings(settings: Settings) -> Sequence[str]:
    """Returns the lines of a settings file that says the same, each with where it comes from."""
    values = values_of(settings.options)
    lines = [f"# settings of nst-live; read from {default_file()} or the file after --config"]
    for name, each in _SETTINGS.items():
        value, origin = values[name], settings.origins.get(name, "default")
        secret = each.secret(value) if value is not None else ""
        if value in (None, ()):
            lines.append(f"# {each.key} is not set")
        elif secret:
            lines.append(f"# {each.key} is set and not printed, since {secret}  # {origin}")
        else:
            lines.append(f"{each.key} = {_toml(each, value)}  # {origin}")
    lines += ["", f"[{_KEYS}]"]
    for name, typed, meaning in written_keys(settings.options.screen.keys):
        key = typed[0] if len(typed) == 1 else typed
        lines.append(f"{name} = {json.dumps(key or '', ensure_ascii=False)}  # {meaning}")
    return lines


def export_folders(folders: FolderOptions) -> None:
    """Sets the environment variables of the folders, for this process and those that it starts."""
    for name, variable in _FOLDER_VARIABLES.items():
        folder: Path | None = getattr(folders, name)
        if folder is not None:
            os.environ[variable] = str(folder)


def bare_environment() -> Mapping[str, str]:
    """Returns the environment without settings, except for where styles and engines are."""
    kept = set(_FOLDER_VARIABLES.values())
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name in kept}


def _fitting(found: _Layer) -> _Layer:
    """Returns what was found without the settings that have to wait."""
    inputs, output = (found[name].value if name in found else None for name in ("input", "output"))
    use = use_of(inputs or (), output)
    found = {name: item for name, item in found.items() if item.origin == _TYPED or not refused_for(TABLE[name], use)}
    values = {name: item.value for name, item in found.items()}
    return {
        name: item for name, item in found.items() if item.origin == _TYPED or not refused_beside(TABLE[name], values)
    }


def _keys_for_help(argv: Sequence[str], environment: Mapping[str, str]) -> Remapped:
    """Returns the keys that the help lists: it is printed before anything else is read, and whatever is wrong."""
    after = [later for word, later in pairwise(argv) if word == "--config"]
    named = next((word.partition("=")[2] for word in argv if word.startswith("--config=")), after[0] if after else None)
    try:
        file = _settings_file(named, environment)
        return _keys_of(_read_file(file), file)
    except UsageError:
        return ()


def _settings_file(named: str | Path | None, environment: Mapping[str, str]) -> Path | None:
    """Returns the settings file: the one that was typed, else that of the environment, else the default one."""
    named = environment.get(f"{PREFIX}CONFIG") if named is None else named
    if named is not None:
        if not Path(named).is_file():
            raise UsageError(f"no settings file {named}; to see what can be in it, type: nst-live --print-config")
        return Path(named)
    return default_file() if default_file().is_file() else None


def _from_environment(environment: Mapping[str, str]) -> _Layer:
    layer: _Layer = {}
    for variable, text in environment.items():
        word = variable.removeprefix(PREFIX)
        if word == variable or word in _FOREIGN or word == "CONFIG":
            continue
        name = word.lower()
        if name not in _SETTINGS:
            raise UsageError(f"${variable} sets nothing{_nearest(word, (known.upper() for known in _SETTINGS))}")
        where = f"${variable}"
        layer[name] = _Found(_value(_SETTINGS[name], _SWITCHES.get(text.lower(), text), text, where), where)
    return layer


def _read_file(path: Path | None) -> Mapping[str, Any]:
    """Returns what a settings file says; nothing if there is none."""
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows begins files with a byte order mark
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is not valid TOML: {exc}") from exc


def _keys_of(content: Mapping[str, Any], path: Path | None) -> Remapped:
    """Returns the keys that a settings file gives other places."""
    keys = content.get(_KEYS, {})
    if not isinstance(keys, dict):
        raise UsageError(
            f'{_KEYS} in {path} is {quoted(keys)}; expected a section [{_KEYS}] with lines like snapshot = "e"'
        )
    try:
        return remapped_keys(keys)
    except ControlError as exc:
        raise UsageError(f"[{_KEYS}] in {path}: {exc}") from exc


def _from_file(content: Mapping[str, Any], path: Path | None) -> _Layer:
    layer: _Layer = {}
    for key, value in content.items():
        if key == _KEYS:
            continue
        name = key.replace("-", "_")
        if name not in _SETTINGS:
            known = (each.key for each in _SETTINGS.values())
            raise UsageError(f"{path} sets {quoted(key)}, which is not a setting{_nearest(key, known)}")
        layer[name] = _Found(_value(_SETTINGS[name], value, value, f"{key} in {path}"), str(path))
    return layer


def _value(each: LiveOption, switch: object, value: object, where: str) -> Any:
    """Returns the value of an option.

    Args:
        each: the option.
        switch: what was set, as a bool if it can be read as one.
        value: what was set.
        where: it was set, for people.
    """
    if each.is_bare:
        if not isinstance(switch, bool):
            raise UsageError(f"{where} is {quoted(value)}; expected true or false")
        return switch
    if each.kind is Kind.OPTIONAL_VALUE and isinstance(switch, bool):
        return "" if switch else each.default
    if each.kind is Kind.VALUES:
        return tuple(str(item) for item in (value if isinstance(value, list) else [value]))
    in_list = isinstance(value, list) and each.read_items is not None
    if isinstance(value, bool | list | dict) and not in_list:
        raise UsageError(f"{where} is {quoted(value)}; expected {each.value_text}")
    try:
        converted = _read_list(each, value) if isinstance(value, list) else each.read(str(value))
    except (ArgumentTypeError, ValueError) as exc:
        raise UsageError(f"{where}: {exc}") from exc
    if each.choices and converted not in each.choices:
        raise UsageError(f"{where} is {quoted(value)}; expected one of {', '.join(map(str, each.choices))}")
    return converted


def _read_list(each: LiveOption, items: Sequence[object]) -> object:
    assert each.read_items is not None
    return each.read_items([str(item) for item in items])


def _rivals(name: str) -> Iterable[str]:
    """Returns the names of the options that one, set nearer to the command line, puts aside; itself among them."""
    each = TABLE[name]
    for other in TABLE.values():
        if (each.one_of and other.one_of == each.one_of) or (each.rivals and other.rivals == each.rivals):
            yield other.name


def _check_exclusive(layer: _Layer) -> None:
    for one_of in {TABLE[name].one_of for name in layer} - {""}:
        both = sorted(name for name in layer if TABLE[name].one_of == one_of)
        if len(both) > 1:
            raise UsageError(f"{' and '.join(both)} exclude one another; both are set in {layer[both[0]].origin}")


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; to see all settings, type: nst-live --print-config"


def _toml(each: LiveOption, value: object) -> str:
    """Returns a value as TOML, as it could have been typed."""
    if each.read is parse_time and isinstance(value, Fraction):
        return json.dumps(float(value))
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if each.kind is Kind.VALUES and isinstance(value, tuple):
        return json.dumps([str(item) for item in value], ensure_ascii=False)
    if each.read_items is not None:
        pairs = value.items() if isinstance(value, Mapping) else value
        items = [f"{name}:{number:g}" for name, number in pairs]  # type: ignore[attr-defined]
        return json.dumps(items if any("," in item for item in items) else ",".join(items), ensure_ascii=False)
    if isinstance(value, tuple):
        return json.dumps("x".join(map(str, value)))
    return json.dumps(str(value), ensure_ascii=False)
