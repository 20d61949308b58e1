"""STUN and TURN servers, by which browsers beyond the own network are reached. None is asked unless it is named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_STUN = re.compile(r"stun:([\w.-]+)(?::(\d{1,5}))?", re.ASCII)
_TURN = re.compile(r"turn:([^:@\s]+):([^@\s]+)@([\w.-]+)(?::(\d{1,5}))?", re.ASCII)
# What both listen at if nothing else is said (RFC 8489, RFC 8656).
_PORT = 3478


class IceServerError(ValueError):
    """A text does not name a server."""


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server.

    Args:
        url: its address, e.g. stun:stun.example.org:3478.
        user: of a TURN server, like `password`; "" for none.
    """

    url: str
    user: str = ""
    password: str = ""

    @property
    def for_browsers(self) -> Mapping[str, str]:
        """What a browser's RTCPeerConnection is given."""
        secrets = {"username": self.user, "credential": self.password} if self.user else {}
        return {"urls": self.url, **secrets}


def ice_server_of(text: str) -> IceServer:
    """Returns the server of "stun:HOST:PORT" or "turn:USER:PASSWORD@HOST:PORT"; the port may be left out.

    Raises:
        IceServerError: it is neither; the text is not repeated, since it may hold a password.
    """
    if found := _STUN.fullmatch(text):
        return IceServer(f"stun:{found[1]}:{found[2] or _PORT}")
    if found := _TURN.fullmatch(text):
        return IceServer(f"turn:{found[3]}:{found[4] or _PORT}", found[1], found[2])
    raise IceServerError("that is not a server; expected e.g. stun:stun.example.org or turn:USER:PASSWORD@HOST:3478")
