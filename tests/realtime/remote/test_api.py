"""The HTTP API of a running show: what is asked for happens, and what is refused is refused in one line."""

from __future__ import annotations

import io
import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from realtime.queues import BusyError
from realtime.session import ACTIONS, CONTROLS, values_in
from realtime.session.kinds import Weights
from realtime.sources.camera_list import list_cameras
from tests.realtime.remote.stage import STYLES, Stage, open_stage
from tests.realtime.session.test_table import another_value


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_stage(tmp_path_factory.mktemp("show")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def reset(stage: Stage) -> None:
    value = values_in(stage.controls.session)
    if value["style"] != "dark":
        stage.ask("/api/state", "PATCH", {"style": "dark", "strength": 1.0})


def picture(shade: int, size: tuple[int, int] = (60, 40), kind: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(out, kind, **more)
    return out.getvalue()


def mean_shade(data: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).mean())


def test_the_state_has_every_control_and_what_is_only_read(stage: Stage) -> None:
    state = stage.ask("/api/state").value
    assert state.keys() == {*CONTROLS, "source", "show"}
    assert state["show"]["styles"][:3] == list(STYLES)
    assert state["show"]["size"] == [64, 48]


# What has tests of its own, and what a show without sound takes back.
NEEDS_MORE = {"mix", "playlist", "style", "frozen", "muted", "react"}


@pytest.mark.parametrize("name", [name for name in CONTROLS if name not in NEEDS_MORE])
def test_every_control_is_set_by_a_patch_and_set_back(name: str, stage: Stage) -> None:
    value, before = another_value(name), stage.ask("/api/state").value[name]
    if isinstance(value, str):
        value = next(each for each in CONTROLS[name].kind.choices if each != before)  # type: ignore[attr-defined]
    assert stage.ask("/api/state", "PATCH", {name: value}).value[name] == value
    assert CONTROLS[name].read(stage.controls.session) == value
    assert stage.ask("/api/state", "PATCH", {name: before}).value[name] == before


def test_a_style_and_a_mix_are_what_is_painted(stage: Stage) -> None:
    stage.ask("/api/state", "PATCH", {"style": "light"})
    stage.wait_until(lambda: abs(mean_shade(stage.ask("/api/frame.jpg").body) - 200) < 3)
    state = stage.ask("/api/state", "PATCH", {"mix": {"dark": 1.0}, "style": "light"}).value
    assert state["mix"] == {"dark": 1.0, "light": 1.0}, "the style first, whatever the order in the request"
    stage.wait_until(lambda: abs(mean_shade(stage.ask("/api/frame.jpg").body) - 125) < 3)
    assert stage.ask("/api/state", "PATCH", {"mix": {"light": None}}).value["style"] == "dark"
    playlist = stage.ask("/api/state", "PATCH", {"playlist": {"light": 5, "grey": 7}}).value["playlist"]
    assert list(playlist.items()) == [("light", 5), ("grey", 7)]
    assert stage.ask("/api/state", "PATCH", {"playlist": {"light": 0, "grey": None}}).value["playlist"] == {}


@pytest.mark.parametrize(
    ("body", "type_", "status", "reason"),
    [
        (b'{"strength": 2}', "application/json", 400, "strength: 2 is out of range; expected a number from 0 to 1"),
        (b'{"strength": 0.2, "colour": 1}', "application/json", 400, "no control 'colour'; GET /api/controls lists"),
        (b'{"show": {}}', "application/json", 400, "no control 'show'"),
        (b'{"strength": NaN}', "application/json", 400, "strength: nan is not a number"),
        (b'{"strength": 1' + 400 * b"0" + b"}", "application/json", 400, "strength: 1000"),
        (b"[1]", "application/json", 400, "expected an object"),
        (b"{", "application/json", 400, "that is not JSON"),
        (b"[" * 60_000, "application/json", 400, "that is not JSON"),
        (b"\xff\xfe", "application/json", 400, "that is not JSON"),
        (b'{"strength": 0.2}', "text/plain", 415, "expected a body of Content-Type application/json"),
        (b" " * 70_000, "application/json", 413, "too large; expected at most 64 KiB"),
        (b'{"source": "0"}', "application/json", 409, "the source of this show cannot be changed"),
    ],
)
def test_a_wrong_patch_changes_nothing(body: bytes, type_: str, status: int, reason: str, stage: Stage) -> None:
    answer = stage.ask("/api/state", "PATCH", body=body, Content_Type=type_)
    assert (answer.status, answer.error.startswith(reason)) == (status, True), answer.body
    assert stage.controls.session.strength == 1.0


def test_a_snapshot_is_saved_and_can_be_fetched_and_nothing_else_can(stage: Stage) -> None:
    message = stage.ask("/api/commands/snapshot", "POST").value["message"]
    name = stage.ask("/api/state").value["show"]["saved"][-1]
    assert message == f"saved {stage.captures / name}"
    fetched = stage.ask(f"/api/captures/{name}")
    assert fetched.body == (stage.captures / name).read_bytes()
    assert fetched.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    (stage.captures / "other.png").write_bytes(b"secret")
    for path in ("other.png", "..%2fother.png", "%2e%2e/%2e%2e/etc/passwd", "..", "%00", "%2fetc%2fpasswd"):
        answer = stage.ask(f"/api/captures/{path}")
        assert answer.status == 404, path
        assert b"secret" not in answer.body
        assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "path", ["/page/..%2fserver.py", "/page/../server.py", "/page/%2e%2e%2fguard.py", "/server.py"]
)
def test_only_the_files_of_the_page_are_served(path: str, stage: Stage) -> None:
    answer = stage.ask(path)
    assert answer.status == 404
    assert answer.body.count(b"\n") <= 1
    page = stage.ask("/")
    assert b"/page/main.js" in page.body
    assert stage.ask("/page/main.js").headers["Content-Type"].startswith("text/javascript")


