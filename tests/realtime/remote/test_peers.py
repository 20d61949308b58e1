"""The painting reaches those who watch by WebRTC, and a camera that is sent by it is a source like any other.

The browser is aiortc here; tests/realtime/remote/test_browser.py has a real one.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from aioice.ice import StunProtocol
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_PLI, RtcpPsfbPacket, RtpPacket, pack_remb_fci

from realtime.frames import Frame
from realtime.media.live_vp8 import EncodedFrame
from realtime.queues import FrameQueue, SinkQueue
from realtime.remote.aiortc_seams import OUR_ADDRESS, PromptJitterBuffer
from realtime.remote.peers import MOST_VIEWERS, Ends, PeerError, Peers, TakenError, TooManyError
from realtime.sinks.web_video import WebVideo, open_web_video_queue
from realtime.sources.browser_camera import BrowserCamera, BrowserFeed, CameraMode
from tests.realtime.clips import number_of, numbered

SIZE = (160, 128)
HERE = Ends("127.0.0.1", "127.0.0.1")
PATIENCE_S = 30
# The connections of all pages of the test that runs.
_open: list[RTCPeerConnection] = []


@contextmanager
def painting() -> Iterator[WebVideo]:
    """A show that paints `numbered` frames, one after another, into a sink behind its queue."""
    video, over = WebVideo(), threading.Event()

    def paint(queue: SinkQueue) -> None:
        index = 0
        while not over.wait(1 / 30):
            pixels = numbered(index, SIZE)
            queue.write(pixels, Frame(pixels, index, time.monotonic()))
            index += 1

    with open_web_video_queue(video) as queue:
        painter = threading.Thread(target=paint, args=(queue,))
        painter.start()
        try:
            yield video
        finally:
            over.set()
            painter.join()
        assert queue.failure == ""


@asynccontextmanager
async def peers_of(video: WebVideo, feed: BrowserFeed | None = None) -> AsyncIterator[Peers]:
    peers = Peers(video, feed or BrowserFeed())
    try:
        yield peers
    finally:
        await peers.close()
        # their threads outlive a test that has failed, and the whole run would wait for them
        while _open:
            await _open.pop().close()


class Page:
    """Stands for a page: one connection that receives or sends a video."""

    def __init__(self, sends: MediaStreamTrack | None = None) -> None:
        OUR_ADDRESS.set("127.0.0.1")
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        _open.append(self.connection)
        self.track: MediaStreamTrack | None = None
        self.connection.on("track", self._keep)
        self.connection.addTransceiver(sends or "video", "recvonly" if sends is None else "sendonly")

    def _keep(self, track: MediaStreamTrack) -> None:
        self.track = track

    async def connect(self, ask: Callable[[str], Coroutine[Any, Any, str]]) -> None:
        await self.connection.setLocalDescription()
        answer = await ask(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def see(self, count: int) -> list[av.VideoFrame]:
        """Returns the next frames."""
        assert self.track is not None
        frames = []
        for _ in range(count):
            frame = await asyncio.wait_for(self.track.recv(), PATIENCE_S)
            assert isinstance(frame, av.VideoFrame)
            frames.append(frame)
        return frames


class Shutter(MediaStreamTrack):
    """A camera that takes `numbered` pictures of a size that may change."""

    kind = "video"

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        super().__init__()
        self.size, self.index = size, 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(1 / 30)
        frame = av.VideoFrame.from_ndarray(numbered(self.index, self.size), format="rgb24")
        frame.pts, frame.time_base = 3000 * self.index, Fraction(1, 90_000)
        self.index += 1
        return frame


async def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def reached() -> Iterator[set[str]]:
    """The addresses to which anything is sent from here on."""
    hosts: set[str] = set()
    watching = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            address = arguments[1]
            if isinstance(address, tuple):
                hosts.add(address[0])
        elif watching and event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            hosts.add(str(arguments[0]))

    sys.addaudithook(note)
    yield hosts
    watching = False


def test_two_browsers_see_each_painting_as_it_is_painted_and_a_third_is_refused(reached: set[str]) -> None:
    async def scenario(video: WebVideo) -> None:
        async with peers_of(video) as peers:
            first, second = Page(), Page()
            for page in (first, second):
                await page.connect(lambda offer: peers.watch(offer, HERE))
            # what the first frames show is too coarse to be read
            await first.see(3)
            frames = await first.see(20)
            assert {(frame.width, frame.height) for frame in frames} == {SIZE}
            numbers = [number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in frames]
            steps = {(after - before) % 40 for before, after in pairwise(numbers)}
            assert steps <= {1, 2, 3, 4}, numbers
            times = [float(frame.time or 0) for frame in frames]
            assert times == sorted(set(times)), "each has a time of its own"
            assert len(await second.see(3)) == 3
            assert peers.viewers == MOST_VIEWERS == video.watchers
            third = Page()
            with pytest.raises(TooManyError, match="2 browsers watch by WebRTC already"):
                await third.connect(lambda offer: peers.watch(offer, HERE))
            await first.connection.close()
            await until(lambda: peers.viewers == 1)
            assert video.watchers == 1
            await third.connect(lambda offer: peers.watch(offer, HERE))
            # it begins with a key frame
            await third.see(3)
            for page in (second, third):
                await page.connection.close()
        assert video.watchers == 0

    with painting() as video:
        asyncio.run(scenario(video))
    assert reached == {"127.0.0.1"}, "nobody else was asked or told anything"


def test_a_browser_that_stops_reading_costs_nothing_and_sees_the_newest_again() -> None:
    async def scenario(video: WebVideo) -> None:
        async with peers_of(video) as peers:
            page = Page()
            await page.connect(lambda offer: peers.watch(offer, HERE))
            await page.see(3)
            # the sender of the server stands still, as on a line that takes nothing
            (sender,) = (each for viewer in peers._viewers for each in viewer.getSenders())
            track: Any = sender.track
            taking, track.recv = track.recv, asyncio.Event().wait
            await until(lambda: track.watcher.needs_key)
            assert len(track._frames) <= 10
            track.recv = taking
            await page.connection.close()

    with painting() as video:
        asyncio.run(scenario(video))


def test_a_line_that_loses_packets_is_helped_by_what_is_sent_again_and_by_key_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, dice, is_lossy = StunProtocol.send_data, random.Random(1), threading.Event()

    async def lose(protocol: StunProtocol, data: bytes, address: tuple[str, int]) -> None:
        if not is_lossy.is_set() or dice.random() > 0.2:
            await send(protocol, data, address)

    async def scenario(video: WebVideo) -> None:
        async with peers_of(video) as peers:
            page = Page()
            await page.connect(lambda offer: peers.watch(offer, HERE))
            await page.see(2)
            is_lossy.set()
            frames = await page.see(40)
            is_lossy.clear()
            numbers = [number_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)) for frame in frames]
            assert len(set(numbers)) > 20
            await page.connection.close()

    monkeypatch.setattr(StunProtocol, "send_data", lose)
    with painting() as video:
        asyncio.run(scenario(video))


def test_a_browser_that_asks_for_a_key_frame_gets_one_and_its_limit_is_kept() -> None:
    async def scenario(video: WebVideo) -> None:
        async with peers_of(video) as peers:
            page = Page()
            await page.connect(lambda offer: peers.watch(offer, HERE))
            await page.see(2)
            (sender,) = (each for viewer in peers._viewers for each in viewer.getSenders())
            track: Any = sender.track
            received: list[bool] = []
            add = track._add

            def note(frame: EncodedFrame) -> None:
                received.append(frame.is_key)
                add(frame)

            track._add = note
            packet = RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=sender._ssrc)
            await sender._handle_rtcp_packet(packet)
            await until(lambda: any(received))
            limit = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=pack_remb_fci(400_000, [sender._ssrc]))
            await sender._handle_rtcp_packet(limit)
            assert track.watcher.limit == pytest.approx(400_000, rel=0.01)
            await page.connection.close()

    with painting() as video:
        asyncio.run(scenario(video))


@pytest.mark.parametrize("offer", ["", "x" * 100_000, "v=0\r\nm=audio 9 RTP/AVP 0\r\n", "v=0\r\nm=video 9 x 96\r\n"])
def test_an_offer_that_makes_no_sense_is_refused_in_one_line(offer: str) -> None:
    async def scenario() -> None:
        async with peers_of(WebVideo()) as peers:
            for ask in (peers.watch, peers.receive):
                with pytest.raises(PeerError) as refusal:
                    await ask(offer, HERE)
                assert "\n" not in str(refusal.value)
            assert peers.viewers == 0

    asyncio.run(scenario())


def test_nothing_is_sent_where_an_offer_points_to(reached: set[str]) -> None:
    """Else whoever may watch could let us knock at any door."""

    async def scenario(video: WebVideo) -> None:
        async with peers_of(video) as peers:
            page = Page()

            async def ask(offer: str) -> str:
                astray = offer.replace("127.0.0.1", "192.0.2.7")
                hidden = "a=candidate:1 1 udp 2130706431 3f6b5a54-0000-4000-8000-000000000000.local 9 typ host"
                answer = await peers.watch(f"{astray}{hidden}\r\na=end-of-candidates\r\n", HERE)
                assert "192.0.2.7" in astray
                return answer

            await page.connect(ask)
            await page.see(2)
            await page.connection.close()

    with painting() as video:
        asyncio.run(scenario(video))
    assert reached == {"127.0.0.1"}


class Viewer:
    """Reads a browser's camera through its queue, as the player does, in a thread of its own."""

    def __init__(self, feed: BrowserFeed, **how: Any) -> None:
        self.frames: list[Frame] = []
        self.source: BrowserCamera | None = None
        self._feed, self._how, self._over = feed, how, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with BrowserCamera(self._feed, **self._how) as self.source, FrameQueue(self.source) as queue:
            while not self._over.is_set():
                frame = queue.take(0.05)
                if frame is not None:
                    self.frames.append(frame)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


