"""Packs of styles: one file with the vectors, the small pictures and the facts of many styles. Needs no torch.

A pack is a zip archive:

    styles.json     {"format": "nst-live styles", "version": 1, "styles": [{"name": …, "title": …, "artist": …,
                    "year": …, "license": …, "picture": FILE, "vectors": {NET: {"file": FILE, "network_sha256": …}}}]}
    pictures/N      a WebP, JPEG or PNG, as `styles.kept_picture` makes it
    vectors/N.NET   the style vector for a net, float16, little-endian, nothing else

A pack may come from a stranger. Nothing is unpacked onto the disk and nothing is executed; the size of everything is
checked before it is read, and of what is compressed no more is decompressed than it may be.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from styles.registry import NETWORK_SHA256, Style, printable
from styles.support.atomic_file import atomic_path
from styles.weights import WeightsError, load_style, picture_bytes

_FORMAT, _VERSION = "nst-live styles", 1
_INDEX = "styles.json"
_FACTS = ("title", "artist", "year", "license")
# What a pack may hold.
_MOST_STYLES = 10_000
_MOST_NETS = 16
_LONGEST_NAME, _LONGEST_FACT = 100, 1000
_LARGEST_INDEX, _LARGEST_PICTURE, _LARGEST_VECTOR = 2**24, 2**22, 2**18
_LARGEST_PACK = 2**31
_LARGEST_DIRECTORY = 2**22
# The record at the end of a zip: its signature, and after 12 bytes the directory's size.
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 2**16
# What stands before that record in archives that are larger than it can say.
_LARGE, _LARGE_SIZE = b"PK\x06\x07", 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_ZIP_ERRORS = (OSError, ValueError, LookupError, RuntimeError, NotImplementedError, EOFError, zlib.error, struct.error)
# Every file of a pack has this time, so that the same styles make the same pack.
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class PackedStyle:
    """A style to be packed, or in a pack.

    Args:
        name: as it is typed.
        facts: title, artist, year and license of its picture, as far as they are known.
        picture: the bytes of a small copy of its picture, None for none.
        vectors: for each net by name the checksum of its weights, and the vector, float32[K].
    """

    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    picture: bytes | None = None
    vectors: Mapping[str, tuple[str, NDArray[np.float32]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PackEntry:
    """What the index of a pack says of a style.

    Args:
        name: as it is typed.
        facts: title, artist, year and license of its picture.
        picture: the file of its picture in the pack, "" for none.
        vectors: for each net by name the checksum of its weights, and the file of the vector in the pack.
    """

    name: str
    facts: Mapping[str, str]
    picture: str
    vectors: Mapping[str, tuple[str, str]]


class StylePack:
    """A pack that is there to be read. Nothing of it is open between two calls.

    Args:
        path: the file.

    Raises:
        WeightsError: the file is damaged, or not a pack.
        FileNotFoundError: there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as archive:
            index = self._read(archive, _INDEX, _LARGEST_INDEX)
        try:
            self.entries = _entries(index)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
            raise WeightsError(f"{path} is not a style pack: its index makes no sense ({exc})") from exc

    def picture(self, entry: PackEntry) -> bytes:
        """Returns the bytes of a style's picture. Raises WeightsError."""
        with self._opened() as archive:
            return self._read(archive, entry.picture, _LARGEST_PICTURE)

    def vectors(self, network: str, sha256: str) -> Iterator[tuple[PackEntry, NDArray[np.float32] | WeightsError]]:
        """Yields the styles that have a vector for a net, with the vector, float32[K], or what is wrong with it.

        Args:
            network: the name of the net.
            sha256: the checksum of its weights.

        Raises WeightsError if the pack is damaged.
        """
        with self._opened() as archive:
            for entry in self.entries:
                belongs, file = entry.vectors.get(network, ("", ""))
                if file and belongs == sha256:
                    try:
                        yield entry, self._vector(archive, file)
                    except WeightsError as exc:
                        yield entry, exc

    def _vector(self, archive: zipfile.ZipFile, name: str) -> NDArray[np.float32]:
        data = self._read(archive, name, _LARGEST_VECTOR)
        if not data or len(data) % 2:
            raise WeightsError(f"{self.path}: {name} is not a vector of float16")
        vector = np.frombuffer(data, "<f2").astype(np.float32)
        if not np.isfinite(vector).all():
            raise WeightsError(f"{self.path}: {name} holds values that are not numbers (NaN or infinite)")
        return vector

    def _opened(self) -> zipfile.ZipFile:
        try:
            status = os.stat(self.path)  # noqa: PTH116
        except OSError as exc:
            raise FileNotFoundError(f"no style pack at {self.path}") from exc
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_PACK:
            raise WeightsError(f"{self.path} is not a style pack: expected a file of 2 GiB at most")
        try:
            _check_directory(self.path, status.st_size)
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, *_ZIP_ERRORS) as exc:
            raise WeightsError(f"{self.path} is not a style pack: {exc}") from exc

    def _read(self, archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
        """Returns a file of the pack. Raises WeightsError if it is missing, damaged or larger than the limit."""
        try:
            info = archive.getinfo(name)
            if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
                raise ValueError("it is encrypted, or compressed in an unusual way")
            if info.file_size > limit:
                raise ValueError(f"it has {info.file_size} bytes; expected {limit} at most")
            with archive.open(info) as file:
                return file.read(limit)
        except KeyError as exc:
            raise WeightsError(f"{self.path} is not a style pack: it lacks {name!r}") from exc
        except (zipfile.BadZipFile, *_ZIP_ERRORS) as exc:
            # it is looked for before the beginning of the file
            is_lost = isinstance(exc, OSError) and exc.errno == errno.EINVAL
            reason = "it is not where the pack says" if is_lost else str(exc)
            raise WeightsError(f"{self.path} is damaged: {name!r} cannot be read: {reason}") from exc


def write_pack(path: Path, styles: Sequence[PackedStyle]) -> None:
    """Writes a pack, whole or not at all; the same styles make the same bytes.

    Raises OSError.
    """
    index: list[dict[str, Any]] = []
    with atomic_path(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for number, style in enumerate(styles, start=1):
            entry: dict[str, Any] = {"name": style.name, **{fact: style.facts.get(fact, "") for fact in _FACTS}}
            if style.picture is not None:
                entry["picture"] = f"pictures/{number}"
                archive.writestr(zipfile.ZipInfo(entry["picture"], _EPOCH), style.picture)
            entry["vectors"] = {}
            for net, (sha256, vector) in style.vectors.items():
                file = f"vectors/{number}.{net}"
                entry["vectors"][net] = {"file": file, "network_sha256": sha256}
                archive.writestr(zipfile.ZipInfo(file, _EPOCH), vector.astype("<f2").tobytes())
            index.append(entry)
        text = json.dumps({"format": _FORMAT, "version": _VERSION, "styles": index}, ensure_ascii=False, indent=1)
        archive.writestr(zipfile.ZipInfo(_INDEX, _EPOCH), text.encode(), zipfile.ZIP_DEFLATED)


def packed_style(style: Style) -> PackedStyle:
    """Returns the style of a file, with what the file holds. Raises WeightsError or FileNotFoundError.

    Args:
        style: one that shares its net with others.
    """
    loaded = load_style(style.path)
    facts = {"title": style.title, "artist": style.artist, "year": style.year, "license": style.license}
    vectors = {style.network: (loaded.metadata.get(NETWORK_SHA256, ""), loaded.vector)}
    return PackedStyle(style.name, facts, picture_bytes(style.path), vectors)


def check_style_name(name: str) -> None:
    """Raises ValueError, saying what was expected, for what cannot be the name of a style."""
    if not 0 < len(name) <= _LONGEST_NAME or printable(name) != name or name != name.strip():
        raise ValueError(f"{name[:_LONGEST_NAME]!r} is not a name; expected 1 to {_LONGEST_NAME} printable characters")
    if any(character in name for character in "/\\") or name.startswith("."):
        raise ValueError(f"{name!r} is not a name; expected no slashes and no dot at its start")


def _check_directory(path: Path, size: int) -> None:
    """Raises ValueError where the directory at the end of a zip is larger than a pack's, before it is read."""
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_SIZE:
        raise ValueError("it is not a zip archive")
    (directory,) = struct.unpack_from("<L", tail, at + 12)
    if directory > _LARGEST_DIRECTORY or tail[max(0, at - _LARGE_SIZE) :].startswith(_LARGE):
        raise ValueError("its directory is too large")


def _entries(data: bytes) -> Sequence[PackEntry]:
    index = json.loads(data)
    if index["format"] != _FORMAT or index["version"] != _VERSION:
        raise ValueError(f"it is {str(index['format'])[:40]!r}, version {str(index['version'])[:10]}")
    if len(index["styles"]) > _MOST_STYLES:
        raise ValueError(f"it has {len(index['styles'])} styles; expected {_MOST_STYLES} at most")
    entries = [_entry(style) for style in index["styles"]]
    if len({entry.name for entry in entries}) < len(entries):
        raise ValueError("two styles have the same name")
    return entries


def _entry(style: Mapping[str, Any]) -> PackEntry:
    name = _text(style["name"])
    check_style_name(name)
    if len(style.get("vectors", {})) > _MOST_NETS:
        raise ValueError(f"{name!r} has vectors for more than {_MOST_NETS} nets")
    vectors = {
        _text(net): (_text(each["network_sha256"]), _text(each["file"]))
        for net, each in style.get("vectors", {}).items()
    }
    facts = {fact: printable(_text(style.get(fact, ""))) for fact in _FACTS}
    return PackEntry(name, facts, _text(style.get("picture", "")), vectors)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_FACT:
        raise ValueError(f"{str(value)[:40]!r} is not a text of at most {_LONGEST_FACT} characters")
    return value
