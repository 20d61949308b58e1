"""Who may ask the server: whoever has its token, by a name that is the server's own, and not through another site."""

from __future__ import annotations

import hmac
import secrets
import socket
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from realtime.queues import Bucket
from realtime.remote.address import Address, ip_of, reachable_host
from realtime.remote.replies import Refused

_SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
# A page that shows the painting in a frame or as an image of its own is another site.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "nst-live",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# What one client may ask for: so many at once, and so many a second.
_MOST_REQUESTS, _REQUESTS_A_SECOND = 400, 100
_MOST_CLIENTS = 1000


@dataclass
class Guard:
    """Decides about requests.

    Args:
        address: what the server is bound to, with its actual port.
        token: what a client must know; "" if none is needed.
        secure: whether the server speaks HTTPS.
    """

    address: Address
    token: str
    secure: bool = False
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def cookie(self) -> str:
        """The name of the cookie that holds the token; servers on other ports share a browser's cookies."""
        return f"nst-live-{self.address.port}"

    def check(self, request: web.Request) -> None:
        """Raises Refused if a request is not to be answered."""
        self._check_host(request)
        self._check_site(request)
        if not self._is_known(request) and not self._is_shared(request):
            raise Refused(401, "this needs the link that nst-live has printed, with its token")
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.clear()
        bucket = self._buckets.setdefault(request.remote or "", Bucket(_REQUESTS_A_SECOND, _MOST_REQUESTS))
        if not bucket.take():
            raise Refused(429, f"too many requests; expected at most {_REQUESTS_A_SECOND} a second")

    def _check_host(self, request: web.Request) -> None:
        """A name that is not the server's own may be anybody's, who lets it point here: DNS rebinding."""
        try:
            host = URL(f"http://{request.headers.get(hdrs.HOST, '')}").host or ""
        except ValueError:
            host = ""
        ip = ip_of(host)
        if self.address.is_loopback:
            known = host == "localhost" or (ip is not None and ip.is_loopback)
        else:
            known = ip is not None or host.lower() in self._names
        if not known:
            raise Refused(403, f"this server is not called by that name; expected {self.own_host}")

    @property
    def own_host(self) -> str:
        """Host and port as people type them."""
        return str(Address(reachable_host(self.address), self.address.port))

    @property
    def _names(self) -> frozenset[str]:
        name = socket.gethostname().lower()
        return frozenset({"localhost", self.address.host.lower(), name, f"{name}.local"})

    def _check_site(self, request: web.Request) -> None:
        """Refuses what a page of another site asks for: by Origin, which is there for all but plain reads."""
        origin = request.headers.get(hdrs.ORIGIN)
        scheme = "https" if self.secure else "http"
        if origin is not None and origin != f"{scheme}://{request.headers.get(hdrs.HOST, '')}":
            raise Refused(403, "a page of another site may not ask this server for anything")
        # a link may lead here from anywhere, but no other site shows what is here
        site, mode = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Sec-Fetch-Mode", "navigate")
        is_link = mode == "navigate" and request.method in _SAFE_METHODS
        if site in {"cross-site", "same-site"} and not is_link:
            raise Refused(403, "a page of another site may not ask this server for anything")

    def _is_known(self, request: web.Request) -> bool:
        if not self.token:
            return True
        given = (
            request.cookies.get(self.cookie, ""),
            request.headers.get(hdrs.AUTHORIZATION, "").removeprefix("Bearer "),
            request.query.get("token", ""),
        )
        # all are compared, so that the time says nothing
        known = [hmac.compare_digest(each.encode(errors="surrogateescape"), self.token.encode()) for each in given]
        return any(known)

    def key_of(self, name: str) -> str:
        """Returns what opens a file that was saved, and nothing else, to somebody who does not know the token."""
        return hmac.digest(self._secret, name.encode(), "sha256").hex()[:32]

    def _is_shared(self, request: web.Request) -> bool:
        name, key = request.match_info.get("name", ""), request.match_info.get("key", "")
        return bool(key) and hmac.compare_digest(key.encode(errors="surrogateescape"), self.key_of(name).encode())

    @property
    def middleware(self) -> Middleware:
        """What answers a request, or says in one line why not."""

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                self.check(request)
                response = await handler(request)
            except Refused as exc:
                response = exc.response(request)
            except web.HTTPException as exc:
                response = Refused(exc.status, (exc.text or exc.reason).removeprefix(f"{exc.status}: ")).response(
                    request
                )
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guarded
