"""What a show puts on the screen: the painting or the compare view, with the HUD over it; and what is typed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from realtime.frames import Pixels
from realtime.screen.compare import compared
from realtime.screen.hud import Code, Readings, draw_hud
from realtime.screen.thumbnails import Thumbnails
from realtime.screen.viewfinder import with_viewfinder
from realtime.session import ESCAPE, Session
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import PaintedFrame

_MOST_THUMBNAILS = 9


class Display(Protocol):
    """Shows pixels and passes on keys and mouse; `realtime.screen.window.Window` is one."""

    def show(self, pixels: Pixels) -> None:
        """Shows H x W x 3 uint8 RGB."""

    def keys(self, wait_ms: int = 1) -> str:
        """Returns a character typed within the time, '' for none."""

    def pointed_at(self) -> float | None:
        """Returns where the mouse was pressed or dragged to since the last call, a share of the width in 0..1."""

    def fill_screen(self, on: bool) -> None:
        """Makes the window as large as the screen, or as large as it was."""


class Codes(Protocol):
    """QR codes that lead to a page."""

    @property
    def link(self) -> str:
        """The address of the page, as it may be shown."""

    @property
    def page(self) -> Pixels | None:
        """The code of the page, H x H x 3 uint8 RGB; None if no phone reaches it."""

    def of_capture(self, name: str) -> Pixels | None:
        """Returns the code by which anybody fetches a file that was saved; None if no phone reaches it."""


class Screen:
    """A display and what is drawn over the frames.

    Args:
        display: opened and closed by the caller.
        thumbnails: None for a HUD without any; closed by the caller.

    `codes`: the QR codes of the page of controls, None without one.
    """

    def __init__(self, display: Display, thumbnails: Thumbnails | None = None) -> None:
        self._display, self._thumbnails = display, thumbnails
        self.codes: Codes | None = None
        self._full = False

    def show(
        self,
        painted: PaintedFrame,
        session: Session,
        readings: Readings,
        style: LoadedStyle,
        styles: Sequence[LoadedStyle],
    ) -> None:
        """Draws a frame and its painting as the session asks for.

        Args:
            painted: the frame that is shown.
            session: says what is drawn over it.
            readings: what the HUD says; the thumbnails are added here.
            style: what is painted with.
            styles: all of them, in the order of their numbers.
        """
        if session.fullscreen != self._full:
            self._full = session.fullscreen
            self._display.fill_screen(self._full)
        photo, pixels = painted.frame.pixels, painted.pixels
        if session.framing:
            pixels = with_viewfinder(pixels, photo)
        readings = replace(readings, code=self._code(session, readings.snapshot))
        view = compared(session.view, session.split, photo, pixels)
        self._display.show(draw_hud(view, session, self._illustrated(readings, session, style, styles)))

    def typed(self, wait_ms: int) -> Iterator[str]:
        """Yields the characters typed; the first one may take `wait_ms`."""
        while character := self._display.keys(wait_ms):
            yield character
            if character == ESCAPE:
                return  # a window that was closed answers ESC for ever
            wait_ms = 1

    def pointed_at(self) -> float | None:
        """Returns where the mouse was dragged to, a share of the width in 0..1; None if it was not."""
        return self._display.pointed_at()

    def _code(self, session: Session, snapshot: str) -> Code | None:
        """Returns the QR code that is asked for, or that leads to the snapshot that was just taken."""
        if snapshot and self.codes is not None and (pixels := self.codes.of_capture(snapshot)) is not None:
            return Code(pixels, "scan it to fetch the picture")
        if not session.link:
            return None
        if self.codes is None:
            return Code(None, "there is no page of controls; start with --control 0.0.0.0")
        return Code(self.codes.page, self.codes.link)

    def _illustrated(
        self, readings: Readings, session: Session, style: LoadedStyle, styles: Sequence[LoadedStyle]
    ) -> Readings:
        """Returns the readings with the thumbnails that are shown and painted by now."""
        if self._thumbnails is None or session.hud != "full":
            return readings
        thumbnail = self._thumbnails.of(style)
        if not session.help:
            return replace(readings, thumbnail=thumbnail)
        # only of those that are shown: each one takes a painting, and the look at a picture
        first = enumerate(styles[:_MOST_THUMBNAILS], start=1)
        named = [(f"{number} {each.name}", self._thumbnails.of(each)) for number, each in first]
        ready = tuple((name, small) for name, small in named if small is not None)
        return replace(readings, thumbnail=thumbnail, thumbnails=ready)
