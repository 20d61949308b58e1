"""Networks as they are: cameras refuse TCP, packets are lost, streams come late or are read too slowly."""

from __future__ import annotations

import subprocess
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
from av.bitstream import BitStreamFilterContext

from realtime.frames import Pixels
from realtime.media.decoding import SourceError, open_video_stream
from realtime.media.h264 import FrameNumbers
from realtime.queues import FrameQueue
from realtime.sources.network_stream import NetworkOptions, NetworkStream
from realtime.sources.stream_clock import Backlog, StreamClock
from realtime.sources.stream_damage import WholePictures
from tests.realtime.clips import number_of, numbered
from tests.realtime.conftest import NstLive
from tests.realtime.rtsp_server import RtspServer
from tests.realtime.servers import TcpStream

SIZE, RATE, GROUP = (320, 240), 25, 25
PATIENCE_S = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of H.264 in MPEG-TS, with a key picture every second and none elsewhere."""
    path = tmp_path_factory.mktemp("camera") / "camera.ts"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={RATE}:d=30,noise=alls=6",
    ]
    command += [
        "-c:v",
        "libx264",
        "-g",
        str(GROUP),
        "-sc_threshold",
        "0",
        "-tune",
        "zerolatency",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run([*command, "-x264-params", "sliced-threads=0", str(path)], check=True)
    return path


# by TCP or UDP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "has", "asked"),
    [
        ("auto", ("tcp", "udp"), ["tcp"]),
        ("auto", ("udp",), ["tcp", "udp"]),
        ("udp", ("tcp", "udp"), ["udp"]),
        ("tcp", ("tcp", "udp"), ["tcp"]),
    ],
)
def test_a_camera_is_asked_for_tcp_first_unless_somebody_says_otherwise(
    transport: str, has: tuple[str, ...], asked: list[str], clip: Path
) -> None:
    with (
        RtspServer(clip, has) as server,
        NetworkStream(server.url, options=NetworkOptions(transport=transport)) as stream,
    ):
        frames = stream.frames()
        assert [next(frames).size for _ in range(3)] == [SIZE] * 3
        assert server.asked == asked


def test_a_camera_that_refuses_the_only_transport_that_is_asked_for_is_an_error(clip: Path) -> None:
    with RtspServer(clip, ("udp",)) as server, pytest.raises(SourceError, match="cannot open the stream rtsp://"):
        NetworkStream(server.url, options=NetworkOptions(transport="tcp"))
    assert server.asked == ["tcp"]


def test_the_transport_is_an_option(clip: Path, identity: Path, nst_live: NstLive) -> None:
    with RtspServer(clip) as server:
        options = ["--rtsp-transport", "udp", "--style", identity, "--no-window", "--frames", "3", "-o", "seen.mkv"]
        result = nst_live("-i", server.url, *options)
        assert result.code == 0, result.err
        assert server.asked == ["udp"]


# what is lost ---------------------------------------------------------------------------------------------------------


class Encoded:
    """H.264 of which packets can be lost on the way: `packets[k]` is picture k, and `clean[k]` what it shows."""

    def __init__(self, clip: Path) -> None:
        self.packets: list[Any] = []
        with av.open(str(clip)) as container:
            self.packets = [packet for packet in container.demux(video=0) if packet.size]
        self.container = av.open(str(clip))
        self.video = open_video_stream(self.container, "camera", live=True)

    def shown(self, lose: Callable[[int, bytes], bytes]) -> list[int]:
        """Returns which pictures are taken for whole if each packet is changed by `lose`; b"" if it is lost."""
        whole, shown = WholePictures(self.video), []
        for index, packet in enumerate(self.packets):
            data = lose(index, bytes(packet))
            if not data:
                continue
            arrived: Any = av.Packet(data)
            arrived.stream, arrived.pts, arrived.dts, arrived.time_base = (
                self.video,
                packet.pts,
                packet.dts,
                packet.time_base,
            )
            arrived.is_keyframe = packet.is_keyframe
            shown += [index for _ in whole.decode(arrived, index / RATE)]
        return shown


@pytest.fixture
def encoded(clip: Path) -> Iterator[Encoded]:
    sent = Encoded(clip)
    yield sent
    sent.container.close()


FRAGMENT = 1200


def without_fragment(data: bytes, which: str) -> bytes:
    """Returns a picture of which one datagram is lost."""
    parts = [data[begin : begin + FRAGMENT] for begin in range(0, len(data), FRAGMENT)]
    del parts[{"middle": len(parts) // 2, "last": len(parts) - 1}[which]]
    return b"".join(parts)


@pytest.mark.parametrize("lost", ["middle", "last", "whole"])
def test_after_a_loss_nothing_is_shown_until_the_next_key_picture(lost: str, encoded: Encoded) -> None:
    losses = {60, 132, 210, 333, 420}

    def lose(index: int, data: bytes) -> bytes:
        if index not in losses:
            return data
        return b"" if lost == "whole" else without_fragment(data, lost)

    hidden = {each for loss in losses for each in range(loss, (loss // GROUP + 1) * GROUP)}
    assert encoded.shown(lambda _index, data: data) == list(range(len(encoded.packets)))
    assert encoded.shown(lose) == [each for each in range(len(encoded.packets)) if each not in hidden]


def test_a_key_picture_that_is_damaged_itself_heals_nothing(encoded: Encoded) -> None:
    damaged = 4 * GROUP
    shown = encoded.shown(lambda index, data: without_fragment(data, "middle") if index == damaged else data)
    assert set(range(len(encoded.packets))) - set(shown) == set(range(damaged, damaged + GROUP))


def test_a_stream_without_key_pictures_is_not_hidden_for_ever(encoded: Encoded) -> None:
    # only the first picture is a key picture, as it is with cameras that renew the picture bit by bit
    for packet in encoded.packets[1:]:
        packet.is_keyframe = False
    first = encoded.packets[:GROUP]
    encoded.packets = [*first, *(first[1:] * 30)]
    shown = encoded.shown(lambda index, data: b"" if index == 10 else data)
    assert shown[9] == 9
    assert 10 * RATE < shown[10] <= 12 * RATE, "numbers that are wrong all the time are shown again after ten seconds"


def test_packets_of_a_broadcast_that_are_lost_are_noticed(clip: Path, tmp_path: Path) -> None:
    data, damaged = clip.read_bytes(), tmp_path / "damaged.ts"
    packets = [data[begin : begin + 188] for begin in range(0, len(data), 188)]
    damaged.write_bytes(b"".join(each for index, each in enumerate(packets) if index % 1000 != 500))
    clean, seen = whole_pictures(clip), whole_pictures(damaged)
    assert len(seen) < len(clean) - 30
    for pts, pixels in seen.items():
        assert np.abs(pixels.astype(int) - clean[pts]).mean() < 1, pts


def whole_pictures(path: Path) -> dict[int, Pixels]:
    """Returns the pictures of a file that are taken for whole, by their time."""
    with av.open(str(path)) as container:
        video = open_video_stream(container, "camera", live=True)
        whole = WholePictures(video)
        return {
            picture.pts: picture.to_ndarray(format="gray")
            for packet in container.demux(video)
            for picture in whole.decode(packet, 0.0)
        }


@pytest.mark.long
def test_no_picture_of_a_camera_is_damaged_while_the_network_loses_packets(clip: Path) -> None:
    with av.open(str(clip)) as container:
        clean = np.stack([small(each.to_ndarray(format="rgb24")) for each in container.decode(video=0)])
    with RtspServer(clip, ("udp",)) as server, NetworkStream(server.url) as stream:
        for frame in stream.frames():
            if frame.index == 5:
                server.losing.set()
            # the noise makes each picture of the clip another one
            assert np.abs(clean - small(frame.pixels)).mean(axis=(1, 2, 3)).min() < 3, frame.index
            if frame.index > 60 and not server.losing.is_set():
                break
        assert server.lost == server.lose_at_most


def small(pixels: Any) -> Any:
    return pixels[::4, ::4].astype(np.int16)


def units(path: Path) -> Iterator[bytes]:
    """Yields the pictures of a file as RTP has them."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        to_start_codes = BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in container.demux(video):
            if packet.size:
                yield from map(bytes, to_start_codes.filter(packet))


