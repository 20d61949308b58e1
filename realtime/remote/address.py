"""Where the page of controls is: the address that it is bound to, and the link that leads there."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
CONTROL_PORT = 8765
_HIGHEST_PORT = 65_535
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)


class AddressError(ValueError):
    """A text is not an address."""


@dataclass(frozen=True)
class Address:
    """A host and a port.

    Args:
        host: a name or an IP address, without brackets; "0.0.0.0" and "::" stand for every address of the machine.
        port: 0 for any that is free.
    """

    host: str = LOOPBACK
    port: int = CONTROL_PORT

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine reach it."""
        ip = ip_of(self.host)
        return self.host == "localhost" or (ip is not None and ip.is_loopback)

    @property
    def is_any(self) -> bool:
        """Whether it stands for every address of the machine."""
        ip = ip_of(self.host)
        return ip is not None and ip.is_unspecified

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns a host's IP address if it is written as one, else None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def address_of(text: str, default: Address = Address()) -> Address:
    """Returns the address of "HOST:PORT", "HOST", "PORT" or ":PORT".

    Args:
        text: what was typed; "" for the default.
        default: what is left out is taken from there.

    Raises:
        AddressError: it is not an address, or a file of that name exists.
    """
    if not text:
        return default
    if Path(text).exists() and not text.isdigit():
        hint = "type files before options: nst-live FILE OPTIONS"
        raise AddressError(f"{text!r} is a file; expected HOST:PORT, e.g. {default}; {hint}")
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*))(?::(\d{1,5}))?", text)
    if found is not None:
        host, port = found[1] or found[2], found[3]
        if port is None and host.isdigit():
            host, port = "", host
        host = host or default.host
        valid = ip_of(host) is not None or (_NAME.fullmatch(host) and not re.fullmatch(r"[\d.]+", host))
        if valid and int(port or default.port) <= _HIGHEST_PORT:
            return Address(host, int(port or default.port))
    raise AddressError(f"{text!r} is not an address; expected HOST:PORT, e.g. {default} or 0.0.0.0:{default.port}")


def reachable_host(address: Address) -> str:
    """Returns the host that others type: the machine's own address if it is bound to every one of them."""
    if not address.is_any:
        return address.host
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # of a datagram socket this sends nothing: the system only chooses the interface
            probe.connect(("2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1", 9))
        except OSError:
            return "localhost"
        return str(probe.getsockname()[0])
