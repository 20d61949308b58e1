"""What a text that names a source means in mid-show, where cameras and files come through one door."""

from __future__ import annotations

from pathlib import Path

from realtime.app.jobs import use_of
from realtime.app.options.table import Use
from realtime.media.decoding import SourceError
from realtime.media.image_sequence import is_image_sequence
from realtime.media.pipe import STDIN, is_piped
from realtime.sources.open import is_file
from styles.support.errors import UsageError


def is_camera(text: str) -> bool:
    """Returns whether a text names a camera: it is no address, and there is no such file."""
    path = Path(text)
    return is_file(text) and not (path.exists() or is_image_sequence(path))


def check_playable_in_mid_show(text: str) -> None:
    """Raises if what a text names cannot be played in mid-show.

    Args:
        text: a camera, a file or an address.

    Raises:
        SourceError: it can only be a file, and there is none.
        UsageError: it is a folder, a pipe or a photograph.
    """
    path = Path(text)
    if text == str(STDIN) or path.is_dir() or (is_file(text) and is_piped(path)):
        raise UsageError(f"{text!r} cannot be played in mid-show; expected a camera, a video file or an address")
    if is_camera(text):
        if path.suffix and len(path.parts) > 1 and not str(path).startswith("/dev/"):
            raise SourceError(f"no file {text}")
    elif use_of([text], None) is Use.PHOTO:
        raise UsageError(f"{text!r} is a photograph; expected a camera, a video file or an address")
