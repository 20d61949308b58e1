"""Packets of pictures and sound, some of which are damaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av.error


def decode_packet(packet: Any) -> Sequence[Any]:
    """Returns the pictures or sound in a packet; nothing where it is damaged, as where a network has lost a part."""
    try:
        decoded: Sequence[Any] = packet.decode()
    except av.error.FFmpegError:
        return ()
    return decoded
