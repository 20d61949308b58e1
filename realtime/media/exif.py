"""EXIF data as cameras and programs write them, good or bad: what can be kept is kept, and the rest is named."""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import ExifTags, Image

# The orientations with which width and height are exchanged.
SIDEWAYS = frozenset({5, 6, 7, 8})
# Tags that describe the layout of a file, which TIFF keeps beside those that describe the picture (TIFF 6.0; 34675 is
# the color profile).
_LAYOUT_TAGS = frozenset(
    {*range(254, 260), 262, 266, 273, *range(277, 280), 282, 283, 284, 296, 317, 318, 319, *range(320, 326), 338, 339}
    | {*range(512, 522), *range(529, 533), 34675}
)
_ORIENTATION = 274
# Tags that point to groups of tags: EXIF, GPS, interoperability.
_GROUP_TAGS = frozenset({34665, 34853, 40965})
_INTEROPERABILITY = 40965
# Nobody has more, and each is tried by itself.
_MOST_ENTRIES = 2000
_MOST_NAMED = 4
# Wrong values make Pillow raise almost anything.
_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)
_ANY_ERROR = (*_ERRORS, struct.error)


@dataclass(frozen=True)
class _Entry:
    """One tag with its value.

    group: the tag of the group that it is in, 0 for none.
    """

    group: int
    tag: int
    value: object

    @property
    def name(self) -> str:
        names: Mapping[int, str] = ExifTags.GPSTAGS if self.group == ExifTags.IFD.GPSInfo else ExifTags.TAGS
        return names.get(self.tag, f"tag {self.tag}")


def orientation(image: Image.Image) -> int:
    """Returns how a picture is stored, 1 to 8; 1, upright, if it does not say so or says nonsense."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _ANY_ERROR:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def read(image: Image.Image) -> tuple[bytes, str]:
    """Returns the EXIF data of a picture that is turned upright, and a note on what cannot be kept, "" for nothing.

    Its thumbnail is left out, which is not painted.
    """
    try:
        exif = image.getexif()
        for tag in {*_LAYOUT_TAGS, _ORIENTATION} & set(exif):
            del exif[tag]
        if not exif:
            return b"", ""
    except _ANY_ERROR as exc:
        return b"", f"its EXIF data cannot be read ({exc})"
    return _repaired(exif, lambda _data: True, "have values of wrong types")


def has_groups(data: bytes) -> bool:
    """Returns whether EXIF data have groups of tags."""
    return bool(data) and bool(_GROUP_TAGS & set(_loaded(data)))


def fitting(data: bytes, options: Mapping[str, object]) -> tuple[bytes, str]:
    """Returns as much of EXIF data as a format takes, and a note on what it does not, "" for nothing.

    Args:
        data: the EXIF data, b"" for none.
        options: how Pillow saves the picture.
    """
    if not data:
        return b"", ""

    def holds(some: bytes) -> bool:
        try:
            _pixel().save(io.BytesIO(), **{**options, "exif": some})  # type: ignore[arg-type]
        except _ANY_ERROR:
            return False
        return True

    if holds(data):
        return data, ""
    return _repaired(_loaded(data), holds, f"do not all fit into a {options['format']} file")


def _repaired(exif: Image.Exif, holds: Callable[[bytes], bool], reason: str) -> tuple[bytes, str]:
    """Returns as many tags as can be written and held, the smallest first, and a note on the others."""
    whole = _written(exif)
    if whole is not None and holds(whole):
        return whole, ""
    entries = _entries(exif)
    sized = []
    for entry in entries if len(entries) <= _MOST_ENTRIES else []:
        alone = _written(_exif_of([entry]))
        if alone is not None and holds(alone):
            sized.append((len(alone), entry))
    kept = [entry for _, entry in sorted(sized, key=lambda pair: pair[0])]
    most, too_many = 0, len(kept) + 1
    data = b""
    while most + 1 < too_many:
        count = (most + too_many) // 2
        some = _written(_exif_of(kept[:count]))
        if some is not None and holds(some):
            most, data = count, some
        else:
            too_many = count
    lost = list(dict.fromkeys(entry.name for entry in entries if entry not in kept[:most]))
    return data, f"its EXIF data {reason}; left out: {_listed(lost) or 'all'}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _entries(exif: Image.Exif) -> Sequence[_Entry]:
    found = [_Entry(0, tag, value) for tag, value in exif.items() if tag not in _GROUP_TAGS]
    for group in _GROUP_TAGS:
        try:
            inside = exif.get_ifd(group)
            found += [_Entry(group, tag, value) for tag, value in inside.items() if tag != _INTEROPERABILITY]
        except _ANY_ERROR:  # the group is lost as a whole
            found.append(_Entry(0, group, None))
    return found


def _exif_of(entries: Sequence[_Entry]) -> Image.Exif:
    exif = Image.Exif()
    for entry in entries:
        target = exif.get_ifd(entry.group) if entry.group else exif
        target[entry.tag] = entry.value
    return exif


def _written(exif: Image.Exif) -> bytes | None:
    """Returns the bytes of EXIF data, or None if a value among them cannot be written."""
    try:
        return exif.tobytes()
    except _ANY_ERROR:
        return None


def _loaded(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(data)
    return exif


@functools.cache
def _pixel() -> Image.Image:
    return Image.new("RGB", (1, 1))
