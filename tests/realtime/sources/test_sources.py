"""Files, streams and the scene give every frame with its time, and say plainly what they cannot read."""

from __future__ import annotations

import functools
import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.audio.feed import AudioFeed
from realtime.frames import Frame
from realtime.media.decoding import SourceError, open_video_stream
from realtime.queues import FrameQueue
from realtime.sources import network_stream
from realtime.sources.base import Source
from realtime.sources.network_stream import NetworkOptions, NetworkStream
from realtime.sources.open import open_source
from realtime.sources.resampled import Resampled
from realtime.sources.scene import SceneSource
from realtime.sources.stream_clock import StreamClock
from realtime.sources.video_file import VideoFile
from tests.realtime.clips import (
    NTSC,
    SIZE,
    colourful,
    cut_off,
    noisy,
    number_of,
    numbered,
    write_clip,
    write_sound,
)

FORMATS: dict[str, dict[str, Any]] = {
    "mp4": {"codec": "libx264", "codec_options": {"bf": "3"}},
    "mov": {"codec": "libx264"},
    "mkv": {"codec": "libx264", "codec_options": {"bf": "3"}},
    "webm": {"codec": "libvpx-vp9", "codec_options": {"deadline": "realtime", "cpu-used": "8"}},
    "avi": {"codec": "mpeg4", "codec_options": {"b": "4000000"}},
    "ts": {"codec": "libx264"},
}
SERVER = "127.0.0.1"
# Frames that come before size and rate of a stream are known are not shown: they are old by then.
PROBED = 60
OFTEN = {"g": "10"}  # a player that joins in the middle waits for the next key frame


def read(source: Source) -> list[Frame]:
    with source:
        return list(source.frames())


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(frame.pixels) for frame in frames]


def times(frames: list[Frame]) -> list[Fraction]:
    found = [frame.time for frame in frames if frame.time is not None]
    assert len(found) == len(frames)
    return found


