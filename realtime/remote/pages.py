"""The page of controls, the bare painting, and what they load: files of this package, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import urlencode

from aiohttp import web

from realtime.remote.guard import Guard
from realtime.remote.links import qr_svg

_TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_PAGES: Mapping[str, str] = {"/": "index.html", "/view": "view.html"}
# The browser's own half a year would outlast the token, which is another one in every show.
_COOKIE_S = 12 * 60 * 60


class Pages:
    """Answers what is outside of /api.

    Args:
        guard: knows the token.
        link: the address of the page, with the token if one is needed.
    """

    def __init__(self, guard: Guard, link: str) -> None:
        self._guard, self._link = guard, link
        folder = files("realtime.remote") / "page"
        self._files = {each.name: each.read_bytes() for each in folder.iterdir() if _suffix(each.name) in _TYPES}

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to a server that is not started yet."""
        for path in _PAGES:
            app.router.add_get(path, self._page)
        app.router.add_get("/page/{name}", self._file)
        app.router.add_get("/api/link.svg", self._qr)
        app.router.add_get("/favicon.ico", self._icon)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """Returns a page. The token of its link becomes a cookie, so that no address shows it."""
        token = request.query.get("token")
        if token is None or not self._guard.token:
            return self._answer(_PAGES[request.path])
        rest = {name: value for name, value in request.query.items() if name != "token"}
        response = web.Response(
            status=303, headers={"Location": request.path + (f"?{urlencode(rest)}" if rest else "")}
        )
        response.set_cookie(
            self._guard.cookie,
            self._guard.token,
            max_age=_COOKIE_S,
            httponly=True,
            samesite="Lax",
            secure=self._guard.secure,
        )
        return response

    async def _file(self, request: web.Request) -> web.Response:
        return self._answer(request.match_info["name"])

    async def _icon(self, _request: web.Request) -> web.Response:
        return self._answer("icon.svg")

    async def _qr(self, _request: web.Request) -> web.Response:
        """Returns the QR code for a phone, which cannot reach an address of this machine alone."""
        if self._guard.address.is_loopback:
            raise web.HTTPNotFound(text="only this machine reaches the page; start the show with --control 0.0.0.0")
        return web.Response(body=qr_svg(self._link), content_type="image/svg+xml")

    def _answer(self, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound(text="there is no such page")
        kind = _TYPES[_suffix(name)]
        charset = "utf-8" if kind.startswith("text/") else None
        return web.Response(
            body=self._files[name], content_type=kind, charset=charset, headers={"Cache-Control": "no-cache"}
        )


def _suffix(name: str) -> str:
    return "." + name.rpartition(".")[2]
