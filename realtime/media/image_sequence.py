"""Image sequences: numbered image files whose common name is written like frame_%05d.png."""

from __future__ import annotations

import re
from pathlib import Path

from realtime.media.decoding import SourceError, file_url

_NUMBER = re.compile(r"%0?(\d*)d")


def is_image_sequence(path: Path) -> bool:
    """Returns whether a path stands for numbered images."""
    return bool(_NUMBER.search(path.name)) and not path.is_file()


def sequence_url(path: Path) -> str:
    """Returns what FFmpeg is given for an image sequence: only the number in its name is a pattern."""
    number = _NUMBER.search(path.name)
    assert number is not None
    before, after = path.name[: number.start()], path.name[number.end() :]
    name = f"{_literal(before)}{number[0]}{_literal(after)}"
    return file_url(Path(_literal(str(path.parent))) / name)


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def numbered_files(path: Path) -> dict[int, Path]:
    """Returns the images of a sequence that exist, by number, in ascending order."""
    before, width, after = _NUMBER.split(path.name, maxsplit=1)
    wanted = re.compile(re.escape(before) + rf"(\d{{{width or 1},}})" + re.escape(after))
    found = ((wanted.fullmatch(file.name), file) for file in path.parent.glob("*" + Path(path.name).suffix))
    return dict(sorted((int(match[1]), file) for match, file in found if match))


def first_number(path: Path) -> int:
    """Returns the number of the first image of a sequence.

    Raises:
        SourceError: no such image exists.
    """
    files = numbered_files(path)
    if not files:
        raise SourceError(f"no file matches {path}; expected numbered images, e.g. frame_00001.png")
    return next(iter(files))
