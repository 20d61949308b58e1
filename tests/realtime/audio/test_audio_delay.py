"""Live sound can be put in step with its picture: later than it was captured, or earlier, so that the picture waits."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from realtime.app.options.readers import parse_milliseconds
from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioFeed
from realtime.frames import Frame
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.recorder import FileRecorder
from realtime.sinks.replay import Replay
from realtime.sinks.virtual_camera import VirtualCamera
from tests.realtime.audio.test_microphone import samples_of
from tests.realtime.clips import SIZE, number_of, numbered
from tests.realtime.sinks.test_virtual_camera import Device
from tests.realtime.sinks.test_virtual_camera import device as device  # noqa: PLC0414 - a fixture

LIVE = VideoTrack(SIZE, Fraction(25), live=True)
CLAP_S, SECONDS = 2.0, 5
STEP_S = 0.04


def captured(until_s: float) -> AudioChunk:
    """Returns what a microphone gives at `until_s`: the 40 ms before it, silent until the clap and loud afterwards."""
    at_s = until_s - STEP_S + np.arange(round(STEP_S * SAMPLE_RATE)) / SAMPLE_RATE
    loud = np.where(at_s < CLAP_S, 0, 0.5 * np.sin(2 * np.pi * 440 * at_s)).astype(np.float32)
    return AudioChunk(until_s - STEP_S, np.stack([loud, loud]))


def heard_s(path: Path) -> float:
    """Returns when the clap is heard in a file."""
    return int(np.argmax(np.abs(samples_of(path)) > 0.2)) / SAMPLE_RATE


DELAYS = pytest.mark.parametrize("delay_s", [0.0, 0.2, 1.5, -0.2, -1.2])


@DELAYS
def test_a_recorded_clap_is_heard_later_or_earlier_by_the_delay(delay_s: float, tmp_path: Path) -> None:
    path, feed = tmp_path / "clap.mkv", AudioFeed(delay_s)
    with FileRecorder(path, LIVE, encoding=Encoding(low_latency=True), audio=feed.subscribe()) as recorder:
        for index in range(SECONDS * 25):
            feed.put(captured(index * STEP_S))
            recorder.write(numbered(index), Frame(numbered(index), index, index * STEP_S))
    assert heard_s(path) == pytest.approx(CLAP_S + delay_s, abs=0.03)


@DELAYS
def test_a_clap_in_a_replay_is_heard_later_or_earlier_by_the_delay(delay_s: float, tmp_path: Path) -> None:
    feed = AudioFeed(delay_s)
    with Replay(SIZE, Fraction(25), 10.0, feed.subscribe()) as replay:
        for index in range(SECONDS * 25):
            feed.put(captured(index * STEP_S))
            replay.write(numbered(index), Frame(numbered(index), index, index * STEP_S))
        replay.save(tmp_path / "replay.mp4")
    assert heard_s(tmp_path / "replay.mp4") == pytest.approx(CLAP_S + delay_s, abs=0.03)


def test_the_virtual_camera_shows_each_frame_later(device: type[Device]) -> None:
    written_s: dict[int, float] = {}
    with VirtualCamera(SIZE, Fraction(50), late_s=0.3) as camera:
        for index in range(35):
            written_s[index] = time.monotonic()
            camera.write(numbered(index), Frame(numbered(index), index, time.monotonic()))
    (opened,) = device.opened
    shown = [(number_of(pixels), at_s) for at_s, pixels in opened.sent]
    assert shown[0][0] == 0, "before any is due, the first one is shown"
    assert shown[-1][0] > 5
    assert all(at_s - written_s[number] >= 0.3 for number, at_s in shown if number)


@pytest.mark.parametrize(("text", "delay_ms"), [("120", 120), ("-80", -80), ("0", 0), ("12.5", 12.5)])
def test_a_delay_is_read_in_milliseconds(text: str, delay_ms: float) -> None:
    assert parse_milliseconds(text) == delay_ms


@pytest.mark.parametrize("text", ["2001", "-5000", "nan", "soon", ""])
def test_a_delay_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="expected milliseconds from -2000 to 2000"):
        parse_milliseconds(text)
