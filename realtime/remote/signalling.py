"""Answers the offers of browsers: for the painting by WebRTC, and for their cameras."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import web

from realtime.frames import Size
from realtime.remote.ice import IceServer
from realtime.remote.outlets import Outlets
from realtime.remote.peers import Ends, PeerError, Peers, TakenError, TooManyError
from realtime.remote.replies import Refused, read_object
from realtime.sources.browser_camera import CameraMode
from realtime.sources.camera import DEFAULT_CAMERA_SIZE

# What a camera may claim to give.
_LARGEST_SIDE, _HIGHEST_FPS = 8192, 240.0
_STATUS: Mapping[type[PeerError], int] = {TooManyError: 503, TakenError: 409}


class Signalling:
    """Answers what is below /api/webrtc.

    Args:
        outlets: the painting, and where what a browser's camera sends goes.
        size: returns the width and height that cameras are asked for, None for the usual ones.
        ice_servers: STUN and TURN servers, which are asked only if they are named.
    """

    def __init__(
        self, outlets: Outlets, size: Callable[[], Size | None], ice_servers: tuple[IceServer, ...] = ()
    ) -> None:
        self._peers = Peers(outlets.video, outlets.feed, ice_servers)
        self._size, self._ice_servers = size, ice_servers

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to a server that is not started yet."""
        app.router.add_get("/api/webrtc", self._settings)
        app.router.add_post("/api/webrtc/watch", self._watch)
        app.router.add_post("/api/webrtc/camera", self._camera)
        app.cleanup_ctx.append(self._running)

    async def _running(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await self._peers.close()

    async def _settings(self, _request: web.Request) -> web.Response:
        servers = [each.for_browsers for each in self._ice_servers]
        return web.json_response({"iceServers": servers, "size": self._size() or DEFAULT_CAMERA_SIZE})

    async def _watch(self, request: web.Request) -> web.Response:
        offer = await read_object(request)
        try:
            answer = await self._peers.watch(_sdp_of(offer), _ends_of(request))
        except PeerError as exc:
            raise Refused(_STATUS.get(type(exc), 400), str(exc)) from exc
        return web.json_response({"sdp": answer})

    async def _camera(self, request: web.Request) -> web.Response:
        offer = await read_object(request)
        try:
            answer = await self._peers.receive(
                _sdp_of(offer), _ends_of(request), _mode_of(offer), again=offer.get("again") is True
            )
        except PeerError as exc:
            raise Refused(_STATUS.get(type(exc), 400), str(exc)) from exc
        return web.json_response({"sdp": answer})


def _sdp_of(offer: Mapping[str, object]) -> str:
    sdp = offer.get("sdp")
    if not isinstance(sdp, str):
        raise Refused(400, 'expected an offer, as {"sdp": "v=0 …"}')
    return sdp


def _mode_of(offer: Mapping[str, object]) -> CameraMode | None:
    """Returns what a page says about its camera; None for nothing that makes sense."""
    width, height, fps = (_number(offer.get(name)) for name in ("width", "height", "frameRate"))
    if not (1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE):
        return None
    return CameraMode((round(width), round(height)), fps if 0 < fps <= _HIGHEST_FPS else 0.0)


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return float(value) if is_number and isinstance(value, int | float) else 0.0


def _ends_of(request: web.Request) -> Ends:
    transport = request.transport
    if transport is None:
        raise Refused(400, "the connection is gone")
    ours, its = (transport.get_extra_info(which)[0] for which in ("sockname", "peername"))
    # how a socket for both families calls an address of IPv4
    return Ends(ours.removeprefix("::ffff:"), its.removeprefix("::ffff:"))
