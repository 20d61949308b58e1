"""Files, streams and replays are encoded by the same rules."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from realtime.frames import Frame, Pixels, Presentation, Size
from realtime.media.color import FromRgb, encoded_format
from realtime.media.encoders import ENCODERS, Encoding, encoder_options
from realtime.media.video_encoder import MILLISECOND, VideoEncoder, VideoTrack
from realtime.sinks.recorder import FileRecorder
from realtime.sinks.replay import Replay

RATE = Fraction(25)
# Of ITU-T H.273.
BT709, BT601 = 1, 6
STILL = np.full((48, 64, 3), 90, np.uint8)


def as_file(path: Path, pixels: Pixels, size: Size) -> None:
    with FileRecorder(path, VideoTrack(size, RATE, 1 / RATE)) as recorder:
        recorder.write(pixels, Frame(pixels, 0, 0.0))


def as_replay(path: Path, pixels: Pixels, size: Size) -> None:
    with Replay(size, RATE, seconds=1) as replay:
        replay.write(pixels, Frame(pixels, 0, 0.0))
        replay.save(path)


def as_stream(path: Path, pixels: Pixels, size: Size) -> None:
    with av.open(str(path), "w", format="mpegts") as container:
        track, encoding = VideoTrack(size, RATE, MILLISECOND, live=True), Encoding(low_latency=True, bit_rate=4_000_000)
        video = VideoEncoder(container, "libx264", track, encoding)
        for packet in [*video.encode(pixels, Frame(pixels, 0, 0.0)), *video.flush()]:
            container.mux(packet)


@pytest.mark.parametrize("write", [as_file, as_replay, as_stream])
@pytest.mark.parametrize(
    ("size", "matrix"), [((1280, 640), BT709), ((640, 640), BT709), ((1024, 576), BT601), ((64, 48), BT601)], ids=str
)
def test_the_color_matrix_depends_on_the_size_alone(
    size: Size, matrix: int, write: Callable[[Path, Pixels, Size], None], tmp_path: Path
) -> None:
    red = np.full((size[1], size[0], 3), (200, 30, 40), np.uint8)
    write(tmp_path / "clip.mp4", red, size)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        decoded = next(container.decode(video=0))
        assert (decoded.colorspace, decoded.color_primaries, decoded.color_trc) == (matrix, matrix, matrix)
        assert np.abs(decoded.to_ndarray(format="rgb24").astype(int) - red).max() <= 5


@pytest.mark.parametrize("name", ["libx264", "h264_nvenc"])
def test_a_bit_rate_takes_the_place_of_a_quality(name: str) -> None:
    options = encoder_options(name, Encoding(low_latency=True, bit_rate=2_000_000), RATE)
    assert {options[key] for key in ("b", "maxrate", "bufsize")} == {"2000000"}
    assert not {"crf", "cq"} & options.keys()


def test_live_frames_are_stamped_from_the_first_one_on(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        track = VideoTrack((64, 48), RATE, MILLISECOND, live=True)
        video = VideoEncoder(container, "libx264", track, Encoding(low_latency=True))
        pixels = np.zeros((48, 64, 3), np.uint8)
        times = []
        for captured_at_s in (100.0, 100.04, 100.04, 100.0, 101.5):
            container.mux(list(video.encode(pixels, Frame(pixels, 0, captured_at_s))))
            times.append(video.last_pts)
        container.mux(list(video.flush()))
    assert times == [0, 40, 41, 42, 1500]


@pytest.mark.parametrize("actual_rate", [5, 25, 100])
def test_a_key_frame_of_live_video_comes_every_two_seconds_whatever_the_rate_is_at_the_moment(actual_rate: int) -> None:
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        track = VideoTrack((64, 48), RATE, MILLISECOND, live=True)
        video = VideoEncoder(container, "libx264", track, Encoding(low_latency=True, bit_rate=400_000))
        packets = [
            packet
            for index in range(9 * actual_rate)
            for packet in video.encode(STILL, Frame(STILL, index, index / actual_rate))
        ]
        packets += video.flush()
    assert [packet.pts for packet in packets if packet.is_keyframe] == [0, 2000, 4000, 6000, 8000]


def test_the_frames_of_a_file_are_counted(tmp_path: Path) -> None:
    with av.open(io.BytesIO(), "w", format="matroska") as container:
        video = VideoEncoder(container, "libx264", VideoTrack((64, 48), RATE, 1 / RATE), Encoding())
        frames = [Frame(STILL, index, 0.0, Fraction(index)) for index in range(101)]
        packets = [packet for frame in frames for packet in video.encode(STILL, frame)] + list(video.flush())
    assert [packet.pts for packet in packets if packet.is_keyframe] == [0, 50 * 25, 100 * 25]


def samples(frame: av.VideoFrame) -> list[NDArray[np.int64]]:
    """Returns the planes of a frame."""
    planes: Sequence[Any] = frame.planes
    rows = [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size) for plane in planes]
    return [row[:, : plane.width].astype(int) for row, plane in zip(rows, planes, strict=True)]


@pytest.mark.parametrize("size", [(64, 48), (65, 47), (1280, 720)])
def test_what_encoders_take_is_what_swscale_makes_to_a_level(size: Size) -> None:
    soft = cv2.resize(np.random.default_rng(0).uniform(0, 255, (9, 16, 3)).astype(np.float32), size)
    pixels = soft.astype(np.uint8)
    encoded = encoded_format(replace(ENCODERS["libx264"], even=False), size, Presentation())
    frame = FromRgb(encoded)(pixels)
    assert (frame.width, frame.height, frame.colorspace, frame.color_range) == (*size, encoded.matrix, ColorRange.MPEG)
    wanted = VideoReformatter().reformat(
        av.VideoFrame.from_ndarray(pixels, format="rgb24"),
        format="yuv420p",
        dst_colorspace={BT709: Colorspace.ITU709, BT601: Colorspace.ITU601}[encoded.matrix],
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP,
    )
    for ours, theirs in zip(samples(frame), samples(wanted), strict=True):
        assert np.abs(ours - theirs).max() <= 2
        assert np.abs(ours - theirs).mean() < 0.4
