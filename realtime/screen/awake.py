"""Keeps the computer awake and its screen on while people watch a show, and no longer."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

_WHO, _WHY = "nst-live", "a show is on"
_ANSWER_TIMEOUT_S = 2.0
# Of Windows: until further notice, for the system, for the display.
_CONTINUOUS, _SYSTEM, _DISPLAY = 0x80000000, 0x1, 0x2
# Of GNOME's session: suspending, and being idle.
_SUSPEND_OR_IDLE = 4 | 8
# The services of desktops that keep a screen on: interface, path, types of the arguments, arguments.
_SERVICES: tuple[tuple[str, str, str, tuple[Any, ...]], ...] = (
    ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "ss", (_WHO, _WHY)),
    ("org.gnome.SessionManager", "/org/gnome/SessionManager", "susu", (_WHO, 0, _WHY, _SUSPEND_OR_IDLE)),
    ("org.freedesktop.PowerManagement.Inhibit", "/org/freedesktop/PowerManagement/Inhibit", "ss", (_WHO, _WHY)),
)


class Awake:
    """Keeps the computer awake between `on` and `off`. A context manager, which is off on leaving.

    If the process dies in between, the system lets the computer sleep again by itself.

    `unavailable_reason`: why it cannot be kept awake, "" if it can or nobody has asked for it.
    """

    def __init__(self) -> None:
        self._held: ExitStack | None = None
        self.unavailable_reason = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.off()

    def on(self) -> None:
        """Keeps it awake; if it is kept awake already, nothing happens."""
        if self._held is not None:
            return
        self._held = ExitStack()
        try:
            self._held.enter_context(_hold_here()())
        except OSError as exc:
            self.unavailable_reason = str(exc)

    def off(self) -> None:
        """Lets it sleep."""
        held, self._held = self._held, None
        if held is not None:
            held.close()


def _hold_here() -> Callable[[], Any]:
    """Returns what keeps this system awake: a context manager, which raises OSError if it cannot."""
    return {"win32": _hold_windows, "darwin": _hold_macos}.get(sys.platform, _hold_desktop)


@contextmanager
def _hold_windows() -> Iterator[None]:
    # it belongs to the thread, and ends with it
    set_state = _windows_function()
    set_state(_CONTINUOUS | _SYSTEM | _DISPLAY)
    try:
        yield
    finally:
        set_state(_CONTINUOUS)


def _windows_function() -> Any:
    return ctypes.windll.kernel32.SetThreadExecutionState  # type: ignore[attr-defined]


@contextmanager
def _hold_macos() -> Iterator[None]:
    # -w: it ends with our process, however that ends
    command = ["caffeinate", "-d", "-i", "-w", str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as program:
        try:
            yield
        finally:
            program.terminate()


@contextmanager
def _hold_desktop() -> Iterator[None]:
    """Asks the desktop over D-Bus; what it promises ends with the connection."""
    try:
        from jeepney.io.blocking import open_dbus_connection
    except ImportError as exc:
        raise OSError("the package jeepney is missing") from exc
    try:
        connection = open_dbus_connection("SESSION")
    except (OSError, KeyError, ValueError, IndexError) as exc:
        raise OSError("no desktop answers on D-Bus") from exc
    with connection:
        if not [service for service in _SERVICES if _promises(connection, *service)]:
            raise OSError("this desktop has no service for it")
        yield


def _promises(connection: Any, interface: str, path: str, types: str, arguments: tuple[Any, ...]) -> bool:
    """Returns whether a service promises to keep the screen on."""
    from jeepney import DBusAddress, MessageFlag, MessageType, new_method_call

    address = DBusAddress(path, interface.removesuffix(".Inhibit"), interface)
    call = new_method_call(address, "Inhibit", types, arguments)
    # one that does not run has no screen to care for
    call.header.flags |= MessageFlag.no_auto_start
    try:
        answer = connection.send_and_get_reply(call, timeout=_ANSWER_TIMEOUT_S)
    except TimeoutError:
        return False
    return bool(answer.header.message_type is MessageType.method_return)
