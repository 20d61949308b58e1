"""Keys that people have given other places, by the names of the table."""

from __future__ import annotations

import difflib
import functools
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace

from realtime.session.kinds import ControlError
from realtime.session.state import ESCAPE, Command, label_of
from realtime.session.table import KEYS, Key

# Names of keys, each with the characters that are typed for it; what is not named is as in the table.
Remapped = tuple[tuple[str, str], ...]

_WORDS: Mapping[str, str] = {"space": " ", "esc": ESCAPE}
_NAMES = {key.name: key for key in KEYS}
_QUIT = "quit"


def remapped_keys(wanted: Mapping[str, object]) -> Remapped:
    """Returns the keys of a settings file, checked.

    Args:
        wanted: by the name of a key its characters: "j", or "+=" for two of them, "space", or a list of them; "" for no
            key at all.

    Raises:
        ControlError: there is no key of that name, it is not written as a key, or two keys are the same.
    """
    remapped = tuple((name, _characters_of(name, value)) for name, value in wanted.items())
    owners: dict[str, Key] = {}
    for key in keys_with(remapped):
        for character in key.characters:
            if (other := owners.get(character)) is not None:
                raise ControlError(_clash(character, key, other, dict(remapped)))
            owners[character] = key
    return remapped


@functools.lru_cache(maxsize=8)
def keys_with(remapped: Remapped) -> tuple[Key, ...]:
    """Returns all keys, some of them remapped, in the order of the table."""
    changed = dict(remapped)
    return tuple(
        replace(key, characters=changed[key.name], label=label_of(changed[key.name])) if key.name in changed else key
        for key in KEYS
    )


@functools.lru_cache(maxsize=8)
def _by_character(remapped: Remapped) -> Mapping[str, Key]:
    return {character: key for key in keys_with(remapped) for character in key.characters}


def key_for(character: str, remapped: Remapped = ()) -> Key | None:
    """Returns the key of a typed character, None if it has no meaning; a capital letter counts as a small one."""
    keys = _by_character(remapped)
    return keys.get(character) or keys.get(character.lower())


def command_for(character: str, remapped: Remapped = ()) -> Command | None:
    """Returns what a typed character asks for, None if it has no meaning."""
    key = key_for(character, remapped)
    return None if key is None else key.command


def written_keys(remapped: Remapped = ()) -> Sequence[tuple[str, Sequence[str], str]]:
    """Returns for a settings file the name of each key, what is typed for it, and its meaning."""
    words = {character: word for word, character in _WORDS.items()}
    return [
        (key.name, [words.get(character, character) for character in key.characters], key.meaning)
        for key in keys_with(remapped)
    ]


def key_help(remapped: Remapped = (), *, locked: bool = False) -> tuple[tuple[str, str], ...]:
    """Returns (keys, meaning) pairs for people; the nine style keys are one line unless one of them is remapped.

    Args:
        remapped: keys that people have given other places.
        locked: leave out the keys of which a kiosk takes no notice.
    """
    shown = [key for key in keys_with(remapped) if key.characters and not (locked and key.locked)]
    if any(name.startswith("style_") for name, _ in remapped):
        return tuple((key.label, key.meaning) for key in shown)
    rest = tuple((key.label, key.meaning) for key in shown if not key.name.startswith("style_"))
    return (("1 … 9", "style by number"), *rest)


def _characters_of(name: str, value: object) -> str:
    """Returns the characters of a key; ESC stays with the one that quits, since a closed window sends it."""
    if name not in _NAMES:
        close = difflib.get_close_matches(name, _NAMES, n=1)
        hint = f"did you mean {close[0]}?" if close else "to see all keys, type: nst-live --print-config"
        raise ControlError(f"{name!r} is not the name of a key; {hint}")
    items = value if isinstance(value, list) else [value]
    typed = "".join(_WORDS.get(str(item).lower(), str(item)) if isinstance(item, str) else "\0" for item in items)
    characters = "".join(dict.fromkeys(character.lower() for character in typed))
    if any(not character.isprintable() and character != ESCAPE for character in characters):
        raise ControlError(
            f'{name} is {value!r}; expected a character, e.g. {name} = "j", or "space", or a list of them'
        )
    if name == _QUIT:
        return characters if ESCAPE in characters else characters + ESCAPE
    if ESCAPE in characters:
        raise ControlError(f"{name} cannot be ESC, which always quits, as closing the window does")
    return characters


def _clash(character: str, key: Key, other: Key, changed: Mapping[str, str]) -> str:
    """Returns what is wrong with two keys, and the line to type."""
    moved, stays = (key, other) if key.name in changed else (other, key)
    taken = {each for row in keys_with(tuple(changed.items())) for each in row.characters}
    free = next(letter for letter in string.ascii_lowercase + string.punctuation if letter not in taken)
    return (
        f"{moved.name} cannot be {label_of(character)!r}, the key of {stays.name} ({stays.meaning}); "
        f'give that another one, e.g. add: {stays.name} = "{free}"'
    )
