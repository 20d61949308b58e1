"""How large a file is by its own account: one that is smaller was cut off."""

from __future__ import annotations

from pathlib import Path

# MPEG-TS: how long packets are, plain, with a time in front or with error correction, and where this byte is in each.
_SYNC = 0x47
_PACKETS = ((188, 0), (192, 4), (204, 0))
_PACKETS_TRIED = 8
# ASF: the identity of the object with the properties of the file, and where in it the size of the file stands.
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_SIZE_AT = 40
_HEAD_BYTES = 8192


def is_cut_off(path: Path, format_name: str) -> bool:
    """Returns whether a file is shorter than its header says, or ends within a packet; False if it does not say.

    Args:
        path: a regular file.
        format_name: FFmpeg's name of its format.
    """
    stated = _STATED.get(format_name)
    if stated is None:
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    size = path.stat().st_size
    return size < stated(head, size)


def _stated_by_riff(head: bytes, _size: int) -> int:
    """AVI: four letters, then how much follows."""
    return 8 + int.from_bytes(head[4:8], "little")


def _stated_by_asf(head: bytes, size: int) -> int:
    at = head.find(_ASF_PROPERTIES)
    stated = head[at + _ASF_SIZE_AT : at + _ASF_SIZE_AT + 8] if at >= 0 else b""
    return int.from_bytes(stated, "little") if len(stated) == 8 else size


def _whole_packets(head: bytes, size: int) -> int:
    """MPEG-TS: up to the end of the last packet."""
    for length, sync_at in _PACKETS:
        syncs = set(head[sync_at : sync_at + _PACKETS_TRIED * length : length])
        if syncs == {_SYNC}:
            return -(-size // length) * length
    return size


_STATED = {"avi": _stated_by_riff, "asf": _stated_by_asf, "mpegts": _whole_packets}
