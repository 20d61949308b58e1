"""Sinks run beside the player: a file gets every frame, a live sink the newest, and no sink slows another."""

from __future__ import annotations

import threading
import time
from typing import ClassVar

import pytest

from realtime.frames import Frame, Pixels
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.recorder import RecordingError
from tests.realtime.stand_ins import Collector, FewFrames

PATIENCE_S = 30


def pictures(count: int) -> list[tuple[Pixels, Frame]]:
    return [(frame.pixels, frame) for frame in FewFrames(count).frames()]


def sink_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sink"]


class GatedSink(Collector):
    """Writes nothing before `gate` opens; `reached` is set when its first frame waits there."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.reached = threading.Event(), threading.Event()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        self.reached.set()
        assert self.gate.wait(PATIENCE_S)
        super().write(pixels, frame)


def test_a_lossless_sink_gets_every_frame_in_order_however_slow_it_is() -> None:
    sink = GatedSink()
    with SinkQueue(sink, "sink", QueuePolicy(lossless=True, capacity=2)) as queue:
        opener = threading.Timer(0.1, sink.gate.set)
        opener.start()
        for item in pictures(50):
            queue.write(*item)
    assert sink.indices == list(range(50))
    assert queue.dropped == 0
    assert not sink_threads()


def test_a_live_sink_that_is_slow_holds_nothing_up_and_gets_the_newest() -> None:
    sink = GatedSink()
    first, *rest = pictures(50)
    with SinkQueue(sink, "sink", QueuePolicy(capacity=3)) as queue:
        queue.write(*first)
        assert sink.reached.wait(PATIENCE_S)
        for item in rest:
            queue.write(*item)
        assert queue.backlog == "3 waiting, 46 dropped"
        sink.gate.set()
    assert sink.indices == [0, 47, 48, 49]
    assert queue.dropped == 46


def test_two_sinks_do_not_wait_for_each_other() -> None:
    slow, quick = GatedSink(), Collector()
    with SinkQueue(slow, "sink") as one, SinkQueue(quick, "sink", QueuePolicy(lossless=True)) as other:
        for item in pictures(40):
            one.write(*item)
            other.write(*item)
        other.finish()
        assert quick.indices == list(range(40))
        assert slow.indices == []
        slow.gate.set()
    assert slow.indices[-1] == 39


def write_until_it_fails(queue: SinkQueue) -> None:
    for item in pictures(1000):
        queue.write(*item)


@pytest.mark.parametrize("lossless", [False, True])
def test_an_error_of_an_essential_sink_is_raised_where_it_is_written_to(lossless: bool) -> None:
    sink = Collector(fails_at=3, error=RecordingError("the disk is full"))

    def loop() -> None:
        with SinkQueue(sink, "sink", QueuePolicy(lossless=lossless, essential=True, capacity=1000)) as queue:
            write_until_it_fails(queue)
            queue.finish()

    with pytest.raises(RecordingError, match="the disk is full"):
        loop()
    assert sink.indices == [0, 1, 2]
    assert not sink_threads()


@pytest.mark.parametrize("lossless", [False, True])
def test_any_other_sink_that_fails_ends_alone_and_reports_why(lossless: bool) -> None:
    sink = Collector(fails_at=3, error=RecordingError("the disk is full"))
    with SinkQueue(sink, "sink", QueuePolicy(lossless=lossless, capacity=1000), status=lambda: "recording") as queue:
        assert (queue.status, queue.failure) == ("recording", "")
        write_until_it_fails(queue)
        queue.finish()
        assert queue.failure == queue.status == "the disk is full"
        queue.write(*pictures(1)[0])
        queue.finish()
    assert sink.indices == [0, 1, 2]


def test_leaving_by_an_error_lets_it_pass_and_stops_the_thread() -> None:
    sink = Collector(error=RecordingError("later"), fails_at=0)

    def loop() -> None:
        with SinkQueue(sink, "sink", QueuePolicy(essential=True)) as queue:
            queue.write(*pictures(1)[0])
            raise ValueError("from the loop")

    with pytest.raises(ValueError, match="from the loop"):
        loop()
    assert not sink_threads()


def test_the_last_frame_is_repeated_while_none_comes_as_if_it_came_now() -> None:
    class Clocked(Collector):
        times_s: ClassVar[list[float]] = []
        enough = threading.Event()

        def write(self, pixels: Pixels, frame: Frame) -> None:
            super().write(pixels, frame)
            self.times_s.append(frame.captured_at_s)
            if len(self.times_s) == 5:
                self.enough.set()

    sink = Clocked()
    with SinkQueue(sink, "sink", QueuePolicy(repeat_s=0.01)) as queue:
        queue.write(*pictures(8)[7])
        assert sink.enough.wait(PATIENCE_S)
    assert set(sink.indices) == {7}
    repeated_s = sink.times_s[1:]
    assert repeated_s == sorted(repeated_s)
    assert time.monotonic() - PATIENCE_S < repeated_s[0] <= repeated_s[-1] <= time.monotonic()


def test_without_a_frame_there_is_nothing_to_repeat() -> None:
    sink = Collector()
    with SinkQueue(sink, "sink", QueuePolicy(repeat_s=0)):
        time.sleep(0.05)
    assert sink.indices == []


def test_a_sink_that_takes_its_time_is_asked_to_hurry_on_leaving() -> None:
    sink = GatedSink()
    with SinkQueue(sink, "sink", hurry=sink.gate.set) as queue:
        queue.write(*pictures(1)[0])
        assert sink.reached.wait(PATIENCE_S)
    assert sink.indices == [0]
    assert not sink_threads()


def test_leaving_waits_for_a_sink_that_is_slow_however_live_it_is() -> None:
    sink = GatedSink()
    leaving = threading.Timer(0.5, sink.gate.set)
    with SinkQueue(sink, "sink") as queue:
        queue.write(*pictures(1)[0])
        assert sink.reached.wait(PATIENCE_S)
        leaving.start()
    assert sink.indices == [0], "its owner may close it now"
    assert not sink_threads()


def test_a_sink_that_may_hang_is_abandoned_in_time() -> None:
    sink = GatedSink()
    with SinkQueue(sink, "sink", QueuePolicy(leave_within_s=0.1)) as queue:
        queue.write(*pictures(1)[0])
        assert sink.reached.wait(PATIENCE_S)
    assert sink.indices == []
    sink.gate.set()
    for thread in sink_threads():
        thread.join(PATIENCE_S)
    assert sink.indices == [0]
