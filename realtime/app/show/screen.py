"""The window of a show, its thumbnails, and what keeps the computer awake."""

from __future__ import annotations

from contextlib import ExitStack

from realtime.app.show.parts import ShowParts
from realtime.backends import load_backend
from realtime.screen.awake import Awake
from realtime.screen.display import Screen
from realtime.screen.thumbnails import PAINTED_SIZE, Thumbnails
from realtime.screen.window import Window
from realtime.sources.scene import Scene
from styles.support.terminal import print_line


def open_screen(show: ShowParts, thumbnails: Thumbnails | None, stack: ExitStack) -> Screen | None:
    """Opens the window; returns None if frames do not go into one."""
    if not show.target.watched:
        return None
    return Screen(stack.enter_context(Window(show.source.size)), thumbnails)


def open_thumbnails(show: ShowParts, stack: ExitStack) -> Thumbnails | None:
    """Returns the thumbnails for the HUD and for pages; None if there is neither."""
    if not show.is_watched:
        return None
    backend = show.net.stylizer.backend
    # engines are built for one size, and thumbnails have another
    painter = load_backend("openvino") if backend.name == "tensorrt" else backend
    return stack.enter_context(Thumbnails(painter, lambda: Scene(*PAINTED_SIZE).draw(0)))


def keep_awake(show: ShowParts, awake: Awake) -> None:
    """Keeps the computer awake while it is on air; a window does so itself in full screen."""
    if show.options.on_air.is_on_air:
        awake.on()
    if awake.unavailable_reason and show.target.watched:
        print_line(f"the screen may go dark during the show: {awake.unavailable_reason}")
