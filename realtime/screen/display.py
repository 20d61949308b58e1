"""What a show puts on the screen: the painting or the compare view, with the HUD over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from realtime.frames import Pixels
from realtime.screen.compare import compared
from realtime.screen.hud import Readings, draw_hud
from realtime.screen.thumbnails import Thumbnails
from realtime.session import Session, move_split, press
from realtime.stylize.pipeline import PaintedFrame
from realtime.stylize.styles import LoadedStyle

_MOST_THUMBNAILS = 9


class Display(Protocol):
    """Shows pictures and hands on keys and mouse; `realtime.screen.window.Window` is one."""

    def show(self, pixels: Pixels) -> None: ...

    def keys(self, wait_ms: int = 1) -> str: ...

    def pointed_at(self) -> float | None:
        """Where the mouse was pressed or dragged to since the last call, a share of the picture's width."""

    def fill_screen(self, on: bool) -> None:
        """Makes the window as large as the screen, or as large as it was."""


class Screen:
    """A display with what is drawn over the pictures. thumbnails: None for a HUD without any."""

    def __init__(self, display: Display, thumbnails: Thumbnails | None = None) -> None:
        self._display, self._thumbnails = display, thumbnails
        self._full = False

    def show(self, shown: PaintedFrame, session: Session, readings: Readings) -> None:
        """Draws a frame and its painting as the session asks for."""
        if session.fullscreen != self._full:
            self._full = session.fullscreen
            self._display.fill_screen(self._full)
        view = compared(session.view, session.split, shown.frame.pixels, shown.pixels)
        self._display.show(draw_hud(view, session, readings))

    def illustrated(
        self, readings: Readings, session: Session, painting: LoadedStyle, all_of_them: Sequence[LoadedStyle]
    ) -> Readings:
        """Returns the readings with the thumbnails that are wanted and painted by now."""
        if self._thumbnails is None or session.hud != "full":
            return replace(readings, thumbnail=None, thumbnails=())
        thumbnail = self._thumbnails.of(painting)
        if not session.help:
            return replace(readings, thumbnail=thumbnail, thumbnails=())
        named = [(f"{place + 1} {each.name}", self._thumbnails.of(each)) for place, each in enumerate(all_of_them)]
        there = tuple((name, small) for name, small in named[:_MOST_THUMBNAILS] if small is not None)
        return replace(readings, thumbnail=thumbnail, thumbnails=there)

    def attend(self, session: Session, wait_ms: int) -> Session:
        """Returns the session after what was typed, and where the mouse was dragged to, within the time."""
        # a closed window answers ESC for ever
        while not session.quitting and (character := self._display.keys(wait_ms)):
            session = press(session, character)
            wait_ms = 1
        share = self._display.pointed_at()
        return session if share is None else move_split(session, share)
