"""VP8 for those who watch live: every frame at once, at a bit rate and an effort that fit line and processor."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from realtime.frames import Pixels, Size
from realtime.media.live_vp8 import EFFORTS, EncodedFrame, LiveVp8, LoadWatch, bit_rate_for
from tests.realtime.clips import colourful, noisy, number_of, numbered

SIZE = (160, 128)


def encoded(encoder: LiveVp8, frames: Sequence[Pixels], rate: int = 30, keys: Sequence[int] = ()) -> list[EncodedFrame]:
    found = [encoder.encode(pixels, 5 + index / rate, key=index in keys) for index, pixels in enumerate(frames)]
    assert None not in found, "every frame is there at once"
    return [each for each in found if each is not None]


def decoded(frames: Sequence[EncodedFrame]) -> list[av.VideoFrame]:
    decoder: Any = av.CodecContext.create("libvpx", "r")
    shown = []
    for frame in frames:
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.pts, Fraction(1, 90_000)
        shown += decoder.decode(packet)
    return shown


def test_every_frame_is_shown_at_its_time_and_key_frames_come_when_they_are_asked_for() -> None:
    frames = encoded(LiveVp8(), [numbered(index, SIZE) for index in range(12)], keys=[7])
    assert [index for index, frame in enumerate(frames) if frame.is_key] == [0, 7]
    shown = decoded(frames)
    assert [number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in shown] == list(range(12))
    times = [float(frame.time or 0) for frame in shown]
    assert times == pytest.approx([5 + index / 30 for index in range(12)], abs=1e-4)
    # who comes later begins with a key frame
    assert len(decoded(frames[7:])) == 5


def test_colours_are_those_that_browsers_expect() -> None:
    """BT.601, at any size; a real browser confirms it by what it shows."""
    pixels = np.empty((720, 1280, 3), np.uint8)
    pixels[:] = (200, 40, 90)
    (frame,) = decoded(encoded(LiveVp8(), [pixels]))
    samples = tuple(int(bytes(plane)[100]) for plane in frame.planes)
    assert samples == pytest.approx((96, 126, 195), abs=2)


def test_times_never_go_back() -> None:
    encoder = LiveVp8()
    times = [frame.pts for at_s in (1.0, 1.2, 1.1, 1.3) if (frame := encoder.encode(numbered(0, SIZE), at_s))]
    assert times == sorted(set(times))


@pytest.mark.parametrize("size", [(160, 128), (161, 129), (16, 16)])
def test_sizes_may_change_and_be_odd(size: Size) -> None:
    encoder = LiveVp8()
    frames = [encoder.encode(colourful(index, each), float(index)) for index, each in enumerate([SIZE, size, SIZE])]
    shown = decoded([frame for frame in frames if frame is not None])
    assert [(frame.width, frame.height) for frame in shown] == [SIZE, size, SIZE]


def test_a_line_that_takes_less_gets_less() -> None:
    encoder, frames = LiveVp8(), [noisy(index, (320, 240)) for index in range(60)]

    def bits(sent: Sequence[EncodedFrame]) -> int:
        return 8 * sum(len(frame.data) for frame in sent[20:])

    freely = bits(encoded(encoder, frames[:30]))
    encoder.limit = 100_000
    narrow = encoded(encoder, frames[30:])
    assert narrow[0].is_key
    assert bits(narrow) < freely
    # what hardly differs is not worth a key frame
    encoder.limit = 110_000
    (more,) = encoded(encoder, [noisy(60, (320, 240))])
    assert not more.is_key


def test_the_bit_rate_suits_the_size_within_limits() -> None:
    assert bit_rate_for((640, 480)) == 1_843_200
    assert bit_rate_for((64, 48)) == 300_000
    assert bit_rate_for((3840, 2160)) == 8_000_000


def test_encoding_gets_cheaper_under_load_and_finer_again_much_later() -> None:
    load = LoadWatch()
    for _ in range(30):
        load.observe(0.004, 1 / 15)
    assert load.effort == EFFORTS[0], "it keeps up"
    for _ in range(30):
        load.observe(0.03, 1 / 15)
    assert load.effort == EFFORTS[1]
    for _ in range(1000):
        load.observe(0.03, 1 / 15)
    assert load.effort == EFFORTS[-1]
    for _ in range(60):
        load.observe(0.001, 1 / 15)
    assert load.effort == EFFORTS[-1], "it waits before it is made finer"
    for _ in range(2000):
        load.observe(0.001, 1 / 15)
    assert load.effort == EFFORTS[0]


def test_a_picture_that_is_too_dear_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = LiveVp8()
    monkeypatch.setattr(LoadWatch, "effort", EFFORTS[-1])
    (frame,) = decoded(encoded(encoder, [colourful(0, (640, 480))]))
    assert (frame.width, frame.height) == (320, 240)
