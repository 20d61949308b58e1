"""OSC over UDP: messages change the show, and whoever sends some hears of every change."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from pythonosc.osc_message_builder import build_msg
from pythonosc.osc_packet import OscPacket

from realtime.player.controls import Controls
from realtime.queues import LEAVE_TIMEOUT_S, BusyError
from realtime.remote.address import Address
from realtime.remote.errors import ControlServerError
from realtime.remote.osc_addresses import ERROR, STATE, Argument, asked_for, messages_of
from realtime.session import ACTIONS, CONTROLS, ControlError, values_in

_LARGEST_PACKET, _MOST_MESSAGES = 4096, 100
# The share of a processor that reading may take; what comes faster waits in the system, which drops it.
_SHARE, _BURST_S, _PAUSE_S = 0.05, 0.02, 0.02
# Who hears of changes: so many of those who sent last, for so long after their last message, and so often.
_MOST_LISTENERS, _LISTENS_S, _SHORTEST_PAUSE_S = 8, 600.0, 1 / 30
_SHORTEST_PAUSE_OF_ERRORS_S = 0.2

# Host and port, of IPv6 also flow and scope.
_Sender = tuple[Any, ...]


class OscServer:
    """Listens to OSC, in threads of its own. A context manager.

    Malformed messages change nothing, and their senders get one line at ERROR. What is said of a kiosk's keys holds
    here too, since OSC has no passwords.

    Args:
        controls: of the show.
        address: where to listen; port 0 for any that is free.

    `address` is where it listens.

    Raises:
        ControlServerError: that address cannot be opened.
    """

    def __init__(self, controls: Controls, address: Address) -> None:
        self._controls = controls
        self._socket = _open_socket(address)
        self.address = Address(address.host, self._socket.getsockname()[1])
        self._listeners: OrderedDict[_Sender, float] = OrderedDict()
        self._sent: dict[_Sender, Mapping[str, Argument]] = {}
        self._lock = threading.Lock()
        self._changed, self._leaving = threading.Event(), threading.Event()
        self._stop_observing = controls.observe(self._changed.set)
        self._threads = [
            threading.Thread(target=self._receive, name="OSC", daemon=True),
            threading.Thread(target=self._answer, name="OSC answers", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_observing()
        self._leaving.set()
        self._changed.set()
        for thread in self._threads:
            thread.join(LEAVE_TIMEOUT_S)
        self._socket.close()

    def _receive(self) -> None:
        """Reads packets until leaving, no faster than it is allowed to."""
        left_s, last_s, complained_s = _BURST_S, time.monotonic(), 0.0
        while not self._leaving.is_set():
            now_s = time.monotonic()
            left_s, last_s = min(_BURST_S, left_s + _SHARE * (now_s - last_s)), now_s
            if left_s <= 0:
                self._leaving.wait(_PAUSE_S)
                continue
            try:
                packet, sender = self._socket.recvfrom(_LARGEST_PACKET)
            except OSError:  # nothing came, or a listener is gone, which Windows says here
                continue
            began_s = time.monotonic()
            complaint = self._take(packet, sender)
            if complaint and began_s - complained_s > _SHORTEST_PAUSE_OF_ERRORS_S:
                complained_s = began_s
                self._send(sender, ERROR, complaint)
            left_s -= time.monotonic() - began_s

    def _take(self, packet: bytes, sender: _Sender) -> str:
        """Does what a packet asks for; returns what is wrong with it, "" for nothing."""
        try:
            messages = [timed.message for timed in OscPacket(packet).messages][:_MOST_MESSAGES]
        except Exception:  # whatever the library makes of bytes from outside
            return "not an OSC message"
        with self._lock:
            is_new = sender not in self._listeners
            self._listeners[sender] = time.monotonic()
            self._listeners.move_to_end(sender)
            while len(self._listeners) > _MOST_LISTENERS:
                self._sent.pop(self._listeners.popitem(last=False)[0], None)
            if any(message.address == STATE for message in messages):
                self._sent.pop(sender, None)
                is_new = True
        complaint = ""
        for message in messages:
            if message.address != STATE:
                complaint = self._obey(message.address, message.params) or complaint
        if is_new:
            self._changed.set()
        return complaint

    def _obey(self, address: str, arguments: list[Any]) -> str:
        """Does what a message asks for; returns why not, "" if it is done."""
        controls = self._controls
        try:
            asked = asked_for(address, arguments, controls.session)
            if asked is None:
                return ""
            name, value = asked
            row = CONTROLS.get(name) or ACTIONS[name]
            if controls.is_kiosk and row.locked:
                raise ControlError(f"{name} is locked here")
            if name in ACTIONS:
                controls.ask(name)
            else:
                controls.set(name, value)
        except (ControlError, BusyError) as exc:
            return str(exc)
        return ""

    def _answer(self) -> None:
        """Sends to each listener what has changed since it heard last."""
        while not self._leaving.is_set():
            self._changed.wait()
            self._changed.clear()
            session = self._controls.session
            messages = messages_of(values_in(session), session)
            for listener in self._current_listeners():
                with self._lock:
                    known = self._sent.get(listener, {})
                    if listener in self._listeners:
                        self._sent[listener] = messages
                for address, argument in messages.items():
                    if known.get(address) != argument:
                        self._send(listener, address, argument)
            self._leaving.wait(_SHORTEST_PAUSE_S)

    def _current_listeners(self) -> list[_Sender]:
        now_s = time.monotonic()
        with self._lock:
            for listener, heard_s in list(self._listeners.items()):
                if now_s - heard_s > _LISTENS_S:
                    del self._listeners[listener]
                    self._sent.pop(listener, None)
            return list(self._listeners)

    def _send(self, listener: _Sender, address: str, argument: Argument) -> None:
        with suppress(OSError):  # a listener that is gone, or a full buffer
            self._socket.sendto(build_msg(address, [argument]).dgram, listener)


def _open_socket(address: Address) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.bind(place)
        except OSError:
            opened.close()
            raise
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise ControlServerError(
            f"cannot listen to OSC at {address}: {reason}; expected a free port of this machine, e.g. --osc 9001"
        ) from exc
    opened.settimeout(0.2)
    return opened
