"""The HTTP API: the state, the table, styles, commands and files."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

from aiohttp import web

from realtime.player.style_uploads import UploadError
from realtime.queues import Bucket, BusyError, background_worker
from realtime.remote.events import Events, serve_events
from realtime.remote.guard import Guard
from realtime.remote.openapi import openapi_document, schema_of
from realtime.remote.replies import Refused, read_body, read_object
from realtime.remote.show import RemoteShow, state_of
from realtime.session import ACTIONS, CONTROLS, ControlError
from realtime.sinks.jpeg_frames import jpeg_of
from realtime.sources.camera_list import list_cameras
from realtime.sources.scene import TEST_SCENE

# Files that were saved, for whoever has their key.
SHARED = "/saved"
MOST_UPLOAD_BYTES = 32 * 1024 * 1024
# A show that is busy, e.g. with opening a camera, answers later; the command waits for it all the same.
_ANSWER_WITHIN_S = 3.0
_THUMBNAIL_WITHIN_S, _THUMBNAIL_PAUSE_S = 30.0, 0.1
# Files may be asked for that often.
_FILES_AT_ONCE, _FILES_A_SECOND = 10, 2


class Api:
    """Answers what is below /api.

    Args:
        show: what is controlled.
        guard: knows the keys of files.
    """

    def __init__(self, show: RemoteShow, guard: Guard) -> None:
        self._show, self._guard, self._events = show, guard, Events(show)
        # a source may take long to open, or for ever
        self._background, self._opening = background_worker(), background_worker()
        self._files = Bucket(_FILES_A_SECOND, _FILES_AT_ONCE)

    def add_to(self, app: web.Application) -> None:
        """Adds the routes to a server that is not started yet."""
        app.router.add_get("/api/openapi.json", self._openapi)
        app.router.add_get("/api/controls", self._controls)
        app.router.add_get("/api/state", self._state)
        app.router.add_patch("/api/state", self._set)
        app.router.add_post("/api/commands/{name}", self._command)
        app.router.add_get("/api/sources", self._sources)
        app.router.add_get("/api/styles", self._styles)
        app.router.add_post("/api/styles", self._add_style)
        app.router.add_get("/api/styles/{name}/thumbnail.jpg", self._thumbnail)
        app.router.add_get("/api/captures/{name}", self._capture)
        app.router.add_get(f"{SHARED}/{{name}}/{{key}}", self._shared)
        app.router.add_get("/api/events", self._serve_events, allow_head=False)
        app.cleanup_ctx.append(self._events.running)
        app.on_cleanup.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        for worker in (self._background, self._opening):
            worker.shutdown(wait=False, cancel_futures=True)

    async def _openapi(self, _request: web.Request) -> web.Response:
        return web.json_response(openapi_document(self._show.controls.session))

    async def _controls(self, _request: web.Request) -> web.Response:
        session = self._show.controls.session
        controls = [
            {
                "name": name,
                "schema": schema_of(each, session),
                "keys": [session.key(key.name, key.label) for key in each.keys],
            }
            for name, each in CONTROLS.items()
        ]
        actions = [{"name": each.name, "help": each.help, "onDisk": each.on_disk} for each in ACTIONS.values()]
        return web.json_response({"controls": controls, "commands": actions})

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(state_of(self._show))

    async def _set(self, request: web.Request) -> web.Response:
        values = await read_object(request)
        source = values.pop("source", None)
        try:
            self._check(values)
            # in the order of the table, whatever that of the request
            answers = [self._show.controls.set(name, values[name]) for name in CONTROLS if name in values]
        except ControlError as exc:
            raise Refused(400, str(exc)) from exc
        except BusyError as exc:
            raise Refused(429, str(exc)) from exc
        if source is not None:
            await self._change_source(source)
        await _answered(answers)
        return web.json_response(state_of(self._show))

    def _check(self, values: Mapping[str, object]) -> None:
        """Raises ControlError unless all of the values can be set: none is set then."""
        session = self._show.controls.session
        for name, value in values.items():
            if name not in CONTROLS:
                raise ControlError(f"no control {name!r}; GET /api/controls lists them")
            CONTROLS[name].setting(value, session)

    async def _change_source(self, text: object) -> None:
        source = self._show.source
        if source is None:
            raise Refused(409, "the source of this show cannot be changed")
        if not isinstance(text, str):
            raise Refused(400, "source: expected a camera, a file or an address, as after -i")
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._opening, source.change_source, text)
        except (ValueError, OSError, RuntimeError) as exc:
            raise Refused(422, f"source: {exc}") from exc

    async def _sources(self, _request: web.Request) -> web.Response:
        """Lists what can be changed to without typing an address."""
        cameras = await asyncio.get_running_loop().run_in_executor(self._opening, list_cameras)
        sources = [{"value": each.path or str(each.index), "name": each.name or "a camera"} for each in cameras]
        return web.json_response({"sources": [*sources, {"value": TEST_SCENE, "name": "the bundled scene"}]})

    async def _command(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            (message,) = await _answered([self._show.controls.ask(name)])
        except ControlError as exc:
            raise Refused(404, str(exc)) from exc
        except BusyError as exc:
            raise Refused(429, str(exc)) from exc
        return web.json_response({"message": message})

    async def _styles(self, _request: web.Request) -> web.Response:
        session, styles = self._show.controls.session, self._show.controls.styles.styles
        listed = [
            {
                "name": style.name,
                "title": style.title,
                "artist": style.artist,
                "number": number,
                "on": style.name in session.weights,
                "thumbnail": f"/api/styles/{quote(style.name, safe='')}/thumbnail.jpg",
            }
            for number, style in enumerate(styles, start=1)
        ]
        return web.json_response({"styles": listed})

    async def _add_style(self, request: web.Request) -> web.Response:
        if self._show.uploads is None:
            raise Refused(409, "no style can be made in this show")
        if not request.content_type.startswith(("image/", "application/octet-stream")):
            raise Refused(415, "expected a picture, with its Content-Type, e.g. image/jpeg")
        if not self._files.take():
            raise Refused(429, f"too many files; expected at most {_FILES_A_SECOND} a second")
        data = await read_body(request, MOST_UPLOAD_BYTES)
        loop, name = asyncio.get_running_loop(), request.query.get("name", "")
        try:
            style = await loop.run_in_executor(self._background, self._show.uploads.add, name, data)
        except UploadError as exc:
            raise Refused(422, str(exc)) from exc
        return web.json_response({"name": style}, status=201)

    async def _thumbnail(self, request: web.Request) -> web.Response:
        thumbnails, name = self._show.thumbnails, request.match_info["name"]
        style = next((each for each in self._show.controls.styles.styles if each.name == name), None)
        if style is None or thumbnails is None:
            raise Refused(404, "no such style")
        for _ in range(int(_THUMBNAIL_WITHIN_S / _THUMBNAIL_PAUSE_S)):
            if (thumbnail := thumbnails.of(style)) is not None:
                headers = {"Cache-Control": "private, max-age=60"}
                return web.Response(body=jpeg_of(thumbnail.pixels), content_type="image/jpeg", headers=headers)
            await asyncio.sleep(_THUMBNAIL_PAUSE_S)
        raise Refused(404, "there is no painting of that style")

    async def _capture(self, request: web.Request) -> web.StreamResponse:
        path = self._show.capture(request.match_info["name"])
        if path is None or not path.is_file():
            raise Refused(404, "no such file was saved in this show")
        return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{path.name}"'})

    async def _shared(self, request: web.Request) -> web.StreamResponse:
        """Returns a file to whoever has its key, which also those need who know the token."""
        name, key = request.match_info["name"], request.match_info["key"]
        if not hmac.compare_digest(key.encode(), self._guard.key_of(name).encode()):
            raise Refused(404, "no such file was saved in this show")
        path = self._show.capture(name)
        if path is None or not path.is_file():
            raise Refused(404, "no such file was saved in this show")
        return web.FileResponse(path)

    async def _serve_events(self, request: web.Request) -> web.StreamResponse:
        return await serve_events(request, self._show, self._events)


async def _answered(answers: Sequence[Future[str]]) -> Sequence[str]:
    """Returns what came of commands; "" if the show has not carried one out within a few seconds."""
    waiting: list[Any] = [asyncio.shield(asyncio.wrap_future(answer)) for answer in answers]
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            return [await each for each in waiting]
    except TimeoutError:
        return [""] * len(answers)
