"""The command `nst-live cache`: lists what nst-live keeps on the disk because it can be made again, and removes it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from build_engines.tensorrt.cache import EngineCache
from realtime.app.options.settings import export_folders, read_settings
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.readers import quoted
from styles.support.terminal import closable_output, print_line
from styles.support.user_folders import cache_folder

_MB = 1_000_000


@dataclass(frozen=True)
class Kept:
    """A kind of files that are kept.

    Args:
        what: they are, for people.
        folder: returns where they lie.
        patterns: which files there they are; others in the folder are somebody else's.
    """

    what: str
    folder: Callable[[], Path]
    patterns: Sequence[str] = ("**/*",)

    def files(self) -> Iterator[Path]:
        """Yields the files."""
        folder = self.folder()
        yield from sorted({path for pattern in self.patterns for path in folder.glob(pattern) if path.is_file()})


# By the names that are typed after --clear.
KINDS: Mapping[str, Kept] = {
    "engines": Kept(
        "TensorRT engines, built by nst-build or while painting",
        lambda: EngineCache().folder,
        ("*.engine", "*.json", "timing-*.cache", "*.partial"),
    ),
    "graphs": Kept(
        "ONNX graphs of nets that were trained here", lambda: cache_folder() / "onnx", ("*.onnx", "*.partial")
    ),
    "predictions": Kept("styles predicted from pictures", lambda: cache_folder() / "predictions"),
    "kernels": Kept("kernels compiled for this machine", lambda: cache_folder() / "kernels"),
}


def _parse_kind(text: str) -> str:
    if text and text not in KINDS:
        raise ArgumentTypeError(f"nothing called {quoted(text)} is kept; expected one of {', '.join(KINDS)}")
    return text


@dataclass(frozen=True)
class CacheOptions:
    """The options of `nst-live cache`."""

    clear: str | None = option(
        Option(
            "remove what is kept of this kind, or all of it",
            Kind.OPTIONAL_VALUE,
            read=_parse_kind,
            metavar="KIND",
        )
    )


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    options = read_options(CacheOptions, cache_parser().typed(argv))
    export_folders(read_settings((), os.environ).options.folders)
    kinds = {name: kept for name, kept in KINDS.items() if options.clear in {None, "", name}}
    with closable_output():
        for name, kept in kinds.items():
            line = _listed(name, kept) if options.clear is None else _cleared(name, kept)
            print_line(line, sys.stdout)
    return 0


def cache_parser() -> CommandParser:
    """Returns what parses the command line of `nst-live cache`."""
    return build_parser(
        {"": CacheOptions},
        prog="nst-live cache",
        description="List what nst-live keeps on the disk to be faster the next time, or remove it: "
        f"{', '.join(KINDS)}. All of it is made again when it is needed.",
    )


def _listed(name: str, kept: Kept) -> str:
    return f"{name:<12} {_amount(list(kept.files())):<22} {kept.what}: {kept.folder()}"


def _cleared(name: str, kept: Kept) -> str:
    files = list(kept.files())
    amount = _amount(files)
    for file in files:
        file.unlink(missing_ok=True)
    folder = kept.folder()
    for empty in (*sorted((path for path in folder.glob("**/*") if path.is_dir()), reverse=True), folder):
        with suppress(OSError):  # somebody has put something else into it
            empty.rmdir()
    return f"{name:<12} {amount:<22} removed from {folder}"


def _amount(files: Sequence[Path]) -> str:
    size_mb = sum(file.stat().st_size for file in files) / _MB
    return f"{size_mb:.1f} MB in {len(files)} file{'' if len(files) == 1 else 's'}"