@pytest.mark.parametrize(
    "options",
    [
        {"profile": "baseline"},
        {"profile": "main", "bf": "2"},
        {"profile": "high", "bf": "2", "x264-params": "b-pyramid=none"},
        {"profile": "high444", "x264-params": "cqm=jvt"},
        {"profile": "high", "tune": "zerolatency"},
    ],
    ids=str,
)
def test_no_gap_is_seen_where_there_is_none_and_each_where_a_picture_is_missing(
    options: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    pixel_format = "yuv444p" if options["profile"] == "high444" else "yuv420p"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"g": "40", "sc_threshold": "0", **options})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for index in range(120):
            picture = av.VideoFrame.from_ndarray(numbered(index), format="rgb24").reformat(format=pixel_format)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    sent = list(units(path))
    numbers = FrameNumbers()
    assert [numbers.is_gap(unit) for unit in sent] == [False] * len(sent)
    builds_on = [index for index, unit in enumerate(sent) if is_reference(unit) and 0 < index % 40 < 30]
    missing = builds_on[len(builds_on) // 2]
    numbers = FrameNumbers()
    gaps = [index for index, unit in enumerate(sent) if index != missing and numbers.is_gap(unit)]
    assert gaps
    assert missing < gaps[0] <= missing + 3


def is_reference(unit: bytes) -> bool:
    """Returns whether other pictures are built on a picture: two bits in the head of its last unit."""
    return bool(unit[unit.rindex(b"\0\0\1") + 3] & 0x60)


# what is late ---------------------------------------------------------------------------------------------------------


def test_the_clock_does_not_forget_while_nothing_comes() -> None:
    clock = StreamClock()
    for index in range(100):
        clock.observe(index / 25, 100 + index / 25)
    # the network stalls for three seconds, and what was sent meanwhile comes at once
    for index in range(100, 175):
        clock.observe(index / 25, 107)
        assert clock.sent_at_s(index / 25, 107) == pytest.approx(100 + index / 25)


def test_a_camera_that_makes_up_its_times_is_not_believed() -> None:
    clock = StreamClock()
    for index in range(25 * 40):
        # it gives 20 frames a second and stamps them as if they were 25
        clock.observe(index / 25, 100 + index / 20)
    assert clock.sent_at_s(40.0, 151.0) == 151.0


def test_a_sender_that_stalls_for_longer_than_is_believed_starts_a_new_clock() -> None:
    clock = StreamClock()
    clock.observe(1.0, 101.0)
    clock.observe(2.0, 110.0)
    assert clock.sent_at_s(2.0, 110.0) == 110.0


def test_what_is_read_too_slowly_is_dropped_up_to_the_live_edge() -> None:
    backlog, now_s = Backlog(), 0.0
    for _ in range(60):
        now_s += 0.04
        backlog.observe(0.03, now_s)
        assert not backlog.skipping, "most of the time goes by in waiting"
    for _ in range(60):
        now_s += 0.04
        backlog.observe(0.0001, now_s)
    assert backlog.skipping
    backlog.observe(0.0001, now_s + 0.001)
    assert backlog.skipping
    backlog.observe(0.02, now_s + 0.02)
    assert not backlog.skipping


@pytest.fixture
def timed(tmp_path: Path) -> Path:
    """Twenty seconds with a key picture every second, in which each second has a shade of its own."""
    path = tmp_path / "timed.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=RATE, options={"g": str(RATE), "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20 * RATE):
            picture = av.VideoFrame.from_ndarray(numbered(index // RATE), format="rgb24").reformat(format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(picture))
    return path


@pytest.mark.long
def test_a_slow_decoder_drops_what_is_late_and_stays_live(timed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = WholePictures.decode

    def slowly(whole: WholePictures, packet: Any, now_s: float) -> Any:
        time.sleep(0.06)  # 16 pictures a second, of 25 that come
        return decode(whole, packet, now_s)

    monkeypatch.setattr(WholePictures, "decode", slowly)
    with Sender(timed) as sender, NetworkStream(sender.url) as stream, FrameQueue(stream) as queue:
        behind = []
        with suppress(SourceError):  # it ends by being cut off
            while (frame := queue.take(PATIENCE_S)) is not None:
                if 12 <= sender.second < 19:
                    behind.append(sender.second - number_of(frame.pixels))
    # without dropping it would fall behind by a second in every three
    assert behind
    assert max(behind) <= 3, behind


@pytest.mark.long
def test_after_a_stall_a_picture_is_as_old_as_its_sending(timed: Path) -> None:
    with Sender(timed, stalls_at=8) as sender, NetworkStream(sender.url) as stream, suppress(SourceError):
        ages: dict[int, float] = {}
        for frame in stream.frames():
            second = number_of(frame.pixels)
            ages.setdefault(second, time.monotonic() - frame.captured_at_s)
            if second == 9:
                break
    assert ages[8] > 1, "it was sent before the network stalled"


class Sender:
    """Sends a clip in real time to one player. `second`: which second of it is being sent.

    stalls_at: the second in which nothing arrives for two seconds, and then all at once.
    """

    def __init__(self, clip: Path, stalls_at: int | None = None) -> None:
        self._stalls_at = stalls_at
        self._server = TcpStream(clip)
        self.url, self.second = self._server.url, 0
        self._server._send = self._send  # type: ignore[method-assign]

    def __enter__(self) -> Sender:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.cut()

    def _send(self, player: Any, data: bytes) -> None:
        player.settimeout(PATIENCE_S)
        parts = packets_of(data, 20)
        begin_s = time.monotonic()
        for second, part in enumerate(parts):
            self.second = second
            if second == self._stalls_at:
                time.sleep(2)
            for tenth in range(10):
                player.sendall(part[len(part) * tenth // 10 : len(part) * (tenth + 1) // 10])
                if self._server._cut.wait(max(0.0, begin_s + second + tenth / 10 + 0.1 - time.monotonic())):
                    return
        self._server._cut.set()


def packets_of(data: bytes, seconds: int) -> list[bytes]:
    """Returns the parts of a broadcast of so many seconds, each of whole packets."""
    count = len(data) // 188
    edges = [188 * (count * second // seconds) for second in range(seconds + 1)]
    return [data[begin:end] for begin, end in pairwise(edges)]
