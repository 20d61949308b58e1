"""Styles made while a show goes on of pictures that come from elsewhere, e.g. from the page in a browser."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from realtime.media.encoders import OutputError
from realtime.media.photo import (
    HEIF_SUFFIXES,
    Photo,
    PhotoError,
    laid_on_white,
    photo_size,
    read_photo,
    resized,
    write_photo,
)
from realtime.player.controls import Controls
from realtime.queues import one_at_a_time
from realtime.session import Session
from realtime.sinks.recorder import unused_path
from realtime.stylize.loaded_style import LoadedStyle

# What is larger takes seconds and gigabytes to decode; a style needs no more than the longest side.
_MOST_PIXELS = 60_000_000
_LONGEST_SIDE = 2048
_LONGEST_NAME = 40
_FALLBACK_NAME = "picture"


class UploadError(ValueError):
    """A picture cannot become a style."""


class StyleUploads:
    """Makes styles of pictures.

    Args:
        folder: the user's own styles, the only one that is written into; made when the first picture is saved.
        load: returns a picture of that folder as a style; raises if no picture can be one.
        controls: of the show.
    """

    def __init__(self, folder: Path, load: Callable[[Path], LoadedStyle], controls: Controls) -> None:
        self._folder, self._load, self._controls = folder, load, controls
        self._adding = one_at_a_time()

    def add(self, name: str, data: bytes) -> str:
        """Saves a picture as a style, and has the show change to it; returns the name of the style.

        What is saved is a JPEG of its pixels alone: nothing of the file's own data, e.g. where it was taken.

        Args:
            name: of the file, of which at most letters and digits are kept.
            data: the picture, in any format that files can have.

        Raises:
            UploadError: it is not a picture, is too large, or cannot be saved.
        """
        with self._adding:
            try:
                photo = _read(data, Path(name).suffix.lower())
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._unused_path(_stem(name))
                write_photo(path, photo)
            except (OSError, OutputError) as exc:
                raise UploadError(f"the picture cannot be saved: {getattr(exc, 'strerror', None) or exc}") from exc
            try:
                style = self._load(path)
            except Exception as exc:  # whatever is wrong with the encoder: the show goes on
                path.unlink(missing_ok=True)
                raise UploadError(f"no style can be made of it: {exc}") from exc
        controls = self._controls

        def change(session: Session) -> Session:
            return controls.styles.add(session, style)

        controls.send(change)
        return style.name

    def _unused_path(self, stem: str) -> Path:
        """Returns where to save a picture: no file and no style of the show is called so."""
        taken, number, path = self._controls.session.style_names, 1, unused_path(self._folder, stem, ".jpg")
        while path.stem in taken:
            number += 1
            path = unused_path(self._folder, f"{stem}-{number}", ".jpg")
        return path


def _read(data: bytes, suffix: str) -> Photo:
    """Returns a picture without its own data, opaque, and no larger than a style needs. Raises UploadError.

    Args:
        data: the file.
        suffix: of its name.
    """
    with tempfile.TemporaryDirectory(prefix="nst-live-") as folder:
        # of all suffixes only these matter: what else it is, its bytes say
        path = Path(folder) / f"picture{suffix if suffix in HEIF_SUFFIXES else ''}"
        path.write_bytes(data)
        try:
            width, height = photo_size(path)
            if width * height > _MOST_PIXELS:
                raise UploadError(f"the picture is too large ({width}x{height}); expected at most 60 megapixels")
            photo = laid_on_white(read_photo(path, _LONGEST_SIDE))
        except PhotoError as exc:
            raise UploadError(f"that is not a picture that can be read: {str(exc).replace(str(path), 'it')}") from exc
    height, width = photo.pixels.shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    size = (max(1, math.floor(width * scale)), max(1, math.floor(height * scale)))
    return Photo(resized(photo, size).pixels if scale < 1 else photo.pixels)


def _stem(name: str) -> str:
    """Returns what a file may be called: the letters and digits of the name before its suffix."""
    stem = Path(name.replace("\\", "/")).name.rpartition(".")[0] or name
    words = re.findall(r"[^\W_]+", stem)
    return "-".join(words)[:_LONGEST_NAME].strip("-").lower() or _FALLBACK_NAME