class Folder(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, silently; of `broken.ts` it announces more than it sends."""

    def log_message(self, *_: object) -> None:
        pass

    def send_header(self, keyword: str, value: str) -> None:
        twice = keyword == "Content-Length" and self.path.endswith("broken.ts")
        super().send_header(keyword, str(2 * int(value)) if twice else value)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The URL of a web server on this machine that serves `tmp_path`."""
    handler = functools.partial(Folder, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer((SERVER, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://{SERVER}:{server.server_port}"
        server.shutdown()
        thread.join()


# one contract for every source ----------------------------------------------------------------------------------------


def scene_source(_folder: Path, _web: str) -> Source:
    return SceneSource(SIZE, NTSC, frame_count=9)


def file_source(folder: Path, _web: str) -> Source:
    return VideoFile(write_clip(folder / "clip.mp4", 9, draw=colourful))


def resampled_source(folder: Path, _web: str) -> Source:
    return Resampled(VideoFile(write_clip(folder / "clip.mp4", 18, draw=colourful)), NTSC / 2)


def stream_source(folder: Path, web: str) -> Source:
    write_clip(folder / "clip.ts", PROBED + 9, draw=colourful, codec_options=OFTEN)
    return NetworkStream(f"{web}/clip.ts")


@pytest.mark.parametrize("make", [scene_source, file_source, resampled_source, stream_source])
def test_every_source_gives_rgb_frames_of_its_size_in_order(
    make: Callable[[Path, str], Source], tmp_path: Path, web: str
) -> None:
    source = make(tmp_path, web)
    assert source.size == SIZE
    assert isinstance(source.rate, Fraction)
    before_s = time.monotonic()
    frames = read(source)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert len(frames) == source.info.frame_count or (source.live and len(frames) >= 9)
    assert source.shortfall is None
    for frame in frames:
        assert frame.size == SIZE
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
        assert before_s <= frame.captured_at_s <= time.monotonic()
    if not source.live:
        assert all(later - earlier == 1 / source.rate for earlier, later in pairwise(times(frames)))
    # callers may keep a frame: no two share memory, and none has become another
    assert not any(np.shares_memory(one.pixels, two.pixels) for one, two in pairwise(frames))
    assert all((one.pixels != two.pixels).any() for one, two in pairwise(frames))


# the scene ------------------------------------------------------------------------------------------------------------


def test_the_scene_is_opened_by_test_at_the_requested_size_and_rate() -> None:
    source = open_source(url="test", size=(32, 24), rate=Fraction(12))
    assert isinstance(source, SceneSource)
    assert (source.size, source.rate, source.info.frame_count) == ((32, 24), Fraction(12), None)
    assert not source.live
    assert times(list(islice(source.frames(), 3))) == [0, Fraction(1, 12), Fraction(2, 12)]


# files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_gives_every_frame_once_with_its_own_time(suffix: str, tmp_path: Path) -> None:
    options = FORMATS[suffix]
    source = VideoFile(write_clip(tmp_path / f"clip.{suffix}", 20, **options))
    assert source.size == SIZE
    assert source.rate == Fraction(30000, 1001)
    assert source.info.frame_count == 20
    frames = read(source)
    assert numbers(frames) == list(range(20))
    assert source.shortfall is None
    began_at = times(frames)[0]
    # Matroska writes times as whole milliseconds
    for frame, at in zip(frames, times(frames), strict=True):
        assert abs(at - began_at - frame.index / NTSC) <= Fraction(1, 1000)


def test_a_file_of_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    ticks = [0, 1, 5, 6, 20, 21]
    for name in ("clip.mp4", "clip.mkv"):
        source = VideoFile(write_clip(tmp_path / name, 6, rate=Fraction(25), ticks=ticks))
        assert times(read(source)) == [Fraction(tick, 25) for tick in ticks]
        assert source.shortfall is None


def test_a_file_of_odd_width_and_height_is_read_whole(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "odd.mp4", 3, size=(65, 49), draw=colourful, pixel_format="yuv444p")
    frames = read(VideoFile(clip))
    assert [frame.size for frame in frames] == [(65, 49)] * 3
    assert np.abs(frames[2].pixels.astype(int) - colourful(2, (65, 49))).mean() < 6


def test_colours_are_read_as_red_green_and_blue(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3, draw=colourful, pixel_format="yuv444p")
    for frame in read(VideoFile(clip)):
        assert np.abs(frame.pixels.astype(int) - colourful(frame.index)).mean() < 6


@pytest.mark.parametrize("size", [(32, 24), (160, 100), (17, 33)])
def test_a_file_is_scaled_to_the_requested_size(size: tuple[int, int], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3, draw=colourful)
    source = open_source(url=str(clip), size=size)
    assert source.size == size
    frames = read(source)
    assert [frame.size for frame in frames] == [size] * 3
    for channel in range(3):
        plain = colourful(0)[..., channel].mean()
        assert frames[0].pixels[..., channel].mean() == pytest.approx(plain, abs=8)


def test_an_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(colourful(0)).save(tmp_path / "still.png")
    (frame,) = read(VideoFile(tmp_path / "still.png"))
    np.testing.assert_array_equal(frame.pixels, colourful(0))


# rates ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Fraction(20), [0, 0, 1, 1, 2, 2, 3, 3]),
        (Fraction(10), [0, 1, 2, 3]),
        (Fraction(5), [0, 2]),
        (Fraction(15), [0, 1, 1, 2, 3, 3]),
    ],
)
def test_at_another_rate_frames_are_repeated_or_left_out_and_the_speed_is_kept(
    rate: Fraction, expected: list[int], tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 4, rate=Fraction(10))
    source = open_source(url=str(clip), rate=rate)
    assert source.info.frame_count == len(expected)
    assert source.rate == rate
    frames = read(source)
    assert len(frames) == len(expected)
    assert times(frames) == [index / rate for index in range(len(expected))]
    # each is the frame that is on the screen at that time, or the next one if it is due within the same tick
    assert numbers(frames)[0] == 0
    assert all(abs(number - float(at * 10)) <= 1 for number, at in zip(numbers(frames), times(frames), strict=True))


def test_a_file_whose_clock_begins_late_does_not_begin_with_a_still(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mov", 12, rate=Fraction(24), ticks=range(48, 60))
    assert times(read(VideoFile(clip)))[0] == 2
    frames = read(open_source(url=str(clip), rate=Fraction(12)))
    assert numbers(frames) == list(range(0, 12, 2))
    assert times(frames)[0] == 2


def test_the_clock_of_a_broadcast_begins_at_0(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.ts", 12, rate=Fraction(24), ticks=range(48, 60))
    assert times(read(VideoFile(clip)))[0] == 0


def test_a_shortfall_is_reported_at_another_rate_as_well(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "clip.avi", 20, draw=noisy, codec="mpeg4")
    source = open_source(url=str(cut_off(whole, 0.6)), rate=Fraction(5))
    read(source)
    assert source.shortfall is not None
    assert "damaged or cut off" in source.shortfall


# what cannot be read --------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    """Returns the error for a file that cannot be opened, or of which nothing can be read."""
    with pytest.raises(SourceError) as caught:
        read(open_source(url=str(path)))
    return str(caught.value)


def test_a_file_that_does_not_exist_gives_an_error_with_what_to_type(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    assert refused(path) == f"no file {path}; to see the bundled scene instead, type: nst-live -i test"


def test_an_empty_file_a_folder_and_a_text_are_called_what_they_are(tmp_path: Path) -> None:
    empty, text, notes = tmp_path / "empty.mp4", tmp_path / "text.mp4", tmp_path / "notes.txt"
    empty.touch()
    text.write_text("no video\n" * 100)
    notes.write_text("no video\n" * 100)
    assert refused(empty) == f"{empty} is empty (0 bytes)"
    assert refused(tmp_path) == f"{tmp_path} is a folder; expected a video file"
    assert refused(text) == f"{text} cannot be read as a video: Invalid data found when processing input"
    assert refused(notes) == f"{notes} cannot be read as a video: it is text"


def test_a_file_with_only_audio_contains_no_video(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.mp4")
    assert refused(sound) == f"{sound} contains no video; expected a video file or stream"


def test_a_file_that_lacks_its_table_of_contents_cannot_be_read(tmp_path: Path) -> None:
    cut = cut_off(write_clip(tmp_path / "clip.mp4", draw=noisy), 0.6)
    assert refused(cut) == f"{cut} cannot be read as a video: Invalid data found when processing input"


def test_a_file_cut_off_before_its_first_frame_gives_none(tmp_path: Path) -> None:
    cut = cut_off(write_clip(tmp_path / "clip.mkv", draw=noisy), 0.08)
    assert refused(cut) == f"no frame in {cut} could be decoded"


@pytest.mark.parametrize(
    ("name", "options"),
    [("clip.mp4", {"container_options": {"movflags": "faststart"}}), ("clip.avi", {"codec": "mpeg4"})],
)
def test_a_file_that_is_cut_off_is_read_up_to_there_and_says_how_far(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    options = {"codec_options": {"g": "5"}, **options}
    cut = cut_off(write_clip(tmp_path / name, 40, draw=noisy, **options), 0.6)
    source = VideoFile(cut)
    frames = read(source)
    assert 10 < len(frames) < 30
    # decoders with several threads do not say why
    assert str(source.shortfall).startswith(
        f"{cut} is damaged or cut off: only {len(frames)} of 40 frames could be read"
    )


def test_an_avi_from_which_frames_were_left_out_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4"),
            *("-vf", "select=not(eq(mod(n\\,5)\\,3))", "-fps_mode", "vfr", "-c:v", "mpeg4", path),
        ],
        check=True,
    )
    source = VideoFile(path)
    assert len(read(source)) == 80
    assert source.shortfall is None


@pytest.mark.parametrize(("name", "codec"), [("clip.mkv", "libx264"), ("clip.webm", "libvpx-vp9")], ids=["mkv", "webm"])
def test_a_matroska_file_that_is_cut_off_reports_it_by_its_duration(name: str, codec: str, tmp_path: Path) -> None:
    options = {"g": "10"} if codec == "libx264" else {"g": "10", "deadline": "realtime", "cpu-used": "8"}
    limits = {"cluster_time_limit": "500"}
    clip = write_clip(
        tmp_path / name, 40, rate=Fraction(10), draw=noisy, codec=codec, codec_options=options, container_options=limits
    )
    source = VideoFile(cut_off(clip, 0.6))
    frames = read(source)
    assert 10 < len(frames) < 30
    assert source.shortfall is not None
    read_s = len(frames) / 10
    assert source.shortfall.endswith(f"only {len(frames)} frames, {read_s:.1f} of 4.0 s, could be read")


def test_a_damaged_frame_does_not_end_the_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 30, draw=noisy, codec="mpeg4", codec_options={"g": "5"})
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    clip.write_bytes(data)
    assert read(VideoFile(clip))[-1].index >= 20


def test_a_cut_made_without_encoding_again_is_not_damage(tmp_path: Path) -> None:
    whole, trimmed = write_clip(tmp_path / "whole.mp4", 20), tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as source, av.open(str(trimmed), "w") as target:
        stream: Any = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            earlier = round(5 / NTSC / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - earlier, packet.dts - earlier, stream
            target.mux(packet)
    shown = VideoFile(trimmed)
    assert numbers(read(shown)) == list(range(5, 20))
    assert shown.shortfall is None


# streams --------------------------------------------------------------------------------------------------------------


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((SERVER, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def sender() -> Iterator[tuple[str, threading.Event]]:
    """The URL of a stream that is sent over UDP on this machine, and the event that stops it."""
    url, stop = f"udp://{SERVER}:{free_udp_port()}", threading.Event()

    def send() -> None:
        options = {"g": "5", "tune": "zerolatency"}
        with av.open(f"{url}?pkt_size=1316", "w", format="mpegts") as container:
            stream: Any = container.add_stream("libx264", rate=25, options=options)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            index = 0
            while not stop.wait(0.02):
                picture = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
                container.mux(stream.encode(picture))
                index += 1

    thread = threading.Thread(target=send)
    thread.start()
    yield url, stop
    stop.set()
    thread.join()


def test_a_stream_over_udp_is_live_and_reports_when_it_breaks_off(
    sender: tuple[str, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_stream, "_READ_TIMEOUT_S", 0.5)
    url, stop = sender
    with NetworkStream(url) as stream, FrameQueue(stream) as queue:
        assert stream.live
        assert stream.size == SIZE
        for _ in range(5):
            frame = queue.take(30)
            assert frame is not None
            assert frame.pixels.std() < 5, "each frame that is sent is of one grey"
        stop.set()
        with pytest.raises(SourceError, match=rf"the stream {url} broke off: nothing arrived in time"):
            list(iter(lambda: queue.take(30), None))


def test_a_file_behind_a_url_plays_at_its_own_speed_from_its_beginning(web: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "film.mp4", 30, rate=Fraction(20), container_options={"movflags": "faststart"})
    began_s = time.monotonic()
    with NetworkStream(f"{web}/film.mp4") as stream, FrameQueue(stream) as queue:
        shown = list(iter(lambda: queue.take(5), None))
    assert [number_of(frame.pixels) for frame in shown] == list(range(30))
    assert time.monotonic() - began_s > 29 / 20


def test_stopping_a_file_behind_a_url_does_not_wait_for_its_next_frame(web: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "film.mp4", 4, rate=Fraction(1, 3), container_options={"movflags": "faststart"})
    source = open_source(url=f"{web}/film.mp4")
    with source, FrameQueue(source) as queue:
        assert queue.take(5) is not None
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2.5


def test_a_lost_packet_of_audio_does_not_end_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4", "-f", "lavfi"),
            *("-i", "sine=d=4", "-c:v", "mpeg2video", "-c:a", "aac", "-bsf:a", "noise=amount=20", path),
        ],
        check=True,
    )
    feed = AudioFeed()
    queue = feed.subscribe()
    with NetworkStream(str(path), options=NetworkOptions(feed)) as stream:
        assert len(list(stream.frames())) >= 90
    assert queue.take_until(float("inf")), "some of it is undamaged"


@pytest.mark.parametrize("burst_s", [0.0, 0.4, 1.9])
def test_the_clock_of_a_stream_is_that_of_its_least_delayed_frame(burst_s: float) -> None:
    clock = StreamClock()
    for index in range(250):
        own_s = index / 25
        # what the server has buffered comes at once
        clock.observe(own_s, max(100 + burst_s, 100 + own_s) + (0.03 if index % 3 else 0.0))
    assert clock.began_s == pytest.approx(100, abs=0.001)
    assert clock.early_s(frame_time_s=10.2, now_s=110) == pytest.approx(0.2, abs=0.001)
    clock.observe(5000.0, 111.0)
    assert clock.began_s == pytest.approx(111 - 5000), "a clock that jumps has been reset"
    assert clock.early_s(frame_time_s=0.0, now_s=112) == 0


def test_every_frame_of_a_live_stream_is_decoded_before_the_next_one_comes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 9, codec_options={"bf": "0"})
    with av.open(str(path)) as container:
        packets = container.demux(open_video_stream(container, "clip", live=True))
        assert [len(packet.decode()) for packet in packets if packet.size] == [1] * 9


def test_a_stream_that_hangs_can_be_stopped(
    sender: tuple[str, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_stream, "_READ_TIMEOUT_S", 1.0)
    url, stop = sender
    with NetworkStream(url) as stream, FrameQueue(stream) as queue:
        assert queue.take(30) is not None
        stop.set()
        while queue.take(0.3) is not None:
            pass
    assert not [thread for thread in threading.enumerate() if thread.name == "source"]


def test_a_stream_over_http_ends_when_it_is_over(web: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.ts", PROBED + 20, codec_options=OFTEN)
    assert numbers(read(open_source(url=f"{web}/clip.ts")))[-20:] == [
        index % 40 for index in range(PROBED, PROBED + 20)
    ]


def test_a_stream_is_scaled_to_the_requested_size(web: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.ts", PROBED + 3, codec_options=OFTEN)
    assert {frame.size for frame in read(open_source(url=f"{web}/clip.ts", size=(32, 24)))} == {(32, 24)}


def test_a_stream_that_breaks_off_within_a_frame_fails_after_those_before(web: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "broken.ts", PROBED + 15, codec_options=OFTEN)
    frames: list[Frame] = []
    with NetworkStream(f"{web}/broken.ts") as source, pytest.raises(SourceError, match=r"/… broke off: "):
        frames.extend(source.frames())
    assert len(frames) >= 9


def test_a_stream_that_ends_before_its_first_frame_is_an_error(web: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 9, container_options={"movflags": "faststart"})
    head, mark, pictures = path.read_bytes().partition(b"mdat")
    path.write_bytes(head + mark + bytes(len(pictures)))
    with pytest.raises(SourceError, match=r"the stream .*/… ended before its first frame"):
        read(open_source(url=f"{web}/clip.mp4"))


def test_a_stream_that_does_not_exist_gives_an_error_with_its_host(web: str) -> None:
    with pytest.raises(SourceError, match=rf"cannot open the stream {web}/…: .*404"):
        open_source(url=f"{web}/none.ts")
    with pytest.raises(SourceError, match=r"cannot open the stream tcp://127\.0\.0\.1:1: Connection refused"):
        open_source(url="tcp://127.0.0.1:1")


def test_a_password_in_a_url_is_used_and_never_shown() -> None:
    with pytest.raises(SourceError, match=r"^cannot open the stream rtsp://127\.0\.0\.1:1/…: Connection refused"):
        open_source(url="rtsp://user:secret@127.0.0.1:1/live")


def test_a_web_page_is_not_a_stream(web: str) -> None:
    with pytest.raises(SourceError, match=rf"cannot open the stream {web}: Invalid data"):
        open_source(url=f"{web}/")
