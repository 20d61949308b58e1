"""A file is played over and over: frames, times and audio continue from one round to the next."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from realtime.audio.feed import SAMPLE_RATE, AudioChunk, AudioFeed
from realtime.frames import Frame
from realtime.media.decoding import SourceError
from realtime.sources.looping import Looping
from realtime.sources.open import open_source
from realtime.sources.real_time import RealTime
from realtime.sources.video_file import ReadOptions, VideoFile
from tests.realtime.audio.test_feed import write_talkie
from tests.realtime.clips import NTSC, SIZE, number_of, write_clip
from tests.realtime.conftest import NstLive

_CODECS = {".avi": ("mpeg4", "yuv420p"), ".png": ("png", "rgb24")}


def looped(path: Path, reading: ReadOptions = ReadOptions(), rate: Fraction | None = None) -> Looping:  # noqa: B008 - frozen
    return Looping(
        open_source(url=str(path), reading=reading, rate=rate),
        lambda: open_source(url=str(path), reading=reading, rate=rate),
    )


def frames_of(source: Looping, count: int) -> list[Frame]:
    with source:
        return list(islice(source.frames(), count))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "frame_%03d.png"])
def test_the_last_frame_is_followed_by_the_first_without_a_gap(name: str, tmp_path: Path) -> None:
    codec, pixel_format = _CODECS.get(Path(name).suffix, ("libx264", "yuv420p"))
    path = write_clip(tmp_path / name, 5, rate=Fraction(25), codec=codec, pixel_format=pixel_format)
    source = looped(path)
    assert source.info.frame_count is None
    frames = frames_of(source, 13)
    assert [number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    assert [frame.index for frame in frames] == list(range(13))
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(13)]


def test_a_part_of_a_file_can_be_looped(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 25, rate=Fraction(25))
    part = ReadOptions(start_s=Fraction(8, 25), end_s=Fraction(11, 25))
    frames = frames_of(looped(path, part), 8)
    assert [number_of(frame.pixels) for frame in frames] == [8, 9, 10, 8, 9, 10, 8, 9]
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(8)]


def test_a_clock_that_begins_late_delays_only_the_first_round(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", 4, rate=Fraction(25), ticks=[250, 251, 252, 253])
    frames = frames_of(looped(path), 10)
    assert [number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert [frame.time for frame in frames] == [Fraction(250 + index, 25) for index in range(10)]


def test_at_another_rate_the_loop_keeps_its_length(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 10, rate=Fraction(10))
    frames = frames_of(looped(path, rate=Fraction(5)), 12)
    assert [number_of(frame.pixels) for frame in frames] == [0, 2, 4, 6, 8, 0, 2, 4, 6, 8, 0, 2]
    assert [frame.time for frame in frames] == [Fraction(index, 5) for index in range(12)]


def test_a_damaged_file_keeps_looping_and_reports_what_is_missing(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", 60, rate=NTSC)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    source = looped(path)
    frames = frames_of(source, 100)
    assert len(frames) == 100
    assert source.shortfall is not None
    assert "damaged or cut off" in source.shortfall


def test_another_file_of_the_same_name_is_letterboxed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 3)
    source = looped(path)
    with source:
        frames = source.frames()
        first = [next(frames) for _ in range(3)]
        write_clip(path, 3, size=(96, 96))
        later = [next(frames) for _ in range(3)]
    assert {frame.size for frame in [*first, *later]} == {SIZE}
    assert later[0].pixels[:, :8].max() < 3  # a square in the middle
    assert number_of(later[0].pixels[:, 12:-12]) == 0


def test_a_file_that_is_opened_while_the_loop_stops_is_closed(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 3)
    opened: list[VideoFile] = []

    def open_again() -> VideoFile:
        source.stop()
        opened.append(VideoFile(path))
        return opened[-1]

    source = Looping(VideoFile(path), open_again)
    assert len(frames_of(source, 10)) == 3
    (late,) = opened
    assert list(late.frames())[1:] == []


def test_a_file_that_is_gone_in_the_next_round_is_an_error(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 5)
    source = looped(path)
    with source:
        frames = source.frames()
        assert len(list(islice(frames, 5))) == 5
        path.unlink()
        with pytest.raises(SourceError, match="no file"):
            next(frames)


def test_audio_begins_again_with_the_frames(tmp_path: Path) -> None:
    path = write_talkie(tmp_path / "talkie.mp4")
    feed = AudioFeed()
    queue = feed.subscribe()
    # dark and silent until 1 s, then bright with a tone: 0.4 s of each
    reading = ReadOptions(start_s=Fraction(3, 5), end_s=Fraction(7, 5))
    chunks: list[AudioChunk] = []
    bright_at_s: list[float] = []
    with RealTime(looped(path, reading), feed) as playback:
        was_bright = False
        for frame in islice(playback.frames(), 60):
            chunks.extend(queue.take_until(frame.captured_at_s))
            bright = frame.pixels.mean() > 100
            if bright and not was_bright:
                bright_at_s.append(frame.captured_at_s)
            was_bright = bright
    assert len(bright_at_s) == 3
    for at_s in bright_at_s:
        assert _loudness(chunks, at_s - 0.3, at_s - 0.1) < 0.01
        assert _loudness(chunks, at_s + 0.1, at_s + 0.3) > 0.2


def test_audio_that_outlasts_the_video_is_not_heard_in_the_next_round(tmp_path: Path) -> None:
    path = tmp_path / "long.mkv"
    # 0.4 s of video with two seconds of silence and tone
    talkie = write_talkie(tmp_path / "talkie.mp4")
    with av.open(str(talkie)) as source, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            ends_s = 0.4 if packet.stream.type == "video" else 2.0
            if packet.dts is not None and packet.dts * packet.time_base < ends_s:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    feed = AudioFeed()
    queue = feed.subscribe()
    with RealTime(looped(path), feed) as playback:
        frames = list(islice(playback.frames(), 21))
    chunks = [chunk.at_s for chunk in queue.take_until(frames[-1].captured_at_s)]
    assert chunks == sorted(chunks)
    assert chunks[-1] - chunks[0] == pytest.approx(0.8, abs=0.05)


def _loudness(chunks: list[AudioChunk], begins_s: float, ends_s: float) -> float:
    """Returns the root mean square of the audio in that time."""
    inside = list(_samples(chunks, begins_s, ends_s))
    assert sum(map(len, inside)) / SAMPLE_RATE == pytest.approx(ends_s - begins_s, abs=0.01)
    return float(np.sqrt(np.mean(np.concatenate(inside) ** 2)))


def _samples(chunks: list[AudioChunk], begins_s: float, ends_s: float) -> Iterator[np.ndarray]:
    for chunk in chunks:
        at_s = chunk.at_s + np.arange(chunk.samples.shape[1]) / SAMPLE_RATE
        yield chunk.samples[0][(at_s >= begins_s) & (at_s < ends_s)]


def test_a_loop_can_be_limited_to_a_number_of_frames(nst_live: NstLive, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4)
    run = nst_live("-i", str(clip), "--loop", "--no-window", "--frames", "11")
    assert run.code == 0
    assert "painted 11 frames" in run.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-i", "clip.mp4", "--loop", "--no-window"],
            "--loop would never end; add --stream, --virtual-cam or --frames N, or open a window",
        ),
        (["-i", "clip.mp4", "--loop", "-o", "out.mp4"], "--loop does not go with --output: "),
        (["clip.mp4", "clip.mp4", "--loop", "-o", "out"], "--loop takes one input"),
        (["-i", "photo.png", "--loop", "-o", "out.png"], "--loop is for video, not for a photograph"),
        (["-i", "test", "--loop"], "--loop is for files"),
        (["--camera", "0", "--loop"], "--loop is for files"),
    ],
)
def test_a_loop_that_would_never_end_is_refused(
    arguments: list[str], words: str, nst_live: NstLive, tmp_path: Path
) -> None:
    write_clip(tmp_path / "clip.mp4", 4)
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    run = nst_live(*(str(tmp_path / each) if "." in each else each for each in arguments))
    assert run.code == 2
    assert words in run.err


def test_without_a_screen_a_limited_loop_is_not_recorded(
    nst_live: NstLive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    clip = write_clip(tmp_path / "clip.mp4", 4)
    run = nst_live("-i", clip, "--loop", "--frames", "6")
    assert run.code == 0, run.err
    assert "recording" not in run.err
    assert "painted 6 frames in" in run.err


def test_a_loop_is_streamed_with_its_audio(nst_live: NstLive, tmp_path: Path) -> None:
    talkie = write_talkie(tmp_path / "talkie.mp4")
    received = tmp_path / "received.ts"
    with received.open("wb") as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.1)
        ended = threading.Event()

        def receive() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    file.write(receiver.recv(65536))

        thread = threading.Thread(target=receive)
        thread.start()
        where = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
        run = nst_live(
            *("-i", talkie, "--start", "0.6", "--end", "1.4", "--loop", "--no-window"),
            *("--stream", where, "--frames", "70"),
        )
        ended.set()
        thread.join()
    assert run.code == 0, run.err
    with av.open(str(received)) as container:
        sound = [frame.to_ndarray() for frame in container.decode(audio=0)]
    loud = np.concatenate([np.abs(each).max(axis=0) for each in sound]) > 0.1
    assert np.count_nonzero(np.diff(loud.astype(int)) == 1) >= 2
