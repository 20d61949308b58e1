"""The window on the screen, through OpenCV: shows frames and passes on what is typed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import cv2

from realtime.frames import Pixels
from realtime.screen.awake import Awake
from realtime.screen.keyboard import typed_character
from realtime.session import ESCAPE

TITLE = "nst-live"


def no_screen_reason(environment: Mapping[str, str]) -> str | None:
    """Returns why no window can be opened here, None if one can; Qt itself would end the whole process.

    Args:
        environment: the variables of the process, of which DISPLAY names the screen.
    """
    if not sys.platform.startswith("linux"):
        return None
    display = environment.get("DISPLAY", "")
    if not display:
        wayland = ", and OpenCV's windows need X11, e.g. Xwayland" if environment.get("WAYLAND_DISPLAY") else ""
        return f"no screen (DISPLAY is not set{wayland})"
    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        # OpenCV's wheel has one of its own, which cannot be asked
        return None
    x11.XOpenDisplay.restype, x11.XCloseDisplay.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    connection = x11.XOpenDisplay(display.encode())
    if not connection:
        return f"no screen (nothing answers at DISPLAY {display}, or access is denied)"
    x11.XCloseDisplay(connection)
    return None


def _share_x11() -> None:
    """Has Qt use the X11 library's own half of libX11-xcb.

    OpenCV's wheel has an old one, which does not know the private structures of the system's newer libX11: Qt then
    shares its event queue with Xlib without knowing it, and if it misses the event that maps its window, the window
    stays black. A library that is already loaded globally is preferred to the wheel's.
    """
    # if it is not installed, nothing is worse than before
    with contextlib.suppress(OSError):
        ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)


def is_minimized(title: str) -> bool:
    """Returns whether a window is in the dock or the task bar, which OpenCV does not tell from closed on macOS.

    Args:
        title: of the window.
    """
    if sys.platform == "win32":
        user32 = ctypes.windll.user32
        return bool(user32.IsIconic(user32.FindWindowW(None, title)))
    if sys.platform == "darwin":
        try:
            from AppKit import NSApp
        except ImportError:  # it comes with what lists cameras
            return False
        return any(window.title() == title and window.isMiniaturized() for window in NSApp.windows())
    return False  # Qt takes a minimized window for visible


class Window:
    """A resizable window. A context manager.

    Args:
        size: width and height in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        if sys.platform.startswith("linux"):
            _share_x11()
        # Qt warns about fonts that it does not need here
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        self._size, self._full = size, False
        self._awake = Awake()
        self._width = size[0]
        self._pointed_at: float | None = None
        self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._awake.off()
        if not self.closed:
            cv2.destroyWindow(TITLE)

    def show(self, pixels: Pixels) -> None:
        """Draws H x W x 3 uint8 RGB; if the window was closed and that ended nothing, it opens again as it was."""
        if self.closed:
            self._open()
        cv2.imshow(TITLE, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        self._shown, self._width = True, pixels.shape[1]

    def keys(self, wait_ms: int = 1) -> str:
        """Returns a character typed within the time, '' for none; closing the window counts as ESC.

        A letter of another layout is the Latin one on its key, or UNREADABLE.
        """
        code = cv2.waitKeyEx(wait_ms)
        if self.closed:
            return ESCAPE
        return typed_character(code)

    def pointed_at(self) -> float | None:
        """Returns where the mouse was pressed or dragged to since the last call, a share of the width, or None."""
        share, self._pointed_at = self._pointed_at, None
        return share

    def fill_screen(self, on: bool) -> None:
        """Makes the window as large as the screen, which then stays on, or as large as it was."""
        (self._awake.on if on else self._awake.off)()
        self._full = on
        self._fit()

    def _open(self) -> None:
        # GUI_NORMAL: without Qt's own tool bar and its own meaning for keys
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, *self._size)
        cv2.setMouseCallback(TITLE, self._on_mouse)
        self._shown = self._was_visible = False
        if self._full:
            self._fit()

    def _fit(self) -> None:
        mode = cv2.WINDOW_FULLSCREEN if self._full else cv2.WINDOW_NORMAL
        cv2.setWindowProperty(TITLE, cv2.WND_PROP_FULLSCREEN, mode)

    def _on_mouse(self, _event: int, x: int, _y: int, flags: int, _context: object) -> None:
        if flags & cv2.EVENT_FLAG_LBUTTON:
            self._pointed_at = min(1.0, max(0.0, x / self._width))

    @property
    def closed(self) -> bool:
        """Whether the window was closed by its frame's button.

        One that is only minimized is not, nor one whose toolkit never knows whether it is visible.
        """
        if not self._shown:
            return False
        try:
            visible = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # OpenCV raises if the window is gone
            return True
        self._was_visible = self._was_visible or visible
        return self._was_visible and not visible and not is_minimized(TITLE)
