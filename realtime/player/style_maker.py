"""Styles made while a show goes on: what the camera sees becomes a picture among the user's own styles."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import ExifTags, Image

from realtime.frames import Pixels
from realtime.media.photo import Photo, write_photo
from realtime.player.controls import Controls
from realtime.queues import background_worker
from realtime.screen.viewfinder import viewfinder_box
from realtime.session import COUNTDOWN_S, Session
from realtime.sinks.recorder import unused_path
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import PaintedFrame

# How the files are called, by the time at which they were made.
_STEM = "camera-%Y%m%d-%H%M%S"
_NAME = re.compile(r"camera-\d{8}-\d{6}(-\d+)?\.jpg")
# What their EXIF data say, and those of other pictures do not.
_SOFTWARE = "nst-live, a style made of what the camera saw"
# For how long the picture that was taken is shown.
_SHOWN_S = 2.0
# A style that is older is removed only when that is asked for twice within a few seconds.
_YOUNG_S, _TWICE_WITHIN_S = 60.0, 5.0


class StyleMaker:
    """Makes styles and takes them back. A context manager: leaving it waits for a file that is being written.

    Args:
        folder: the user's own styles; made when the first file is saved.
        load: returns a picture of that folder as a style; raises if no picture can be one.
        warm_up: prepares for looking at a picture, in the background, while the countdown runs.
    """

    def __init__(
        self, folder: Path, load: Callable[[Path], LoadedStyle], warm_up: Callable[[], None] = lambda: None
    ) -> None:
        self._folder, self._load, self._warm_up = folder, load, warm_up
        self._background = background_worker()
        self._saving: Future[Path] | None = None
        self._taken: tuple[Pixels, float] | None = None
        self._asked: tuple[Path, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.shutdown()

    @property
    def taken(self) -> Pixels | None:
        """The picture that was taken a moment ago, H x W x 3 uint8 RGB, to be shown; None if that is long ago."""
        if self._taken is None or time.monotonic() > self._taken[1]:
            return None
        return self._taken[0]

    def toggle_countdown(self, session: Session) -> Session:
        """Returns the session with the countdown begun, or ended if it runs already."""
        if session.countdown_until_s is not None:
            return replace(session, countdown_until_s=None).with_notice("no picture is taken")
        try:
            # whether there is an encoder for the net is known before there is a picture
            self._load(self._folder)
        except Exception as exc:  # whatever is wrong with the encoder: the show goes on
            return session.with_notice(f"no style can be made: {exc}")
        # if this fails, so does looking at the picture, which says why
        self._background.submit(self._warm_up)
        return replace(session, countdown_until_s=time.monotonic() + COUNTDOWN_S)

    def attend(self, controls: Controls, shown: PaintedFrame | None) -> None:
        """Takes the picture when the countdown is over, and changes to its style when it is saved.

        Args:
            controls: of the show.
            shown: the frame that is on the screen; None if there was none yet.
        """
        session = controls.session
        due_s = session.countdown_until_s
        if due_s is not None and shown is not None and time.monotonic() >= due_s and self._saving is None:
            pixels = taken_pixels(shown.frame.pixels, session)
            self._taken = pixels, time.monotonic() + _SHOWN_S
            self._saving = self._background.submit(self._save, pixels)
            controls.session = replace(session, countdown_until_s=None, framing=False)
        if self._saving is not None and self._saving.done():
            saving, self._saving = self._saving, None
            try:
                style = self._load(saving.result())
            except Exception as exc:  # a full disk, a folder that is only to be read: the show goes on
                controls.notify(f"no style was made: {exc}")
            else:
                controls.session = controls.styles.add(controls.session, style)

    def take_back(self, controls: Controls) -> str:
        """Removes the style that was made last; returns a message for the screen."""
        newest, session = self._newest(), controls.session
        if newest is None:
            return f"no style was made with {session.key('make_style', 'k')}"
        age_s, now_s = time.time() - newest.stat().st_mtime, time.monotonic()
        asked, self._asked = self._asked, (newest, now_s)
        is_second = asked is not None and asked[0] == newest and now_s - asked[1] < _TWICE_WITHIN_S
        if age_s > _YOUNG_S and not is_second:
            key = session.key("take_back_style", "z")
            return f"{key} again removes {newest.stem}, which was made {_age(age_s)} ago"
        try:
            newest.unlink()
            for refined in self._folder.glob(f"*/{newest.stem}.safetensors"):
                refined.unlink()
        except OSError as exc:
            return f"cannot remove {newest}: {exc.strerror or exc}"
        controls.session = controls.styles.remove(controls.session, newest.stem)
        return f"removed {newest.stem}"

    def _newest(self) -> Path | None:
        """Returns the style that was made last; somebody's photograph of such a name is none."""
        named = [path for path in self._folder.glob("camera-*.jpg") if _NAME.fullmatch(path.name) and path.is_file()]
        by_age = sorted(named, key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
        return next(filter(_was_made_here, by_age), None)

    def _save(self, pixels: Pixels) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = unused_path(self._folder, time.strftime(_STEM), ".jpg")
        mark = Image.Exif()
        mark[ExifTags.Base.Software] = _SOFTWARE
        write_photo(path, Photo(pixels, exif=mark.tobytes()))
        return path


def taken_pixels(frame: Pixels, session: Session) -> Pixels:
    """Returns what a style is made of: the frame as the camera saw it, or what lies inside the viewfinder.

    Args:
        frame: as it is shown, H x W x 3 uint8 RGB.
        session: says whether it is mirrored, and whether there is a viewfinder.
    """
    if session.framing:
        left, top, right, bottom = viewfinder_box((frame.shape[1], frame.shape[0]))
        frame = frame[top:bottom, left:right]
    return np.ascontiguousarray(frame[:, ::-1] if session.mirrored else frame)


def _was_made_here(path: Path) -> bool:
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return image.getexif().get(ExifTags.Base.Software) == _SOFTWARE
    except (OSError, ValueError, SyntaxError):
        return False


def _age(seconds: float) -> str:
    for unit, length_s in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return "a minute"
