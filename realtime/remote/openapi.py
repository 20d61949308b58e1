"""The OpenAPI document, made from the table of controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime import __version__
from realtime.session import ACTIONS, CONTROLS, Control, OneOf, Range, Session, Switch, Weights

_ERROR = {"description": "It was refused; the reason is in `error`.", "content": {"application/json": {}}}


def openapi_document(session: Session) -> dict[str, Any]:
    """Returns the description of the HTTP API of a show."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nst-live",
            "version": __version__,
            "description": "Controls a show. At an address other than loopback every request needs the token of the "
            "printed link: as `Authorization: Bearer TOKEN`, as the query `token`, or as the cookie of the page.",
        },
        "paths": {**_PATHS, "/api/state": _STATE_PATH, "/api/commands/{name}": _COMMANDS_PATH},
        "components": {
            "schemas": {"State": _state_schema(session)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def schema_of(control: Control, session: Session) -> dict[str, Any]:
    """Returns the JSON schema of a control's values."""
    kind = control.kind
    if isinstance(kind, Switch):
        schema: dict[str, Any] = {"type": "boolean"}
    elif isinstance(kind, Range):
        schema = {"type": "number", "minimum": kind.lowest, "maximum": kind.highest, "x-step": kind.step}
    elif isinstance(kind, OneOf):
        schema = {"type": "string", "enum": list(kind.among(session))}
    else:
        highest, step = (kind.highest, kind.step) if isinstance(kind, Weights) else (1.0, 0.01)
        weight = {"type": ["number", "null"], "minimum": 0, "maximum": highest, "x-step": step}
        schema = {"type": "object", "additionalProperties": weight}
    return {**schema, "description": control.help}


def _state_schema(session: Session) -> dict[str, Any]:
    controls = {name: schema_of(control, session) for name, control in CONTROLS.items()}
    show = {
        "type": "object",
        "readOnly": True,
        "description": "what is only read: rates, messages, files that were saved",
    }
    source = {"type": "string", "description": "what is painted: a camera, a file or an address, as after -i"}
    return {"type": "object", "properties": {**controls, "source": source, "show": show}}


_STATE = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/State"}}}}
_STATE_PATH: Mapping[str, Any] = {
    "get": {"summary": "the state of the show", "responses": {"200": {"description": "the state", **_STATE}}},
    "patch": {
        "summary": "sets controls; what is not named stays, also weights within `mix`",
        "requestBody": {"required": True, **_STATE},
        "responses": {"200": {"description": "the state afterwards", **_STATE}, "400": _ERROR, "429": _ERROR},
    },
}


_COMMANDS_PATH: Mapping[str, Any] = {
    "post": {
        "summary": "asks for something that is done once",
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "enum": list(ACTIONS)},
                "description": "; ".join(f"`{action.name}`: {action.help}" for action in ACTIONS.values()),
            }
        ],
        "responses": {"200": {"description": "what came of it, in `message`"}, "404": _ERROR, "429": _ERROR},
    }
}


def _read(summary: str, kind: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": summary, "content": {kind: {}}}}}}


def _answered(summary: str, *refusals: str) -> dict[str, Any]:
    offer = {"required": True, "content": {"application/json": {"schema": {"type": "object", "required": ["sdp"]}}}}
    responses = {"200": {"description": "the answer, in `sdp`"}, **dict.fromkeys(refusals, _ERROR)}
    return {"post": {"summary": summary, "requestBody": offer, "responses": responses}}


_PATHS: Mapping[str, Any] = {
    "/api/controls": _read("the table of controls and commands", "application/json"),
    "/api/sources": _read("the cameras, and the bundled scene: values for `source`", "application/json"),
    "/api/styles": {
        **_read("the styles, in the order of their numbers", "application/json"),
        "post": {
            "summary": "makes a style of a picture, and changes to it",
            "parameters": [{"name": "name", "in": "query", "schema": {"type": "string"}, "description": "of its file"}],
            "requestBody": {"required": True, "content": {"image/*": {}}},
            "responses": {"201": {"description": "the name of the style, in `name`"}, "413": _ERROR, "422": _ERROR},
        },
    },
    "/api/styles/{name}/thumbnail.jpg": _read("a small painting in that style", "image/jpeg"),
    "/api/frame.jpg": _read("the newest painted frame", "image/jpeg"),
    "/api/stream.mjpg": _read("painted frames, as long as they are read", "multipart/x-mixed-replace"),
    "/api/captures/{name}": _read("a file that was saved in this show", "application/octet-stream"),
    "/api/webrtc": _read("what a browser has to know for WebRTC", "application/json"),
    "/api/webrtc/watch": _answered("takes an offer to watch the painting by WebRTC", "400", "503"),
    "/api/webrtc/camera": _answered("takes an offer to send a camera by WebRTC", "400", "409", "503"),
    "/api/events": _read("a WebSocket: the state whenever it changes; set controls and ask for commands", "text/plain"),
}
