"""A stream arrives as it is painted, survives every outage of its server, and holds nothing up."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.frames import Frame, Pixels
from realtime.media.encoders import Encoding, encoder_options
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks import stream as stream_module
from realtime.sinks.stream import REPEAT_S, Stream, StreamError, check_stream_url
from realtime.sinks.stream_process import SERVICES, Output, StreamRate, StreamTarget, _encoding
from realtime.sources.scene import LOOP_FRAMES, Scene
from tests.realtime.clips import SIZE, colourful, number_of, numbered, read_clip
from tests.realtime.conftest import NstLive
from tests.realtime.servers import HOST, RtmpServer, TlsFront, free_port, no_nginx_reason

PATIENCE_S = 60
RATE = Fraction(25)
NEEDS_NGINX = pytest.mark.skipif(no_nginx_reason() is not None, reason=str(no_nginx_reason()))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RtmpServer]:
    """A running RTMP server."""
    folder = tmp_path / "server"
    folder.mkdir()
    rtmp = RtmpServer(folder)
    rtmp.start()
    yield rtmp
    rtmp.kill()


class OnAir:
    """A live source for a stream: a thread that writes numbered frames at RATE through a queue, until left."""

    def __init__(self, url: str, draw: Callable[[int, tuple[int, int]], Pixels] = numbered) -> None:
        self.stream = Stream(url, SIZE, RATE)
        self.queue = SinkQueue(self.stream, "stream", QueuePolicy(repeat_s=REPEAT_S), hurry=self.stream.hurry)
        self.statuses: list[str] = []
        self.index = 0
        self._draw = draw
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._film)

    def __enter__(self) -> OnAir:
        self.stream.__enter__()
        self.queue.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()
        self.queue.__exit__(None, None, None)
        self.stream.__exit__(None, None, None)

    def _film(self) -> None:
        while not self._leaving.wait(float(1 / RATE)):
            pixels = self._draw(self.index, SIZE)
            self.queue.write(pixels, Frame(pixels, self.index, time.monotonic()))
            if self.stream.status not in self.statuses[-1:]:
                self.statuses.append(self.stream.status)
            self.index += 1

    def film(self, count: int) -> None:
        """Waits until `count` more frames were written."""
        target = self.index + count
        self.until(lambda: self.index >= target)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline_s, self.statuses
            time.sleep(0.01)

    def until_live(self, connections: int = 1) -> None:
        self.until(lambda: self.stream.connections >= connections and self.stream.status.startswith("on air"))


def in_turn(numbers: list[int]) -> bool:
    """Returns whether numbers, which start again after 39, increase by a few at a time."""
    return all((later - earlier) % 40 <= 5 for earlier, later in pairwise(numbers))


@NEEDS_NGINX
def test_a_server_receives_the_painted_frames_in_their_size_rate_and_colors(
    server: RtmpServer, negative: Path, tmp_path: Path, nst_live: NstLive
) -> None:
    size = (96, 64)
    result = nst_live(
        "-i", "test", "--size", "96x64", "--style", negative, "--no-window", "--stream", server.url, "--frames", "150"
    )
    assert result.code == 0
    assert f"on air at rtmp://{HOST} (" in result.err
    assert "secret-key" not in result.err
    (recording,) = server.recordings()
    clip = read_clip(recording)
    assert (clip.codec, clip.size) == ("h264", size)
    assert len(clip.pictures) > 30
    # each frame has the time at which it was due, at 30 a second; one that was painted too late is missing
    steps = np.array([float(later - earlier) for earlier, later in pairwise(clip.times)]) * 30
    assert np.median(np.abs(steps - np.maximum(1, np.round(steps)))) < 0.05
    scene = Scene(*size)
    wanted = [255 - scene.draw(index).astype(int) for index in range(LOOP_FRAMES)]
    assert min(np.abs(clip.pictures[-1] - painted).mean() for painted in wanted) < 9
    with av.open(str(recording)) as container:
        (sound,) = container.streams.audio
        assert sound.codec_context.name == "aac", "without audio, silence is sent"


@NEEDS_NGINX
def test_a_server_that_is_killed_and_comes_back_costs_no_more_than_the_outage(server: RtmpServer) -> None:
    with OnAir(server.url) as show:
        show.until_live()
        show.film(40)
        server.kill()
        killed_at = show.index
        show.until(lambda: "trying again" in show.stream.status)
        show.film(20)
        server.start()
        show.until_live(connections=2)
        back_at = show.index
        show.film(40)
    first, second = (read_clip(path).numbers for path in server.recordings())
    assert in_turn(first)
    assert in_turn(second)
    # nginx buffers a second or so before it writes it
    assert (killed_at - first[-1]) % 40 < 39
    assert len(second) >= 40
    assert (show.index - second[-1]) % 40 <= 3
    # what waited in the queue while it connected is sent as well
    assert (second[0] - back_at + 10) % 40 <= 14
    assert any("Broken pipe" in text or "reset" in text.lower() for text in show.statuses)
    assert "secret-key" not in "".join(show.statuses)


@NEEDS_NGINX
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_server_behind_tls_is_streamed_to(server: RtmpServer, tmp_path: Path) -> None:
    with TlsFront(tmp_path, server.port) as front, OnAir(f"rtmps://{HOST}:{front.port}/live/secret-key") as show:
        show.until_live()
        assert show.stream.status.startswith(f"on air at rtmps://{HOST} (")
        show.film(30)
    assert in_turn(read_clip(server.recordings()[-1]).numbers)


@NEEDS_NGINX
def test_a_stream_begins_before_its_server_and_connects_once_that_is_up(server: RtmpServer) -> None:
    server.kill()
    with OnAir(server.url) as show:
        show.until(lambda: "Connection refused" in show.stream.status)
        assert show.stream.status == "off air: Connection refused; trying again"
        server.start()
        show.until_live()
        show.film(20)
    assert in_turn(read_clip(server.recordings()[-1]).numbers)


@NEEDS_NGINX
def test_while_no_frame_comes_the_last_one_is_sent_again(server: RtmpServer) -> None:
    sent = numbered(7)
    with Stream(server.url, SIZE, RATE) as stream, SinkQueue(stream, "stream", QueuePolicy(repeat_s=0.05)) as queue:
        queue.write(sent, Frame(sent, 0, time.monotonic()))
        deadline_s = time.monotonic() + PATIENCE_S
        while not stream.connections:
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        time.sleep(0.6)
    (recording,) = server.recordings()
    clip = read_clip(recording)
    assert len(clip.pictures) >= 5
    assert set(clip.numbers) == {7}


@NEEDS_NGINX
def test_a_second_frame_that_comes_late_breaks_nothing(server: RtmpServer) -> None:
    with Stream(server.url, SIZE, RATE) as stream:
        for index, after_s in enumerate((0, 0, 0.8, 0.04, 1.5)):
            time.sleep(after_s)
            stream.write(numbered(index), Frame(numbered(index), index, time.monotonic()))
            assert stream.status.startswith("on air"), stream.status
    (recording,) = server.recordings()
    assert read_clip(recording).numbers == [1, 2, 3, 4], "the first frame was old once it had connected"


@NEEDS_NGINX
def test_after_a_failure_the_old_connection_is_closed_so_that_the_server_accepts_the_new_one(
    server: RtmpServer,
) -> None:
    with OnAir(server.url) as show:
        show.until_live()
        show.film(10)
        show.queue.write(np.zeros((4, 4), np.uint8), Frame(numbered(0), 0, time.monotonic()))
        show.until_live(connections=2)
        show.film(20)
        assert show.stream.connections == 2
    assert len(server.recordings()) == 2


def receive(url: str, count: int, options: dict[str, str] | None = None) -> list[Pixels]:
    """Returns `count` frames of a stream, as a player would show them."""
    with av.open(url, options=options or {}, timeout=(PATIENCE_S, PATIENCE_S)) as container:
        stream: Any = container.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == SIZE
        pictures = []
        for picture in container.decode(stream):
            pictures.append(picture.to_ndarray(format="rgb24"))
            if len(pictures) == count:
                break
        return pictures


def test_a_receiver_of_mpeg_ts_over_udp_may_leave_and_come_back() -> None:
    url = f"udp://{HOST}:{free_port(socket.SOCK_DGRAM)}"
    with OnAir(url) as show:
        first = [number_of(picture) for picture in receive(url, 30)]
        show.film(15)
        second = [number_of(picture) for picture in receive(url, 30)]
        assert show.stream.connections == 1
        assert show.stream.status.startswith(f"on air at udp://{HOST} (")
    assert in_turn(first)
    assert in_turn(second)


def test_a_stream_goes_off_the_air_when_that_is_asked_for_and_comes_back() -> None:
    with OnAir(f"udp://{HOST}:{free_port()}") as show:
        show.until_live()
        show.stream.is_off = True
        show.until(lambda: show.stream.status == f"off air at udp://{HOST}: switched off")
        show.film(10)
        assert show.stream.connections == 1
        show.stream.is_off = False
        show.until_live(connections=2)


def test_noise_takes_the_requested_bit_rate() -> None:
    size, rate, seconds = (320, 240), Fraction(30), 4
    rng = np.random.default_rng(0)
    noise = [np.ascontiguousarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)) for _ in range(10)]
    sent = []
    for bit_rate in (None, 4_000_000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
            receiver.bind((HOST, 0))
            receiver.setblocking(False)
            url = f"udp://{HOST}:{receiver.getsockname()[1]}"
            broadcast = Output(StreamTarget(url, size, rate, bit_rate=StreamRate(bit_rate)))
            received = 0
            for number in range(seconds * int(rate)):
                broadcast.write(noise[number % len(noise)], number / float(rate))
                with suppress(BlockingIOError):
                    while True:
                        received += len(receiver.recv(2**16))
            sent.append(8 * received / seconds)
            broadcast.close()
    assert sent[0] < 1_000_000
    assert 2_500_000 < sent[1] < 6_000_000


def bits_per_second(constant: bool | None, actual_rate: int, seconds: int = 6) -> float:
    """Returns what a still takes at a requested rate of 2 Mbit/s, if frames come at `actual_rate`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        receiver.bind((HOST, 0))
        receiver.setblocking(False)
        url, rate = f"udp://{HOST}:{receiver.getsockname()[1]}", StreamRate(2_000_000, constant)
        broadcast, received = Output(StreamTarget(url, (320, 240), RATE, bit_rate=rate)), 0
        for number in range(seconds * actual_rate):
            broadcast.write(numbered(7, (320, 240)), number / actual_rate)
            with suppress(BlockingIOError):
                while True:
                    received += len(receiver.recv(2**16))
        broadcast.close()
    return 8 * received / seconds


