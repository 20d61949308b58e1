"""Painted frames over HTTP: the newest one, and a stream of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from realtime.frames import Pixels
from realtime.queues import background_worker
from realtime.remote.replies import Refused
from realtime.sinks.jpeg_frames import LONGEST_SIDE, JpegFrames, jpeg_of

MOST_STREAMS = 64
_BOUNDARY = "frame"
# A client that takes longer for a frame is cut off.
_SENT_WITHIN_S = 10.0
# A frozen show sends its frame again, so that a viewer that is gone is noticed.
_REPEAT_S = 2.0


class FrameStreams:
    """Answers /api/frame.jpg and /api/stream.mjpg.

    Args:
        frames: encodes them.
    """

    def __init__(self, frames: JpegFrames) -> None:
        self._frames = frames
        self._streams = 0
        self._background = background_worker()
        self._encoded: tuple[Pixels, bytes] | None = None

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to a server that is not started yet."""
        app.router.add_get("/api/frame.jpg", self._frame)
        app.router.add_get("/api/stream.mjpg", self._stream, allow_head=False)
        app.on_cleanup.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self._background.shutdown(wait=False, cancel_futures=True)

    async def _frame(self, _request: web.Request) -> web.Response:
        pixels = self._frames.painted
        if pixels is None:
            raise Refused(503, "nothing is painted yet")
        if self._encoded is None or self._encoded[0] is not pixels:
            self._encoded = pixels, await self._jpeg_of(pixels)
        data = self._encoded[1]
        return web.Response(body=data, content_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _jpeg_of(self, pixels: Pixels, longest_side: int | None = None) -> bytes:
        """Encodes a picture while the server goes on with others."""
        return await asyncio.get_running_loop().run_in_executor(self._background, jpeg_of, pixels, longest_side)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= MOST_STREAMS:
            raise Refused(503, f"{MOST_STREAMS} streams are being read already")
        self._streams += 1
        response = web.StreamResponse(
            headers={
                "Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}",
                "Cache-Control": "no-store",
                "Cross-Origin-Resource-Policy": "same-origin",
            }
        )
        loop, newer = asyncio.get_running_loop(), asyncio.Event()

        def changed() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(newer.set)

        try:
            with self._frames.watched(changed):
                await response.prepare(request)
                await self._send(response, newer)
        except (ConnectionError, TimeoutError):
            # it is gone, or does not read
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._streams -= 1
        return response

    async def _send(self, response: web.StreamResponse, newer: asyncio.Event) -> None:
        """Sends the newest frame, again and again; those that come meanwhile are left out."""
        # what was encoded for earlier viewers may be old
        sent, pixels = self._frames.newest, self._frames.painted
        data = b"" if pixels is None else await self._jpeg_of(pixels, LONGEST_SIDE)
        await response.write(f"--{_BOUNDARY}\r\n".encode())
        while True:
            if data:
                async with asyncio.timeout(_SENT_WITHIN_S):
                    await response.write(_part(data))
            with suppress(TimeoutError):
                async with asyncio.timeout(_REPEAT_S):
                    await newer.wait()
            newer.clear()
            if (newest := self._frames.newest) is not None and newest is not sent:
                sent, data = newest, newest.data


def _part(data: bytes) -> bytes:
    # a browser shows a part when it has seen the boundary behind it
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + f"\r\n--{_BOUNDARY}\r\n".encode()
