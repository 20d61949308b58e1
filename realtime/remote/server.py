"""The server of the page, the API and the streams, in a thread of its own: nothing that it does can stall the show."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

from aiohttp import web

from realtime.frames import Pixels
from realtime.queues import LEAVE_TIMEOUT_S
from realtime.remote.address import Address, ip_of, reachable_host
from realtime.remote.api import SHARED, Api
from realtime.remote.certificate import tls_context
from realtime.remote.errors import ControlServerError
from realtime.remote.frames import FrameStreams
from realtime.remote.guard import Guard
from realtime.remote.links import qr_pixels
from realtime.remote.pages import Pages
from realtime.remote.show import RemoteShow

_MOST_CONNECTIONS = 256
# A connection that has sent no request by then is closed: also one that sends it byte by byte.
_REQUEST_WITHIN_S = 15.0
# So long what comes after a refusal is read: a client that is cut off at once may not see the answer.
_LINGER_S = 0.1
_LONGEST_HEADER_BYTES = 8190
# Pixels a module of a QR code.
_CODE_SCALE = 6
# What else answers requests: it adds its routes before the server starts.
Routes = Callable[[web.Application], None]


@dataclass(frozen=True)
class ServerOptions:
    """How a server is reached.

    Args:
        address: what it is bound to.
        secure: speak HTTPS, with a certificate of its own.
        token: what clients must know; "" for one that is made if the address is not loopback.
        request_within_s: how long a connection may take for its first request, in seconds.
    """

    address: Address = Address()  # noqa: RUF009 - frozen
    secure: bool = False
    token: str = ""
    request_within_s: float = _REQUEST_WITHIN_S


class ControlServer:
    """Serves a show. A context manager: it answers from entering until leaving.

    Args:
        show: what is controlled.
        options: how it is reached.
        routes: what else answers requests.

    `link` is the address of the page, with the token if one is needed.

    Raises:
        ControlServerError: nothing can be opened at that address.
    """

    def __init__(self, show: RemoteShow, options: ServerOptions, routes: Sequence[Routes] = ()) -> None:
        self._show, self._options, self._routes = show, options, routes
        self._socket = _bound(options.address)
        address = Address(options.address.host, self._socket.getsockname()[1])
        token = options.token or ("" if address.is_loopback else secrets.token_urlsafe(16))
        self.guard = Guard(address, token, options.secure)
        host = Address(reachable_host(address), address.port)
        self.link = f"{'https' if options.secure else 'http'}://{host}/" + (f"?token={token}" if token else "")
        self._context: ssl.SSLContext | None = tls_context(host.host) if options.secure else None
        self._loop: asyncio.AbstractEventLoop
        self._ready: Future[None] = Future()
        self._leaving = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    @property
    def codes(self) -> LinkCodes:
        """The QR codes for the screen."""
        return LinkCodes(self.link, self.guard)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._leaving.set)
        self._thread.join(LEAVE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as exc:
            if self._ready.done():
                raise
            self._ready.set_exception(exc)
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            keepalive_timeout=self._options.request_within_s,
            lingering_time=_LINGER_S,
            max_line_size=_LONGEST_HEADER_BYTES,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        handler = runner.server
        assert handler is not None

        def connection() -> asyncio.BaseProtocol:
            return handler() if len(handler.connections) < _MOST_CONNECTIONS else _TurnedAway()

        server = await self._loop.create_server(connection, sock=self._socket, ssl=self._context)
        self._ready.set_result(None)
        try:
            await self._leaving.wait()
        finally:
            server.close()
            transports = [each.transport for each in handler.connections if each.transport is not None]
            await runner.cleanup()
            # those that have not said goodbye by now are gone
            for transport in transports:
                transport.abort()
            await asyncio.sleep(0)

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self.guard.middleware])
        Api(self._show, self.guard).add_to(app)
        FrameStreams(self._show.frames).add_to(app)
        Pages(self.guard, self.link).add_to(app)
        for add in self._routes:
            add(app)
        return app


class LinkCodes:
    """QR codes that lead to a server.

    Args:
        link: the address of its page, with the token.
        guard: of the server.
    """

    def __init__(self, link: str, guard: Guard) -> None:
        self._link, self._guard = link, guard
        self.link = link.partition("?")[0]
        self.page: Pixels | None = None if guard.address.is_loopback else qr_pixels(link, _CODE_SCALE)
        self._captures: dict[str, Pixels] = {}

    def of_capture(self, name: str) -> Pixels | None:
        """Returns the code by which anybody fetches a file that was saved; None if no phone reaches the server."""
        if self.page is None:
            return None
        if name not in self._captures:
            path = f"{SHARED[1:]}/{quote(name, safe='')}/{self._guard.key_of(name)}"
            self._captures = {name: qr_pixels(self.link + path, _CODE_SCALE)}
        return self._captures[name]


class _TurnedAway(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _bound(address: Address) -> socket.socket:
    ip = ip_of(address.host)
    family = socket.AF_INET6 if ip is not None and ip.version == 6 else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=128)
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno and exc.errno > 0 else str(exc)
        raise ControlServerError(
            f"cannot open the page of controls at {address}: {reason}; choose another address, e.g. --control "
            f"{Address(address.host, address.port + 1)}"
        ) from exc