@pytest.mark.parametrize("actual_rate", [25, 5])
def test_a_still_is_filled_up_to_a_constant_bit_rate_whatever_the_rate_of_frames(actual_rate: int) -> None:
    assert bits_per_second(constant=True, actual_rate=actual_rate) == pytest.approx(2_000_000, rel=0.2)


def test_a_still_takes_little_where_nobody_wants_a_constant_bit_rate() -> None:
    assert bits_per_second(constant=None, actual_rate=25) < 600_000


@pytest.mark.parametrize(
    ("scheme", "wanted", "constant"),
    [
        ("rtmp", None, True),
        ("rtmps", None, True),
        ("udp", None, False),
        ("rtsp", None, False),
        ("rtmp", False, False),
        ("udp", True, True),
    ],
)
def test_services_get_a_constant_bit_rate_unless_somebody_says_otherwise(
    scheme: str, wanted: bool | None, constant: bool
) -> None:
    target = StreamTarget(f"{scheme}://host/app/key", SIZE, RATE, bit_rate=StreamRate(constant=wanted))
    assert _encoding("libx264", target, SERVICES[scheme]).constant_bit_rate == constant


def test_nvidia_pads_too() -> None:
    options = encoder_options("h264_nvenc", Encoding(bit_rate=2_000_000, constant_bit_rate=True), RATE)
    assert (options["rc"], options["cbr_padding"]) == ("cbr", "1")


