"""A file whose clock begins again is read as one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.media.continuous_clock import ContinuousClock

MS = Fraction(1, 1000)


@dataclass
class Stamped:
    """As much of a packet as a clock looks at; times in ms."""

    dts: int | None
    index: int = 0
    duration: int = 40
    type: str = "video"
    time_base: Fraction = MS
    pts: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.pts = self.dts

    @property
    def stream(self) -> Any:
        return SimpleNamespace(index=self.index, type=self.type)


def moved(packets: Sequence[Stamped], *, closes_gaps: bool = True, ends_s: Fraction | None = None) -> list[int | None]:
    clock = ContinuousClock(closes_gaps=closes_gaps, ends_s=ends_s)
    for packet in packets:
        clock.move(packet)
        assert packet.pts == packet.dts
    return [packet.dts for packet in packets]


def test_a_clock_that_goes_on_is_left_alone() -> None:
    times = [1480, 1520, 1560, 3000, 9000]
    assert moved([Stamped(time) for time in times]) == times


def test_a_clock_that_begins_again_goes_on() -> None:
    assert moved([Stamped(time) for time in (1000, 1040, 1080, 0, 40, 80)]) == [1000, 1040, 1080, 1120, 1160, 1200]


def test_repeated_times_are_no_new_beginning() -> None:
    assert moved([Stamped(time) for time in (0, 40, 40, 20, 80)]) == [0, 40, 40, 20, 80]


@pytest.mark.parametrize(("closes_gaps", "last"), [(True, 80), (False, 60_000)])
def test_a_leap_is_a_fault_only_in_a_broadcast(closes_gaps: bool, last: int) -> None:
    assert moved([Stamped(time) for time in (0, 40, 60_000)], closes_gaps=closes_gaps) == [0, 40, last]


@pytest.mark.parametrize(("ends_s", "last"), [(None, 60_000), (60, 60_000), (2, 80)])
def test_a_leap_far_beyond_the_end_of_a_file_is_a_fault_in_any_format(ends_s: int | None, last: int) -> None:
    packets = [Stamped(time) for time in (0, 40, 60_000)]
    assert moved(packets, closes_gaps=False, ends_s=None if ends_s is None else Fraction(ends_s)) == [0, 40, last]


@pytest.mark.parametrize(("pts", "shown_at"), [(5_000, 5_000), (2**40, 40), (-(2**40), 40)])
def test_a_frame_that_would_be_shown_hours_later_is_shown_when_it_is_decoded(pts: int, shown_at: int) -> None:
    packet = Stamped(40)
    packet.pts = pts
    ContinuousClock(closes_gaps=False).move(packet)
    assert (packet.dts, packet.pts) == (40, shown_at)


def test_sound_follows_the_picture_into_the_next_part() -> None:
    packets = [Stamped(2000), Stamped(2000, 1, type="audio")]
    # after a second of the first part there is no more sound in it
    packets += [Stamped(time) for time in range(2040, 3080, 40)]
    packets += [Stamped(0, 1, type="audio"), Stamped(0), Stamped(40), Stamped(40, 1, type="audio")]
    assert moved(packets)[-4:] == [3080, 3080, 3120, 3120]


def test_a_track_that_appears_later_belongs_to_the_part_that_is_sent() -> None:
    packets = [Stamped(1000), Stamped(1040), Stamped(0), Stamped(0, 1, type="audio")]
    assert moved(packets) == [1000, 1040, 1080, 1080]


def test_what_has_no_time_keeps_none() -> None:
    assert moved([Stamped(1000), Stamped(None), Stamped(0)]) == [1000, None, 1040]
