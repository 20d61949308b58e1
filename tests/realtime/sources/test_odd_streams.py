"""Streams as servers really send them: joined in the middle, with tracks that nobody decodes, with absurd rates."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from av.video.frame import PictureType

from realtime.audio.feed import AudioFeed
from realtime.media.decoding import frame_rate
from realtime.media.rates import UNKNOWN_RATE, believable_rate
from realtime.sources.network_stream import NetworkOptions, NetworkStream
from realtime.sources.video_file import VideoFile
from tests.realtime.clips import SIZE, numbered, write_clip
from tests.realtime.servers import TcpStream

RATE = Fraction(25)


def joined_late(path: Path, before: int, after: int) -> Path:
    """Writes a stream that is joined in the middle: `before` frames that need a missing one, and then whole ones."""
    options = {"tune": "zerolatency", "g": "10000", "sc_threshold": "0", "forced-idr": "1"}
    with av.open(str(path), "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(before + after):
            picture = av.VideoFrame.from_ndarray(numbered(index % 2), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, 1 / RATE
            if index == before:
                picture.pict_type = PictureType.I
            packets = stream.encode(picture)
            if index:
                container.mux(packets)
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def late(tmp_path: Path) -> Iterator[TcpStream]:
    with TcpStream(joined_late(tmp_path / "late.ts", before=400, after=200)) as sender:
        yield sender


def test_a_stream_that_does_not_say_its_size_takes_it_from_its_first_picture(late: TcpStream) -> None:
    with NetworkStream(late.url) as stream:
        assert stream.size == SIZE
        frame = next(stream.frames())
        assert frame.size == SIZE


def with_unknown_track(path: Path, codec: bytes, other: bytes) -> Path:
    """Writes a film with sound into Matroska, in which the name of one codec is replaced by one that nobody knows."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r=25:d=20", "-f", "lavfi"]
    command += ["-i", "sine=d=20", "-c:v", "libx264", "-g", "5", "-c:a", "libopus", "-cluster_time_limit", "200"]
    subprocess.run([*command, "-f", "matroska", "-live", "1", str(path)], check=True)
    data = path.read_bytes()
    assert data.count(codec) == 1
    path.write_bytes(data.replace(codec, other))
    return path


def test_a_stream_goes_on_without_the_sound_that_cannot_be_decoded(tmp_path: Path) -> None:
    feed = AudioFeed()
    sender = TcpStream(with_unknown_track(tmp_path / "odd.mkv", b"A_OPUS", b"A_NONE"))
    with sender, NetworkStream(sender.url, options=NetworkOptions(feed)) as stream:
        assert stream.info.audio is None
        frames = stream.frames()
        assert [next(frames).index for _ in range(20)] == list(range(20))


def test_of_several_tracks_of_video_the_first_that_can_be_decoded_is_shown(tmp_path: Path) -> None:
    clip, both = write_clip(tmp_path / "clip.mp4", 8), tmp_path / "both.mkv"
    command = ["ffmpeg", "-v", "error", "-i", str(clip), "-i", str(clip), "-map", "0:v", "-map", "1:v"]
    subprocess.run([*command, "-c:v:0", "mpeg2video", "-c:v:1", "copy", str(both)], check=True)
    data = both.read_bytes()
    both.write_bytes(data.replace(b"V_MPEG2", b"V_NONE2"))
    with VideoFile(both) as file:
        assert len(list(file.frames())) == 8


@pytest.mark.parametrize(
    ("guessed", "average", "live", "wanted"),
    [
        (Fraction(25), Fraction(30000), True, Fraction(25)),
        (Fraction(90_000), Fraction(30000, 1001), True, Fraction(30000, 1001)),
        (Fraction(180_000), Fraction(90_000), True, UNKNOWN_RATE),
        (Fraction(1000), None, True, UNKNOWN_RATE),
        (Fraction(0), Fraction(0), True, UNKNOWN_RATE),
        (None, None, False, UNKNOWN_RATE),
        (Fraction(480), None, False, Fraction(480)),
        (Fraction(480), Fraction(30), True, Fraction(30)),
        (Fraction(1, 10), None, False, Fraction(1, 10)),
    ],
)
def test_a_rate_that_cannot_be_is_not_believed(
    guessed: Fraction | None, average: Fraction | None, live: bool, wanted: Fraction
) -> None:
    assert frame_rate(SimpleNamespace(guessed_rate=guessed, average_rate=average), live=live) == wanted


@pytest.mark.parametrize("said", [float("inf"), float("nan"), -1.0, 0.0, 90_000.0])
def test_a_driver_that_says_nonsense_about_its_rate_says_nothing(said: float) -> None:
    assert believable_rate(said, live=True) is None


def test_a_file_whose_header_has_the_rate_of_its_clock_is_read_at_a_believable_one(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "one.mkv", 1, rate=Fraction(90_000))
    with VideoFile(path) as file:
        assert file.rate <= 60
