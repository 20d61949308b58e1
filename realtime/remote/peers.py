"""WebRTC: the painting to browsers with little delay, and the camera of a browser as a source.

All of it runs in one asyncio thread, that of the server. A `WebVideo` gives the painting, and a `BrowserFeed` takes
what a camera sends; neither waits for the other side.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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

from realtime.media.live_vp8 import EncodedFrame
from realtime.media.rates import LIVE_TIME_BASE
from realtime.remote.aiortc_seams import OUR_ADDRESS, listen
from realtime.remote.ice import IceServer
from realtime.sinks.web_video import Watcher, WebVideo
from realtime.sources.browser_camera import BrowserFeed, CameraMode

# More would take the processor from the net; who comes later gets JPEGs, of which each is made once for all.
MOST_VIEWERS = 2
# The one that sends, and those that are about to.
_MOST_CAMERAS = 4
# A browser that has not connected by then never will.
_CONNECT_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 2.0
# A camera from which nothing has come for so long may be replaced by one that comes again.
_SILENT_S = 2.0
# What a browser offers for one video has a few kilobytes.
_LONGEST_OFFER = 32_768
# Frames that wait for a line: if there are more, it has stalled.
_MOST_WAITING = 10
_FIRST_KBIT = 1500
_VP8 = re.compile(r"a=rtpmap:(\d+) VP8/90000\r\n")
_CANDIDATE = re.compile(r"a=candidate:(\S+) (\S+) udp (\S+) (\S+) (\S+) typ host\b", re.IGNORECASE)


class PeerError(ValueError):
    """A browser cannot be connected: its offer makes no sense."""


class TooManyError(PeerError):
    """There are as many connections of the kind as there may be."""


class TakenError(PeerError):
    """The camera of another browser is painted now."""


@dataclass(frozen=True)
class Ends:
    """The two addresses of the connection on which a browser asked.

    Args:
        ours: where it reached us; the only address from which it is sent anything.
        its: where it is.
    """

    ours: str
    its: str


@dataclass(frozen=True)
class _Part:
    """What a connection is to the show: called when it is there, and when it has ended."""

    arrived: Callable[[], None]
    gone: Callable[[], None]


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

    def start(self) -> None:
        """Takes frames from now on."""
        self._video.add(self.watcher)

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

    def ask_for_key(self) -> None:
        """Lets the next frame be a key frame."""
        self.watcher.needs_key = True

    def limit_to(self, bits_per_s: int) -> None:
        """Notes what the line takes."""
        self.watcher.limit = bits_per_s

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

    def __init__(self, video: WebVideo, feed: BrowserFeed, ice_servers: Sequence[IceServer] = ()) -> None:
        self._video, self._feed = video, feed
        self._ice_servers = [RTCIceServer(each.url, each.user or None, each.password or None) for each in ice_servers]
        self._viewers: set[RTCPeerConnection] = set()
        # those that are about to send, and the one that does
        self._cameras: set[RTCPeerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: dict[RTCPeerConnection, asyncio.Task[None]] = {}

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
            TooManyError: others watch already.
            PeerError: the offer makes no sense.
        """
        if len(self._viewers) >= MOST_VIEWERS:
            raise TooManyError(f"{MOST_VIEWERS} browsers watch by WebRTC already; this one gets JPEGs")
        connection, track = self._connection(self._viewers), PaintingTrack(self._video)
        transceiver = connection.addTransceiver(track, "sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([each for each in codecs if each.name.upper() in {"VP8", "RTX"}])
        listen(transceiver.sender, track.ask_for_key, track.limit_to)
        return await self._answer(connection, offer, ends, _Part(track.start, track.stop))

    async def receive(self, offer: str, ends: Ends, mode: CameraMode | None = None, *, again: bool = False) -> str:
        """Takes what the camera of a browser sends once it is connected, and no longer that of another one.

        Args:
            offer: its session description, for one video that it sends.
            ends: of the connection on which it asked.
            mode: what it says about its camera.
            again: it was lost, and nobody has asked for it since.

        Returns our session description.

        Raises:
            TakenError: it comes again, and another one is painted meanwhile.
            TooManyError: others are about to send.
            PeerError: the offer makes no sense.
        """
        # one that was lost may not know that it is; what it sent before is silent
        if again and self._feed.is_connected and self._feed.silent_s < _SILENT_S:
            raise TakenError("the camera of another browser is painted now")
        if len(self._cameras) >= _MOST_CAMERAS:
            raise TooManyError("too many cameras at once; try again in a moment")
        connection = self._connection(self._cameras)
        receiver = connection.addTransceiver("video", "recvonly").receiver

        def arrived() -> None:
            self._feed.connect(connection, mode)
            self._start(self._pull(receiver.track, connection))
            for other in self._cameras - {connection}:
                self._closing(other)

        part = _Part(arrived, lambda: self._feed.disconnect(connection))
        return _begun_sharp(await self._answer(connection, offer, ends, part))

    async def close(self) -> None:
        """Ends all connections."""
        for task in self._tasks:
            task.cancel()
        await self._wait_for({*self._ends.values(), *map(self._closing, self._viewers | self._cameras)})

    def _connection(self, group: set[RTCPeerConnection]) -> RTCPeerConnection:
        """Returns a new connection, which leaves its group when it is closed."""
        # without a list of servers it would ask one of Google's
        connection = RTCPeerConnection(RTCConfiguration(iceServers=self._ice_servers))
        group.add(connection)
        connection.on("connectionstatechange", lambda: _leave(connection, group))
        return connection

    async def _answer(self, connection: RTCPeerConnection, offer: str, ends: Ends, part: _Part) -> str:
        """Returns the answer to an offer."""
        connection.on("connectionstatechange", lambda: self._follow(connection, part))
        OUR_ADDRESS.set(ends.ours)
        try:
            its = _from_one(offer, None if self._ice_servers else ends.its)
            await connection.setRemoteDescription(RTCSessionDescription(its, "offer"))
            await connection.setLocalDescription()
            answer = str(connection.localDescription.sdp)
            if "a=candidate:" not in answer:
                raise ValueError(f"no port at {ends.ours}")
        except BaseException as exc:
            await self._wait_for({self._closing(connection)})
            if isinstance(exc, Exception):  # whatever aiortc makes of it
                raise PeerError(f"this offer cannot be answered: {exc or type(exc).__name__}") from exc
            raise
        self._start(self._give_up(connection))
        return answer

    def _follow(self, connection: RTCPeerConnection, part: _Part) -> None:
        if connection.connectionState == "connected":
            part.arrived()
        elif connection.connectionState in {"failed", "closed"}:
            part.gone()
            self._closing(connection)

    async def _pull(self, track: MediaStreamTrack, sender: object) -> None:
        with suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self._feed.put(sender, frame)
        self._feed.disconnect(sender)

    async def _give_up(self, connection: RTCPeerConnection) -> None:
        """Ends a connection that does not come about."""
        await asyncio.sleep(_CONNECT_TIMEOUT_S)
        if connection.connectionState != "connected":
            self._closing(connection)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        # the loop itself does not keep it
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _closing(self, connection: RTCPeerConnection) -> asyncio.Task[None]:
        """Begins to close a connection, once: aiortc fails if one of two who wait for that is cancelled."""
        if connection not in self._ends:
            self._ends[connection] = asyncio.ensure_future(connection.close())
            self._ends[connection].add_done_callback(lambda end: self._forget(connection, end))
        return self._ends[connection]

    def _forget(self, connection: RTCPeerConnection, end: asyncio.Task[None]) -> None:
        del self._ends[connection]
        if not end.cancelled():
            # half of it may have been gone already, which is no news to anybody
            end.exception()

    @staticmethod
    async def _wait_for(ends: Set[asyncio.Task[None]]) -> None:
        if ends:
            await asyncio.wait(ends, timeout=_CLOSE_TIMEOUT_S)


def _leave(connection: RTCPeerConnection, group: set[RTCPeerConnection]) -> None:
    if connection.connectionState in {"failed", "closed"}:
        group.discard(connection)


def _begun_sharp(answer: str) -> str:
    """Returns an answer that lets Chromium begin with a good picture, instead of asking the line for ten seconds."""
    return _VP8.sub(rf"\g<0>a=fmtp:\1 x-google-start-bitrate={_FIRST_KBIT}\r\n", answer)


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
