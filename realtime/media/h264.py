"""What H.264 says about frames that are missing: each picture has the number of the last one that it builds on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Types of NAL units (ITU-T H.264, table 7-1), and profiles whose parameter sets begin with the format of their colours.
_SLICE, _IDR_SLICE, _SEQUENCE = 1, 5, 7
_COLOR_PROFILES = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
_START = re.compile(re.escape(b"\0\0\1"))
# Of a unit, so much is looked at: a slice's number is among its first bits.
_LOOKED_AT = 256


@dataclass(frozen=True)
class _Sequence:
    """What a sequence parameter set says about the numbers of frames.

    Args:
        bits: of a number.
        planes_apart: whether a slice says which plane of colour it is of.
        gaps_allowed: whether numbers may be missing on purpose.
    """

    bits: int
    planes_apart: bool
    gaps_allowed: bool


class FrameNumbers:
    """Follows the numbers of an H.264 stream in NAL units with start codes, as RTP and MPEG-TS have it.

    Args:
        headers: what the stream says about itself before its first packet.
    """

    def __init__(self, headers: bytes = b"") -> None:
        self._sequence: _Sequence | None = None
        self._last: int | None = None
        self.is_gap(headers)

    def is_gap(self, packet: bytes) -> bool:
        """Returns whether a frame that others build on is missing before the one in a packet.

        Args:
            packet: the units of one frame.
        """
        gap = False
        for unit in _units(packet):
            kind, reference = unit[0] & 31, bool(unit[0] & 96)
            if kind == _SEQUENCE:
                self._sequence = _read_sequence(unit)
            if kind not in (_SLICE, _IDR_SLICE) or self._sequence is None:
                continue
            number, last = _frame_number(unit, self._sequence), self._last
            following = None if last is None else (last + 1) % (1 << self._sequence.bits)
            if kind == _SLICE and last is not None and number not in (last, following):
                gap = gap or not self._sequence.gaps_allowed
            if reference or kind == _IDR_SLICE:
                self._last = number
        return gap


def _units(packet: bytes) -> Iterator[bytes]:
    """Yields the beginning of each NAL unit."""
    for start in _START.finditer(packet):
        unit = packet[start.end() : start.end() + _LOOKED_AT]
        if len(unit) > 1:
            # three bytes in a row that would look like a start code are told apart by a further one
            yield unit.replace(b"\0\0\3", b"\0\0")


class _Bits:
    """Reads bits, and zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte, bit = divmod(self._at, 8)
            value = value << 1 | (self._data[byte] >> (7 - bit) & 1 if byte < len(self._data) else 0)
            self._at += 1
        return value

    def code(self) -> int:
        """Returns an Exp-Golomb code."""
        zeros = 0
        while zeros < 32 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_code(self) -> int:
        code = self.code()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def _frame_number(unit: bytes, sequence: _Sequence) -> int:
    bits = _Bits(unit[1:])
    for _ in ("first macroblock", "kind of slice", "picture parameter set"):
        bits.code()
    bits.take(2 if sequence.planes_apart else 0)
    return bits.take(sequence.bits)


def _read_sequence(unit: bytes) -> _Sequence:
    bits = _Bits(unit[1:])
    profile = bits.take(8)
    bits.take(16)
    bits.code()
    planes_apart = False
    if profile in _COLOR_PROFILES:
        color_format = bits.code()
        planes_apart = color_format == 3 and bool(bits.take(1))
        bits.code()
        bits.code()
        bits.take(1)
        if bits.take(1):
            _skip_scaling(bits, 12 if color_format == 3 else 8)
    number_bits = bits.code() + 4
    order = bits.code()
    if order == 0:
        bits.code()
    elif order == 1:
        bits.take(1)
        bits.code()
        bits.code()
        for _ in range(min(bits.code(), 255)):
            bits.code()
    bits.code()
    return _Sequence(min(number_bits, 16), planes_apart, bool(bits.take(1)))


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for index in range(lists):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.signed_code() + 256) % 256
            last = following or last
