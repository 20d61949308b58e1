"""What the server says when it does not do what was asked, and how bodies of requests are read."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

# A client that takes longer to send its request is cut off.
_BODY_WITHIN_S = 20.0
_MOST_JSON_BYTES = 64 * 1024


class Refused(Exception):  # noqa: N818 - it is what happens, as in aiohttp's own
    """A request is not fulfilled.

    Args:
        status: of HTTP.
        reason: one line for people.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason

    def response(self, request: web.Request) -> web.Response:
        """Returns the answer: JSON below /api, else text."""
        if request.path.startswith("/api/"):
            response = web.json_response({"error": self.reason}, status=self.status)
        else:
            response = web.Response(text=f"nst-live: {self.reason}\n", status=self.status)
        if self.status in {401, 413, 408}:
            # what is still being sent is not read
            response.force_close()
        return response


async def read_body(request: web.Request, most: int) -> bytes:
    """Returns the body of a request.

    Args:
        request: the request.
        most: how many bytes it may have.

    Raises:
        Refused: it is too large, or comes too slowly.
    """
    too_large = Refused(413, f"too large; expected at most {most // 1024} KiB")
    if (request.content_length or 0) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > most:
                    raise too_large
    except TimeoutError as exc:
        raise Refused(408, f"the request took more than {_BODY_WITHIN_S:.0f} s to arrive") from exc
    return bytes(data)


async def read_object(request: web.Request) -> dict[str, object]:
    """Returns the JSON object in a request's body. Raises Refused."""
    if request.content_type != "application/json":
        raise Refused(415, "expected a body of Content-Type application/json")
    return object_of(await read_body(request, _MOST_JSON_BYTES))


def object_of(text: str | bytes) -> dict[str, object]:
    """Returns the JSON object of a text. Raises Refused."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Refused(400, "that is not JSON") from exc
    if not isinstance(value, dict):
        raise Refused(400, 'expected an object, e.g. {"strength": 0.5}')
    return value
