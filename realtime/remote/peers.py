"""WebRTC: the painting to browsers with little delay, and the camera of a browser as a source.

All of it runs in one asyncio thread, that of the server. A `WebVideo` gives the painting, and a `BrowserFeed` takes
what a camera sends; neither waits for the other side.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aioice.ice
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RTCP_PSFB_APP, RTCP_PSFB_FIR, RTCP_PSFB_PLI, RtcpPsfbPacket, unpack_remb_fci

from realtime.media.live_vp8 import EncodedFrame
from realtime.media.rates import LIVE_TIME_BASE
from realtime.sinks.web_video import Watcher, WebVideo
from realtime.sources.browser_camera import BrowserFeed, CameraMode

# More would take the processor from the net; who comes later gets JPEGs, of which each is made once for all.
MOST_VIEWERS = 2
# A browser that has not connected by then never will.
_CONNECT_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 2.0
# What a browser offers for one video has a few kilobytes.
_LONGEST_OFFER = 32_768
# Frames that wait for a line: if there are more, it has stalled.
_MOST_WAITING = 10
_CANDIDATE = re.compile(r"a=candidate:(\S+) (\S+) udp (\S+) (\S+) (\S+) typ host\b", re.IGNORECASE)


class PeerError(ValueError):
    """A browser cannot be connected: its offer makes no sense."""


class TooManyViewersError(PeerError):
    """As many as there may be watch by WebRTC already."""


@dataclass(frozen=True)
class Ends:
    """The two addresses of the connection on which a browser asked.

    Args:
        ours: where it reached us; the only address from which it is sent anything.
        its: where it is.
    """

    ours: str
    its: str


# The address that a connection may use. By itself aioice takes all of the machine but the loopback address.
OUR_ADDRESS: ContextVar[str | None] = ContextVar("our_address", default=None)
_all_addresses = aioice.ice.get_host_addresses


def _addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    ours = OUR_ADDRESS.get()
    return _all_addresses(use_ipv4, use_ipv6) if ours is None else [ours]


aioice.ice.get_host_addresses = _addresses


class PaintingTrack(MediaStreamTrack):
    """What one viewer gets: encoded frames, as a `WebVideo` makes them.

    Args:
        video: where they come from.
    """

    kind = "video"

    def __init__(self, video: WebVideo) -> None:
        super().__init__()
        self._server_loop = asyncio.get_running_loop()
        self._video, self.watcher = video, Watcher(self._receive)
        self._frames: deque[EncodedFrame] = deque()
        self._filled = asyncio.Event()
        video.add(self.watcher)

    async def recv(self) -> av.Packet[Any]:
        """Returns the next frame.

        Raises:
            MediaStreamError: the track has been stopped.
        """
        while not self._frames:
            if self.readyState != "live":
                raise MediaStreamError
            self._filled.clear()
            await self._filled.wait()
        frame = self._frames.popleft()
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = frame.pts, LIVE_TIME_BASE
        return packet

    def stop(self) -> None:
        """Takes no more frames."""
        self._video.remove(self.watcher)
        super().stop()
        self._filled.set()

    def _receive(self, frame: EncodedFrame) -> None:
        # the loop is closed while the show ends
        with suppress(RuntimeError):
            self._server_loop.call_soon_threadsafe(self._add, frame)

    def _add(self, frame: EncodedFrame) -> None:
        if len(self._frames) >= _MOST_WAITING:
            self._frames.clear()
            self.watcher.needs_key = True
        if frame.is_key or not self.watcher.needs_key:
            self._frames.append(frame)
            self._filled.set()


class Peers:
    """All connections of a show. Its methods are called in the thread of the server.

    Args:
        video: the painting.
        feed: where what a browser's camera sends goes.
        ice_servers: STUN and TURN servers, which are asked only if they are named.
    """

    def __init__(self, video: WebVideo, feed: BrowserFeed, ice_servers: Sequence[RTCIceServer] = ()) -> None:
        self._video, self._feed = video, feed
        self._ice_servers = list(ice_servers)
        self._viewers: set[RTCPeerConnection] = set()
        self._camera: RTCPeerConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def viewers(self) -> int:
        """How many watch, or are about to."""
        return len(self._viewers)

    async def watch(self, offer: str, ends: Ends) -> str:
        """Lets a browser watch the painting.

        Args:
            offer: its session description, for one video that it receives.
            ends: of the connection on which it asked.

        Returns our session description.

        Raises:
            TooManyViewersError: others watch already.
            PeerError: the offer makes no sense.
        """
        if len(self._viewers) >= MOST_VIEWERS:
            raise TooManyViewersError(f"{MOST_VIEWERS} browsers watch by WebRTC already; this one gets JPEGs")
        connection = self._connection()
        self._viewers.add(connection)
        track = PaintingTrack(self._video)

        async def gone() -> None:
            track.stop()
            self._viewers.discard(connection)

        transceiver = connection.addTransceiver(track, "sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in codecs if each.name.upper() in {"VP8", "RTX"}])
        _listen(transceiver.sender, track.watcher)
        return await self._answer(connection, offer, ends, gone)

    async def receive(self, offer: str, ends: Ends, mode: CameraMode | None = None) -> str:
        """Takes what the camera of a browser sends, and no longer that of another one.

        Args:
            offer: its session description, for one video that it sends.
            ends: of the connection on which it asked.
            mode: what it says about its camera.

        Returns our session description.

        Raises:
            PeerError: the offer makes no sense.
        """
        connection = self._connection()

        async def gone() -> None:
            self._feed.disconnect(connection)
            if self._camera is connection:
                self._camera = None

        def start(track: MediaStreamTrack) -> None:
            self._feed.connect(connection, mode)
            self._start(self._pull(track, connection))

        connection.addTransceiver("video", "recvonly")
        connection.on("track", start)
        answer = await self._answer(connection, offer, ends, gone)
        before, self._camera = self._camera, connection
        if before is not None:
            await _close(before)
        return answer

    async def close(self) -> None:
        """Ends all connections."""
        for connection in [*self._viewers, *filter(None, [self._camera])]:
            await _close(connection)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connection(self) -> RTCPeerConnection:
        # without a list of servers it would ask one of Google's
        return RTCPeerConnection(RTCConfiguration(iceServers=self._ice_servers))

    async def _answer(
        self, connection: RTCPeerConnection, offer: str, ends: Ends, gone: Callable[[], Awaitable[None]]
    ) -> str:
        """Returns the answer to an offer; `gone` is called when the connection has ended, or if there is none."""

        @connection.on("connectionstatechange")
        async def follow() -> None:
            if connection.connectionState in {"failed", "closed"}:
                await gone()
                await _close(connection)

        OUR_ADDRESS.set(ends.ours)
        try:
            its = _from_one(offer, None if self._ice_servers else ends.its)
            await connection.setRemoteDescription(RTCSessionDescription(its, "offer"))
            await connection.setLocalDescription()
            answer = str(connection.localDescription.sdp)
            if "a=candidate:" not in answer:
                raise ValueError(f"no port at {ends.ours}")
        except BaseException as exc:
            await gone()
            await _close(connection)
            if isinstance(exc, Exception):  # whatever aiortc makes of it
                raise PeerError(f"this offer cannot be answered: {exc or type(exc).__name__}") from exc
            raise
        self._start(self._give_up(connection))
        return answer

    async def _give_up(self, connection: RTCPeerConnection) -> None:
        """Ends a connection that does not come about."""
        await asyncio.sleep(_CONNECT_TIMEOUT_S)
        if connection.connectionState != "connected":
            await _close(connection)

    async def _pull(self, track: MediaStreamTrack, sender: object) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self._feed.put(sender, frame)
        self._feed.disconnect(sender)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        # the loop itself does not keep it
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _close(connection: RTCPeerConnection) -> None:
    with suppress(Exception):  # half of it may be gone already
        await asyncio.wait_for(connection.close(), _CLOSE_TIMEOUT_S)


def _listen(sender: RTCRtpSender, watcher: Watcher) -> None:
    """Passes on what a browser reports: that it needs a key frame, and how much its line takes.

    A sender of aiortc keeps that to itself, since it expects to encode the frames by itself.
    """
    handle = sender._handle_rtcp_packet

    async def observe(packet: Any) -> None:
        if isinstance(packet, RtcpPsfbPacket):
            if packet.fmt in {RTCP_PSFB_FIR, RTCP_PSFB_PLI}:
                watcher.needs_key = True
            elif packet.fmt == RTCP_PSFB_APP:
                with suppress(ValueError):
                    watcher.limit = unpack_remb_fci(packet.fci)[0]
        await handle(packet)

    sender._handle_rtcp_packet = observe  # type: ignore[method-assign]


def _from_one(offer: str, address: str | None) -> str:
    """Returns an offer of one video as if it came from one address, so that nothing is sent to any other.

    Browsers hide their addresses behind names that only their own network resolves; but who has asked is known.

    Args:
        offer: a session description.
        address: of the browser; None to leave it as it is.

    Raises:
        ValueError: it is not an offer of one video.
    """
    lines = offer.splitlines()
    media = [line for line in lines if line.startswith("m=")]
    if len(offer) > _LONGEST_OFFER or len(media) != 1 or not media[0].startswith("m=video "):
        raise ValueError("expected one video")
    return "\r\n".join([*(lines if address is None else _candidates_at(address, lines)), ""])


def _candidates_at(address: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("a=candidate:"):
            found = _CANDIDATE.match(line)
            if found is not None:
                foundation, component, priority, _, port = found.groups()
                yield f"a=candidate:{foundation} {component} udp {priority} {address} {port} typ host"
        # there may be more: the browser is found by what it sends to us
        elif line.strip() != "a=end-of-candidates":
            yield line
