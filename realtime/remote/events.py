"""The WebSocket: the state of the show, pushed to every page whenever it changes; and what pages send to change it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

from realtime.player.controls import Controls
from realtime.queues import Bucket, BusyError
from realtime.remote.replies import Refused, object_of
from realtime.remote.show import RemoteShow, state_of
from realtime.session import ControlError

# No page can show more changes than that.
_SHORTEST_PAUSE_S = 1 / 30
# What a page may send: a slider sends one message a frame. Who sends more is cut off.
_MESSAGES_A_SECOND, _MOST_MESSAGES = 100, 300
_MOST_BYTES = 64 * 1024
# A client that takes longer to receive is cut off.
_SENT_WITHIN_S = 10.0
_HEARTBEAT_S = 20.0


class Events:
    """Writes the state down once for all clients, whenever it has changed.

    Args:
        show: whose state it is.
    """

    def __init__(self, show: RemoteShow) -> None:
        self.text = ""
        self.number = 0
        self._show = show
        self._changed, self._published = asyncio.Event(), asyncio.Condition()

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Publishes while the server runs."""
        loop = asyncio.get_running_loop()

        def changed() -> None:
            with suppress(RuntimeError):  # the loop is closed: the show goes on
                loop.call_soon_threadsafe(self._changed.set)

        end = self._show.controls.observe(changed)
        task = asyncio.create_task(self._publish())
        yield
        end()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _publish(self) -> None:
        while True:
            text = json.dumps({"state": state_of(self._show)})
            if text != self.text:
                self.text, self.number = text, self.number + 1
                async with self._published:
                    self._published.notify_all()
            await asyncio.sleep(_SHORTEST_PAUSE_S)
            # a notice is over when nothing else changes
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._changed.wait()
            self._changed.clear()

    async def after(self, number: int) -> tuple[str, int]:
        """Returns the newest state and its number, once there is a newer one than that."""
        async with self._published:
            await self._published.wait_for(lambda: self.number > number)
            return self.text, self.number


async def serve_events(request: web.Request, show: RemoteShow, events: Events) -> web.WebSocketResponse:
    """Answers one WebSocket until it is closed."""
    socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_BYTES, compress=False, timeout=2.0)
    await socket.prepare(request)
    sending = asyncio.create_task(_send_states(socket, events, request.transport))
    try:
        await _receive(socket, show)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await sending
    return socket


async def _send_states(socket: web.WebSocketResponse, events: Events, transport: asyncio.Transport | None) -> None:
    number = 0
    try:
        while not socket.closed:
            text, number = await events.after(number)
            async with asyncio.timeout(_SENT_WITHIN_S):
                await socket.send_str(text)
    except TimeoutError:
        # it is not read: only cutting it off ends what waits to be sent
        if transport is not None:
            transport.abort()


async def _receive(socket: web.WebSocketResponse, show: RemoteShow) -> None:
    bucket = Bucket(_MESSAGES_A_SECOND, _MOST_MESSAGES)
    async for message in socket:
        if not bucket.take():
            reason = f"too many messages; expected at most {_MESSAGES_A_SECOND} a second"
            await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason.encode())
            return
        if message.type is not WSMsgType.TEXT:
            continue
        try:
            obey(object_of(message.data), show.controls)
        except (ControlError, BusyError) as exc:
            await socket.send_str(json.dumps({"error": str(exc)}))
        except Refused as exc:
            await socket.send_str(json.dumps({"error": exc.reason}))


def obey(message: Mapping[str, object], controls: Controls) -> None:
    """Does what a message asks for: {"set": {control: value, …}} or {"do": action}.

    Raises:
        ControlError: there is no such control or action, or not with such a value.
        BusyError: too many commands wait.
        Refused: the message is not one of these.
    """
    match dict(message):
        case {"set": dict(values), **rest} if not rest:
            for name, value in values.items():
                controls.set(name, value)
        case {"do": str(action), **rest} if not rest:
            controls.ask(action)
        case _:
            raise Refused(400, 'expected {"set": {"strength": 0.5}} or {"do": "snapshot"}')