def test_the_sources_are_cameras_and_the_bundled_scene(stage: Stage) -> None:
    sources = stage.ask("/api/sources").value["sources"]
    assert sources[-1] == {"value": "test", "name": "the bundled scene"}
    assert len(sources) == len(list_cameras()) + 1


def test_a_recording_runs_from_command_to_command(stage: Stage) -> None:
    stage.ask("/api/commands/record", "POST")
    stage.wait_until(lambda: stage.ask("/api/state").value["recording"])
    stage.ask("/api/commands/record", "POST")
    stage.wait_until(lambda: list(stage.captures.glob("*.mp4")))
    assert not stage.ask("/api/state").value["recording"]


def test_commands_that_write_files_are_limited_in_number(stage: Stage) -> None:
    statuses = [stage.ask("/api/commands/replay", "POST").status for _ in range(20)]
    assert statuses[0] == 200
    assert 429 in statuses
    with pytest.raises(BusyError, match="too many files"):
        stage.controls.ask("snapshot")
    assert stage.ask("/api/commands/explode", "POST").status == 404


def test_a_picture_becomes_a_style_that_is_painted_with(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open_stage(tmp_path_factory.mktemp("uploads")) as stage:
        mark = Image.Exif()
        mark[ExifTags.Base.ImageDescription] = "where I live"
        data = picture(90, (3000, 20), "JPEG", exif=mark.tobytes())
        answer = stage.ask("/api/styles?name=..%2F..%2FMy%20Photo.JPG", "POST", body=data, Content_Type="image/jpeg")
        assert (answer.status, answer.value) == (201, {"name": "my-photo"})
        stage.wait_until(lambda: stage.controls.session.style_name == "my-photo")
        stage.wait_until(lambda: abs(mean_shade(stage.ask("/api/frame.jpg").body) - 90) < 3)
        (saved,) = stage.styles.iterdir()
        assert b"where I live" not in saved.read_bytes()
        with Image.open(saved) as image:
            assert image.size == (2048, 13)
        again = stage.ask("/api/styles?name=dark.png", "POST", body=picture(10), Content_Type="image/png")
        assert again.value == {"name": "dark-2"}, "no two styles have one name"
        for data, status, reason in (
            (b"<html>", 422, "that is not a picture that can be read: it cannot be read as a picture"),
            (picture(5)[:60], 422, "that is not a picture that can be read"),
            (bomb(), 422, "the picture is too large (9000x9000); expected at most 60 megapixels"),
            (b"", 422, "that is not a picture"),
        ):
            answer = stage.ask("/api/styles?name=a.png", "POST", body=data, Content_Type="image/png")
            assert (answer.status, answer.error.startswith(reason)) == (status, True), answer.body
            assert "/tmp" not in answer.error
        assert len(list(stage.styles.iterdir())) == 2
        assert stage.ask("/api/styles", "POST", body=b"a=1", Content_Type="text/html").status == 415
        styles = stage.ask("/api/styles").value["styles"]
        assert [each["name"] for each in styles if each["on"]] == ["dark-2"]
        thumbnail = stage.ask(styles[3]["thumbnail"])
        assert abs(mean_shade(thumbnail.body) - 90) < 3
        assert stage.ask("/api/styles/none/thumbnail.jpg").status == 404


def bomb() -> bytes:
    """Returns a small PNG of 81 megapixels."""
    out = io.BytesIO()
    Image.new("1", (9000, 9000)).save(out, "PNG")
    return out.getvalue()


def test_the_description_of_the_api_names_every_control_command_and_route(stage: Stage) -> None:
    document = stage.ask("/api/openapi.json").value
    properties = document["components"]["schemas"]["State"]["properties"]
    assert properties.keys() == {*CONTROLS, "source", "show"}
    assert all(properties[name]["description"] for name in CONTROLS)
    command = document["paths"]["/api/commands/{name}"]["post"]["parameters"][0]
    assert command["schema"]["enum"] == list(ACTIONS)
    app = stage.server._app()
    routes = {route.resource.canonical for route in app.router.routes() if route.resource is not None}
    described = document["paths"].keys()
    assert {each for each in routes if each.startswith("/api/")} - {"/api/openapi.json", "/api/link.svg"} == described
    state = stage.ask("/api/state").value
    for name, schema in properties.items():
        kinds: dict[str, Any] = {"boolean": bool, "number": (int, float), "string": str, "object": dict}
        assert isinstance(state[name], kinds[schema["type"]]), name
    assert isinstance(CONTROLS["mix"].kind, Weights)


# streams --------------------------------------------------------------------------------------------------------------


def read_parts(stage: Stage, count: int) -> list[bytes]:
    with urllib.request.urlopen(stage.url + "/api/stream.mjpg", timeout=20) as stream:
        boundary = stream.headers["Content-Type"].partition("boundary=")[2]
        assert stream.readline() == f"--{boundary}\r\n".encode()
        parts = []
        for _ in range(count):
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name] = value
            parts.append(stream.read(int(headers["Content-Length"])))
            assert stream.readline() == b"\r\n"
            assert stream.readline() == f"--{boundary}\r\n".encode()
        return parts