def test_a_phone_is_waited_for_lost_and_found_again_and_keeps_its_first_shape() -> None:
    feed = BrowserFeed()
    viewer = Viewer(feed)

    async def scenario() -> None:
        async with peers_of(WebVideo(), feed) as peers:
            phone = Page(camera := Shutter((96, 160)))
            # browsers begin with smaller pictures than their cameras take
            await phone.connect(lambda offer: peers.receive(offer, HERE, CameraMode((320, 192), 24)))
            await until(lambda: len(viewer.frames) > 5)
            assert viewer.source is not None
            assert viewer.source.size == (192, 320), "as it is held, and as large as it takes"
            assert viewer.source.rate == 24
            numbers = [number_of(frame.pixels) for frame in viewer.frames]
            assert all((after - before) % 40 < 10 for before, after in pairwise(numbers)), numbers
            assert viewer.source.status == ""
            camera.size = (160, 96)
            await until(lambda: viewer.frames[-1].pixels[0].max() < 20)
            turned = viewer.frames[-1].pixels
            assert turned.shape == (320, 192, 3), "between black bars"
            assert turned[160].mean() > 15
            await phone.connection.close()
            await until(lambda: viewer.source is not None and "lost, waiting" in viewer.source.status)
            assert viewer.source.status == (
                "the browser's camera lost, waiting; open the page there and press “Use this camera”"
            )
            seen = len(viewer.frames)
            again = Page(Shutter((96, 160)))
            await again.connect(lambda offer: peers.receive(offer, HERE))
            await until(lambda: len(viewer.frames) > seen + 5)
            assert viewer.source.status == ""
            await again.connection.close()
            assert {frame.size for frame in viewer.frames} == {(192, 320)}
            indices = [frame.index for frame in viewer.frames]
            assert indices == sorted(set(indices))

    try:
        asyncio.run(scenario())
    finally:
        viewer.close()