def test_colors_arrive_over_udp() -> None:
    url = f"udp://{HOST}:{free_port(socket.SOCK_DGRAM)}"
    still = colourful(0)
    with OnAir(url, draw=lambda _index, _size: still):
        received = receive(url, 3)[-1]
    assert np.abs(received.astype(int) - still).mean() < 9


def test_an_rtsp_server_receives_the_stream() -> None:
    url = f"rtsp://{HOST}:{free_port()}/live"
    received: list[Pixels] = []
    listen = {"rtsp_flags": "listen", "rtsp_transport": "tcp", "listen_timeout": str(PATIENCE_S)}
    player = threading.Thread(target=lambda: received.extend(receive(url, 20, listen)))
    player.start()
    with OnAir(url) as show:
        show.until_live()
        player.join(PATIENCE_S)
    assert in_turn([number_of(picture) for picture in received])
    assert len(received) == 20


def test_a_server_that_does_not_answer_is_given_up_and_the_run_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_ANSWER_TIMEOUT_S", 1.0)
    with socket.create_server((HOST, 0)) as silent:
        with OnAir(f"rtmp://{HOST}:{silent.getsockname()[1]}/live/key") as show:
            show.until(lambda: "no answer within 1 s" in show.stream.status)
            show.film(10)
            begun = show.stream._child
        assert begun is None or begun.pipe.closed


def test_leaving_is_immediate_while_the_server_does_not_answer() -> None:
    with socket.create_server((HOST, 0)) as silent:
        with OnAir(f"rtmp://{HOST}:{silent.getsockname()[1]}/live/key") as show:
            show.until(lambda: show.stream._child is not None)
        assert show.stream._child is None
        assert not [thread for thread in threading.enumerate() if thread.name == "stream"]


def test_a_sending_process_that_dies_is_started_again() -> None:
    url = f"udp://{HOST}:{free_port(socket.SOCK_DGRAM)}"
    with OnAir(url) as show:
        show.until_live()
        assert show.stream._child is not None
        show.stream._child.process.kill()
        show.until_live(connections=2)
    assert any("the sending process died" in text for text in show.statuses)


@pytest.mark.parametrize("url", ["http://host/secret-key", "rtmp:/secret-key", "live", "", "rtmp://", "file:///tmp/x"])
def test_a_url_that_cannot_be_streamed_to_gives_an_error_with_those_that_can(url: str, nst_live: NstLive) -> None:
    with pytest.raises(StreamError):
        check_stream_url(url)
    result = nst_live("-i", "test", "--no-window", "--stream", url)
    assert result.code == 2
    expected = "expected e.g. rtmp://HOST/APP/KEY, with one of rtmp://, rtmps://, rtsp://, udp://"
    assert result.complaint == f"nst-live: cannot stream to this address; {expected}"
    assert "secret" not in result.err