def test_a_stream_has_moving_frames_and_nothing_is_encoded_without_viewers(stage: Stage) -> None:
    stage.ask("/api/state", "PATCH", {"original": True})
    parts = read_parts(stage, 5)
    assert len({mean_shade(part) for part in parts}) > 1
    stage.ask("/api/state", "PATCH", {"original": False})
    stage.wait_until(lambda: stage.frames.watchers == 0)
    encoded = stage.frames.newest
    drawn = stage.frames.painted
    stage.wait_until(lambda: stage.frames.painted is not drawn)
    assert stage.frames.newest is encoded


def test_many_viewers_share_each_encoded_frame(stage: Stage) -> None:
    seen: list[set[bytes]] = []
    stage.ask("/api/state", "PATCH", {"original": True})

    def watch() -> None:
        seen.append(set(read_parts(stage, 12)))

    threads = [threading.Thread(target=watch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stage.ask("/api/state", "PATCH", {"original": False})
    assert len(seen) == 8
    assert len(set.union(*seen)) < sum(map(len, seen)) / 2


def test_answers_forbid_other_sites_to_show_them(stage: Stage) -> None:
    for path in ("/", "/view", "/api/state", "/api/frame.jpg", "/nothing"):
        headers = stage.ask(path).headers
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_json_is_small_and_the_same_for_all(stage: Stage) -> None:
    assert len(json.dumps(stage.ask("/api/state").value)) < 4000
