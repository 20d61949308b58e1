"""One clock for a file whose own begins again: joined broadcasts, DVDs, streams with advertisements."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from realtime.media.decoding import has_free_clock

# A stream that steps back by more has begun again; what is less is a matter of rounding.
_STEP_BACK_S = Fraction(1, 5)
# A broadcast that leaps ahead of all its streams by more has been joined to another one.
_LEAP_S = 10
# Streams of one part end together only nearly: so much is not worth a gap.
_SLACK_S = Fraction(1, 10)


def clock_of(container: Any) -> ContinuousClock:
    """Returns the clock for the packets of an input container of PyAV; two readers of a file get the same."""
    free = has_free_clock(container)
    ends_s = None if free or not container.duration else Fraction(container.duration, av.time_base)
    return ContinuousClock(closes_gaps=free, ends_s=ends_s)


class ContinuousClock:
    """Moves packets onto a clock that never begins again.

    All streams of a file are moved alike, so that they stay in step. Packets have to come in the order of the file, all
    of its video and audio: then two readers of a file agree.

    Args:
        closes_gaps: whether a leap forward is a fault as well. Only formats for broadcasts have such faults; in others
            a frame may be shown for minutes.
        ends_s: when the file ends by its own account, in seconds: a leap far beyond is a fault in any format. None if
            that is not known.
    """

    def __init__(self, *, closes_gaps: bool, ends_s: Fraction | None = None) -> None:
        self._closes_gaps, self._ends_at_s = closes_gaps, ends_s
        # by part of the file: what is added to its times, in seconds
        self._offsets = [Fraction(0)]
        # by index of stream: the part it is in, what is added to its times, its last time and when that packet ended
        self._parts: dict[int, int] = {}
        self._shifts: dict[int, Fraction] = {}
        self._last_s: dict[int, Fraction] = {}
        self._ends_s: dict[int, Fraction] = {}

    def move(self, packet: Any) -> None:
        """Moves the timestamps of a packet."""
        index, tick = packet.stream.index, packet.time_base
        if None not in {packet.pts, packet.dts} and abs(packet.pts - packet.dts) * tick > _LEAP_S:
            # nothing is decoded that long before it is shown
            packet.pts = packet.dts
        if packet.dts is not None and packet.stream.type in {"video", "audio"}:
            self._observe(index, packet.dts * tick, (packet.duration or 0) * tick)
        shift_s = self._shifts.get(index, self._offsets[-1])
        if shift_s:
            ticks = round(shift_s / tick)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def _observe(self, index: int, time_s: Fraction, duration_s: Fraction) -> None:
        if index not in self._parts:
            # a track that appears later belongs to what is being sent by then
            self._parts[index] = len(self._offsets) - 1
            self._shifts[index] = self._offsets[-1]
        elif self._is_jump(index, time_s + self._shifts[index]):
            self._enter_next_part(index, time_s)
        moved_s = time_s + self._shifts[index]
        step_s = moved_s - self._last_s.get(index, moved_s)
        self._last_s[index] = moved_s
        self._ends_s[index] = moved_s + (duration_s or max(step_s, Fraction(0)))

    def _is_jump(self, index: int, moved_s: Fraction) -> bool:
        if moved_s < self._last_s[index] - _STEP_BACK_S:
            return True
        if moved_s <= max(self._ends_s.values()) + _LEAP_S:
            return False
        return self._closes_gaps or (self._ends_at_s is not None and moved_s > self._ends_at_s + _LEAP_S)

    def _enter_next_part(self, index: int, time_s: Fraction) -> None:
        due_s, part = self._ends_s[index], self._parts[index] + 1
        while part < len(self._offsets) and abs(time_s + self._offsets[part] - due_s) > _LEAP_S:
            part += 1
        if part == len(self._offsets):
            latest_s = max(self._ends_s.values())
            self._offsets.append((latest_s if latest_s > due_s + _SLACK_S else due_s) - time_s)
        early_s = due_s - (time_s + self._offsets[part])
        if early_s > _SLACK_S:
            self._delay(part, early_s)
        self._parts[index] = part
        offset_s = self._offsets[part]
        self._shifts[index] = due_s - time_s if abs(early_s) <= _SLACK_S else offset_s

    def _delay(self, part: int, seconds: Fraction) -> None:
        """Moves a part back for a stream that had more of the part before it than the others."""
        self._offsets[part] += seconds
        for index, its_part in self._parts.items():
            if its_part == part:
                self._shifts[index] += seconds
