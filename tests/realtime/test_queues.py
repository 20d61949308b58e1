"""A thread reads ahead of the player: live sources never lag, files lose nothing, errors and endings arrive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest

import pytest

from realtime import queues as pacing
from realtime.frames import Frame
from realtime.media.decoding import SourceError
from realtime.queues import BusyError, FrameQueue, Mailbox, Metronome
from tests.realtime.stand_ins import FewFrames

PATIENCE_S = 30


def taken(queue: FrameQueue) -> list[Frame]:
    """Returns all frames left in a queue."""
    return list(iter(lambda: queue.take(PATIENCE_S), None))


def source_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "source"]


def test_a_file_loses_no_frame_and_keeps_their_order() -> None:
    with FrameQueue(FewFrames(25)) as queue:
        assert [frame.index for frame in taken(queue)] == list(range(25))
        assert queue.dropped == 0
        assert queue.ended


def test_a_file_is_read_only_a_few_frames_ahead() -> None:
    read: list[int] = []
    with FrameQueue(FewFrames(25, between=read.append)) as queue:
        for index in range(25):
            assert queue.take(PATIENCE_S) is not None
            assert max(read) <= index + 6


def test_a_live_source_gives_only_the_newest_frame_and_counts_the_others() -> None:
    all_put, go_on = threading.Event(), threading.Event()

    def between(index: int) -> None:
        if index == 5:
            all_put.set()
            assert go_on.wait(PATIENCE_S)

    with FrameQueue(FewFrames(6, live=True, between=between)) as queue:
        assert all_put.wait(PATIENCE_S)
        newest = queue.take(PATIENCE_S)
        assert newest is not None
        assert newest.index == 4
        assert queue.dropped == 4
        assert queue.take(timeout_s=0) is None
        assert not queue.ended
        go_on.set()
        assert [frame.index for frame in taken(queue)] == [5]
        assert queue.ended


def test_no_live_frame_is_given_twice_or_out_of_order() -> None:
    with FrameQueue(FewFrames(2000, live=True)) as queue:
        indices = [frame.index for frame in taken(queue)]
    assert indices == sorted(set(indices))
    assert indices[-1] == 1999
    assert len(indices) + queue.dropped == 2000


def test_the_age_of_a_live_frame_counts_from_its_capture_and_that_of_a_file_s_from_when_it_is_wanted() -> None:
    with FrameQueue(FewFrames(1, live=True)) as queue:
        live = queue.take(PATIENCE_S)
    assert live is not None
    assert live.captured_at_s == 0.0
    with FrameQueue(FewFrames(1)) as queue:
        wanted_at_s = time.monotonic()
        read_ahead = queue.take(PATIENCE_S)
    assert read_ahead is not None
    assert read_ahead.captured_at_s >= wanted_at_s


@pytest.mark.parametrize("live", [False, True])
def test_an_error_crosses_the_thread_after_the_frames_before_it(live: bool) -> None:
    with FrameQueue(FewFrames(3, live, SourceError("the cable is out"))) as queue:
        frames: list[Frame] = []
        with pytest.raises(SourceError, match="the cable is out"):
            frames.extend(iter(lambda: queue.take(PATIENCE_S), None))
        assert frames[-1].index == 2
        assert len(frames) == 3 - queue.dropped
        assert queue.ended
        assert queue.take(timeout_s=0) is None


def test_a_queue_has_not_ended_while_an_error_is_still_to_be_raised() -> None:
    with FrameQueue(FewFrames(0, error=SourceError("gone"))) as queue:
        while source_threads():
            time.sleep(0.001)
        assert not queue.ended
        with pytest.raises(SourceError, match="gone"):
            queue.take(PATIENCE_S)
        assert queue.ended


def test_leaving_stops_the_thread_while_it_waits_for_room() -> None:
    full = threading.Event()
    source = FewFrames(100, between=lambda index: full.set() if index == 4 else None)
    with FrameQueue(source):
        assert full.wait(PATIENCE_S)
    assert not source_threads()
    assert source.closed


def test_leaving_stops_the_thread_while_the_source_waits_for_a_frame() -> None:
    waiting = threading.Event()

    def slow(index: int) -> None:
        if index == 2:
            waiting.set()
            time.sleep(0.2)

    source = FewFrames(100, live=True, between=slow)
    with FrameQueue(source):
        assert waiting.wait(PATIENCE_S)
    assert not source_threads()
    assert source.closed


def test_leaving_by_an_error_stops_the_thread_and_lets_the_error_pass() -> None:
    def loop() -> None:
        with FrameQueue(FewFrames(100)) as queue:
            assert queue.take(PATIENCE_S) is not None
            raise ValueError("from the loop")

    with pytest.raises(ValueError, match="from the loop"):
        loop()
    assert not source_threads()


def test_a_source_that_waits_is_stopped_on_leaving() -> None:
    stopped = threading.Event()

    class Waiting(FewFrames):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            assert stopped.wait(PATIENCE_S)

        def stop(self) -> None:
            stopped.set()

    with FrameQueue(Waiting(1, live=True)) as queue:
        assert queue.take(PATIENCE_S) is not None
    assert not source_threads()


class HandClock:
    """Stands for the module `time`: time passes only by sleeping and working."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def pictures(
        self, metronome: Metronome, work_s: list[float], times_s: Sequence[Fraction | None] = ()
    ) -> list[float]:
        """Returns when each frame was shown, in seconds from the start, if it took `work_s` to paint."""
        times = []
        for seconds, time_s in zip_longest(work_s, times_s):
            self.now_s += seconds
            metronome.wait(time_s)
            times.append(round(self.now_s - 100, 6))
        return times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    hand_clock = HandClock()
    monkeypatch.setattr(pacing, "time", hand_clock)
    return hand_clock


def test_a_metronome_keeps_the_beat_however_long_each_frame_took(clock: HandClock) -> None:
    assert clock.pictures(Metronome(Fraction(10)), [0.02, 0.07, 0.0, 0.09]) == [0.02, 0.12, 0.22, 0.32]


def test_a_frame_that_is_a_little_late_does_not_move_the_beat(clock: HandClock) -> None:
    assert clock.pictures(Metronome(Fraction(10)), [0.0, 0.15, 0.0, 0.0]) == [0.0, 0.15, 0.2, 0.3]


def test_after_a_long_pause_the_beat_starts_again_and_does_not_hurry(clock: HandClock) -> None:
    assert clock.pictures(Metronome(Fraction(10)), [0.0, 5.0, 0.0, 0.0]) == [0.0, 5.0, 5.1, 5.2]


def test_frames_at_a_variable_rate_are_shown_at_their_times(clock: HandClock) -> None:
    times_s = [Fraction(5), Fraction("5.5"), Fraction("5.6"), Fraction("7.1")]
    assert clock.pictures(Metronome(Fraction(2)), [0.1] * 4, times_s) == [0.1, 0.6, 0.7, 2.2]


def test_nobody_sits_through_a_gap_of_minutes(clock: HandClock) -> None:
    times_s = [Fraction(0), Fraction(600), Fraction(601)]
    assert clock.pictures(Metronome(Fraction(2)), [0.0] * 3, times_s) == [0.0, 2.0, 3.0]


def test_a_full_mailbox_still_takes_a_newer_letter_in_place_of_an_older_one() -> None:
    box: Mailbox[str] = Mailbox(1)
    assert box.put("old", "strength", refuse=True) is None
    assert box.put("new", "strength", refuse=True) == "old"
    with pytest.raises(BusyError):
        box.put("other", "mix", refuse=True)
    assert list(box.take_all()) == ["new"]