def test_the_last_camera_that_asked_is_the_one_that_is_seen() -> None:
    feed = BrowserFeed()
    viewer = Viewer(feed, size=SIZE)

    async def scenario() -> None:
        async with peers_of(WebVideo(), feed) as peers:
            first = Page(Shutter())
            await first.connect(lambda offer: peers.receive(offer, HERE))
            await until(lambda: len(viewer.frames) > 2)
            second = Page(dark := Shutter())
            dark.index = 20
            await second.connect(lambda offer: peers.receive(offer, HERE))
            await until(lambda: first.connection.connectionState in {"closed", "failed"})
            assert feed.is_connected
            seen = len(viewer.frames)
            await until(lambda: len(viewer.frames) > seen + 3)
            with pytest.raises(TakenError, match="the camera of another browser is painted now"):
                await peers.receive("", HERE, again=True)
            for page in (first, second):
                await page.connection.close()

    try:
        asyncio.run(scenario())
    finally:
        viewer.close()


def rtp_packet(number: int, timestamp: int, data: bytes, *, is_last: bool = False) -> RtpPacket:
    packet = RtpPacket(sequence_number=number, timestamp=timestamp, marker=int(is_last))
    packet._data = data  # type: ignore[attr-defined]
    return packet


def test_a_frame_is_there_when_its_last_packet_is_and_whole_whatever_their_order() -> None:
    buffer = PromptJitterBuffer(capacity=16, is_video=True)
    first = [rtp_packet(0, 100, b"a"), rtp_packet(1, 100, b"b"), rtp_packet(2, 100, b"c", is_last=True)]
    # between frames there may be packets that only fill the line
    rest = [rtp_packet(3, 100, b""), rtp_packet(5, 200, b"e", is_last=True), rtp_packet(4, 200, b"d")]
    found = [buffer.add(packet)[1] for packet in (*first, *rest)]
    assert [None if frame is None else (frame.data, frame.timestamp) for frame in found] == [
        *(None, None, (b"abc", 100)),
        *(None, None, (b"de", 200)),
    ]
    # a frame without a mark at its end is complete when the next one begins
    assert [buffer.add(packet)[1] for packet in (rtp_packet(6, 300, b"f"), rtp_packet(7, 400, b"g"))][1] is not None


def test_the_sink_encodes_for_nobody_while_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    video = WebVideo()
    monkeypatch.setattr("realtime.media.live_vp8.LiveVp8.encode", lambda *_, **__: pytest.fail("it encodes"))
    video.write(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), Frame(np.zeros((2, 2, 3), np.uint8), 0, 0.0))
