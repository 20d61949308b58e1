"""The command `nst-live styles`: lists, renames and removes the user's own styles."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.app.options.settings import export_folders
from realtime.app.options.table import STYLES, FolderOptions
from realtime.media.encoders import OutputError
from styles.pack import check_style_name
from styles.registry import UnknownStyleError, list_pictures, list_styles, unknown_name, user_folder, user_pack
from styles.support.errors import UsageError
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.terminal import closable_output, print_line


@dataclass(frozen=True)
class OwnStylesOptions:
    """The options of `nst-live styles`."""

    words: tuple[str, ...] = option(
        Option(
            "what to do: rename OLD NEW, or remove NAME …; nothing to list them",
            Kind.VALUES,
            default=(),
            metavar="rename|remove NAME",
            positional=True,
        )
    )
    styles: Path | None = option(STYLES)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    options = read_options(OwnStylesOptions, own_styles_parser().typed(argv))
    export_folders(FolderOptions(options.styles))
    if pack := user_pack():
        raise UsageError(f"{pack} is a pack, which stays as it is; expected a folder of styles")
    action, *names = options.words or ("list",)
    if action not in _ACTIONS:
        raise UsageError(f"{action!r} is not what can be done; expected list, rename OLD NEW or remove NAME …")
    with closable_output():
        _ACTIONS[action](names)
    return 0


def own_styles_parser() -> CommandParser:
    """Returns what parses the command line of `nst-live styles`."""
    return build_parser(
        {"": OwnStylesOptions},
        prog="nst-live styles",
        description="List, rename and remove your own styles: pictures, and what nst-train has made.",
    )


def own_files() -> Mapping[str, Sequence[Path]]:
    """Returns the files of the user's own styles, by name; one style may have files for several nets."""
    found: dict[str, list[Path]] = {}
    for style in list_styles():
        if style.path.is_relative_to(user_folder()):
            found.setdefault(style.name, []).append(style.path)
    for name, path in list_pictures().items():
        found.setdefault(name, []).append(path)
    return dict(sorted(found.items()))


def _list(names: Sequence[str]) -> None:
    if names:
        raise UsageError("list takes no names")
    own = own_files()
    for name, files in own.items():
        print_line(f"{name:<24} {', '.join(str(file.relative_to(user_folder())) for file in files)}", sys.stdout)
    if not own:
        print_line(f"no styles of your own in {user_folder()}; a picture there is one", sys.stdout)


def _rename(names: Sequence[str]) -> None:
    if len(names) != 2:
        raise UsageError("expected the old and the new name: nst-live styles rename OLD NEW")
    old, new = names
    try:
        check_style_name(new)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    if new in own_files():
        raise UsageError(f"there is a style called {new!r} already; remove it first: nst-live styles remove {new}")
    files = _files_of(old)
    targets = [file.with_name(f"{new}{file.suffix}") for file in files]
    for target in targets:
        if target.exists():
            raise UsageError(f"{target} exists already; choose another name")
    for file, target in zip(files, targets, strict=True):
        _changed(file, lambda file=file, target=target: file.rename(target))  # type: ignore[misc]
        print_line(f"{file} is now {target}", sys.stdout)


def _remove(names: Sequence[str]) -> None:
    if not names:
        raise UsageError("expected a name: nst-live styles remove NAME …")
    files = [file for name in names for file in _files_of(name)]
    for file in files:
        _changed(file, file.unlink)
        print_line(f"removed {file}", sys.stdout)


def _files_of(name: str) -> Sequence[Path]:
    own = own_files()
    if name in own:
        return own[name]
    if any(style.name == name for style in list_styles()):
        raise UnknownStyleError(f"{name!r} comes with nst-live and stays; your own are: {', '.join(own) or 'none yet'}")
    raise UnknownStyleError(unknown_name("style of your own", name, own))


def _changed(file: Path, change: Callable[[], object]) -> None:
    try:
        change()
    except OSError as exc:
        raise OutputError(f"cannot change {file}: {exc.strerror or exc}") from exc


_ACTIONS: Mapping[str, Callable[[Sequence[str]], None]] = {"list": _list, "rename": _rename, "remove": _remove}
