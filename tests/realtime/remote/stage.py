"""A show with a server, for tests: stand-ins paint, but player, server and clients are real."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from realtime.frames import Frame
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.player.style_uploads import StyleUploads
from realtime.queues import SinkQueue
from realtime.remote.address import Address
from realtime.remote.outlets import Outlets
from realtime.remote.server import ControlServer, ServerOptions
from realtime.remote.show import RemoteShow
from realtime.remote.signalling import Signalling
from realtime.screen.thumbnails import Thumbnails
from realtime.session import Session, quit_show
from realtime.sinks.jpeg_frames import JpegFrames, open_jpeg_queue
from realtime.stylize.stylizer import FrameStylizer
from tests.realtime.stand_ins import SIZE, controls_of, shade, shade_backend

STYLES = {"dark": 50, "grey": 120, "light": 200}


class Ticking:
    """A live source without an end: `rate` frames a second, each of another shade."""

    size, live, rate = SIZE, True, Fraction(50)

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def frames(self) -> Iterator[Frame]:
        index = 0
        while not self._stopped.wait(float(1 / self.rate)):
            yield Frame(np.full((SIZE[1], SIZE[0], 3), index % 256, np.uint8), index, time.monotonic())
            index += 1

    def stop(self) -> None:
        self._stopped.set()


@dataclass
class Air:
    """What stands for a stream that can be switched off."""

    is_off: bool = False


@dataclass
class Answer:
    """What a server answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.value["error"])


@dataclass
class Stage:
    """A running show and its server."""

    controls: Controls
    server: ControlServer
    captures: Path
    styles: Path
    queue: SinkQueue
    frames: JpegFrames

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.guard.address.port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        value: object = None,
        *,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Sends a request; `headers` are written with _ for -."""
        given = {name.replace("_", "-"): text for name, text in headers.items()}
        if value is not None:
            body = json.dumps(value).encode()
            given.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, body, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return Answer(response.status, response.read(), dict(response.headers))
        except urllib.error.HTTPError as exc:
            return Answer(exc.code, exc.read(), dict(exc.headers))

    def wait_until(self, true: Callable[[], object], seconds: float = 20.0) -> None:
        end_s = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end_s, "it did not happen"
            time.sleep(0.01)


def picture_style(path: Path) -> Any:
    """Returns what a picture becomes here: a style of the shade of its first pixel."""
    from realtime.media.photo import read_photo

    return shade(path.stem, int(read_photo(path).pixels[0, 0, 0]))


@contextmanager
def open_stage(folder: Path, options: ServerOptions | None = None, **given: Any) -> Iterator[Stage]:
    """Opens a show in a thread of its own, and its server.

    Args:
        folder: for captures and styles.
        options: of the server.
        given: further arguments of ControlServer.
    """
    captures, styles = folder / "captures", folder / "styles"
    controls = controls_of(Session(tuple(STYLES)), *(shade(name, value) for name, value in STYLES.items()))
    frames = JpegFrames()
    with ExitStack() as stack:
        stylizer = stack.enter_context(FrameStylizer(shade_backend()))
        thumbnails = stack.enter_context(Thumbnails(shade_backend(), lambda: np.zeros((144, 192, 3), np.uint8)))
        queue = stack.enter_context(open_jpeg_queue(frames))
        player = Player(
            Ticking(), stylizer, controls, outputs=PlayerOutputs(sinks=[queue], captures=captures, stream=Air())
        )
        uploads = StyleUploads(styles, picture_style, controls)
        show = RemoteShow(controls, frames, SIZE, lambda: player.saved, thumbnails, uploads)
        webrtc = Signalling(Outlets(frames), lambda: SIZE)
        server = stack.enter_context(
            ControlServer(show, options or ServerOptions(Address(port=0)), **{"routes": [webrtc.add_to], **given})
        )
        thread = threading.Thread(target=player.run, daemon=True)
        thread.start()
        stage = Stage(controls, server, captures, styles, queue, frames)
        stage.wait_until(lambda: frames.painted is not None and controls.readings is not None)
        try:
            yield stage
        finally:
            controls.send(quit_show)
            thread.join(10)
            assert not thread.is_alive(), "the show does not end"
