"""Thousands of pictures as squares of one size: read once into a file, from which every step takes a few."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.support.atomic_file import atomic_path, write_atomically
from styles.support.progress import Report
from styles.training.pictures import (
    PictureError,
    centre_square,
    fingerprint,
    picture_paths,
    read_picture,
)
from styles.weights import file_sha256


@dataclass(frozen=True)
class Squares:
    """The middles of pictures.

    Args:
        pixels: N x 3 x side x side uint8.
        fingerprint: tells one choice of files from another, by their names and sizes.
        skipped: why pictures could not be used, one line for each.
    """

    pixels: Tensor
    fingerprint: str
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def side(self) -> int:
        """The side of the squares in pixels."""
        return int(self.pixels.shape[-1])

    def picture(self, index: int) -> NDArray[np.uint8]:
        """Returns one of them, side x side x 3 uint8."""
        pixels: NDArray[np.uint8] = self.pixels[index].permute(1, 2, 0).cpu().numpy()
        return pixels


def read_names(file: Path) -> frozenset[str]:
    """Returns the names of pictures in a text file, one a line, without folders and endings.

    Raises:
        PictureError: the file cannot be read, or names nothing.
    """
    try:
        names = frozenset(Path(line.strip()).stem for line in file.read_text().splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as exc:
        raise PictureError(f"{file} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    if not names:
        raise PictureError(f"{file} names no picture; expected the name of one in each line, e.g. 0037.jpg")
    return names


def select_pictures(
    folders: Sequence[Path], without: Collection[str] = (), unlike: Iterable[Path] = ()
) -> tuple[Path, ...]:
    """Returns the pictures below the folders, sorted.

    Args:
        folders: where to look, at any depth.
        without: names of pictures that are left out, without endings.
        unlike: files whose content is left out, under any name.

    Raises:
        PictureError: a folder does not exist, or nothing is left.
    """
    known = {(path.stat().st_size, file_sha256(path)) for path in unlike}
    sizes = {size for size, _ in known}
    paths = tuple(
        path
        for path in picture_paths(folders)
        if path.stem not in without
        and not (path.stat().st_size in sizes and (path.stat().st_size, file_sha256(path)) in known)
    )
    if not paths:
        raise PictureError(f"no picture is left in {', '.join(map(str, folders))} without those that are left out")
    return paths


def load_squares(
    paths: Sequence[Path], folders: Sequence[Path], side: int, cache: Path, report: Report = lambda *_: None
) -> Squares:
    """Returns the middles of pictures, from the cache if it holds these.

    The pixels stay in the file: the system reads those that are used, and can drop them from memory again.

    Args:
        paths: the pictures. Those that cannot be read, or are smaller than three fifths of `side`, are skipped.
        folders: below which they are.
        side: of the squares, in pixels.
        cache: where the file is, without its ending; the fingerprint becomes a part of its name.
        report: gets the number of pictures that are read.

    Raises:
        PictureError: none can be used.
    """
    found = fingerprint(folders, paths)
    file = cache.with_name(f"{cache.name}-{side}-{found[:16]}.rgb")
    lines = file.with_suffix(".skipped.txt")
    if not file.exists():
        _write_squares(paths, side, file, lines, report)
    skipped = lines.read_text().splitlines()
    count = file.stat().st_size // (3 * side * side)
    if not count:
        raise PictureError(f"no usable picture in {', '.join(map(str, folders))}: {skipped[0]}")
    # mapped copy-on-write, since torch wants memory that could be written to
    pixels = np.memmap(file, np.uint8, "c", shape=(count, 3, side, side))
    return Squares(torch.from_numpy(pixels), found, tuple(skipped))


def _write_squares(paths: Sequence[Path], side: int, file: Path, lines: Path, report: Report) -> None:
    """Writes the squares one after the other, and into `lines` why pictures were skipped."""
    file.parent.mkdir(parents=True, exist_ok=True)
    skipped: list[str] = []
    with atomic_path(file) as partial:
        with partial.open("wb") as squares:
            for done, path in enumerate(paths):
                if done:
                    report(done, done / len(paths), {})
                try:
                    squares.write(_square(path, side).transpose(2, 0, 1).tobytes())
                except PictureError as exc:
                    skipped.append(str(exc))
        write_atomically(lines, "".join(f"{line}\n" for line in skipped).encode())


def _square(path: Path, side: int) -> NDArray[np.uint8]:
    picture = read_picture(path)
    smallest = side * 3 // 5
    if min(picture.shape[:2]) < smallest:
        size = f"{picture.shape[1]} x {picture.shape[0]}"
        raise PictureError(f"{path} is {size}; expected {smallest} pixels a side and more (see --crop)")
    return centre_square(picture, side)
