"""Where pictures come from: a camera, a video file, a network stream, the bundled scene.

Size, colours and rate are the source's business: what comes out is H x W x 3 uint8 RGB of the working size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Set
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from realtime.audio.feed import AudioFeed
from realtime.frames import Frame
from realtime.media.rates import LIVE_TIME_BASE, exact_rate
from realtime.sources.base import Closing, Size, Source, SourceError
from realtime.sources.camera_list import (
    CameraDevice,
    Place,
    ask_for,
    describe_cameras,
    find_again,
    find_camera,
    open_capture,
    twins_of,
    usual_camera,
)
from realtime.sources.network_stream import NetworkStream
from realtime.sources.reconnecting import Reconnecting
from realtime.sources.scene import Scene
from realtime.sources.video_file import ReadOptions, VideoFile

DEFAULT_CAMERA_SIZE = (640, 480)
TEST_SCENE = "test"
SCENE_RATE = Fraction(30)
# A camera may swallow a picture now and then, above all its first ones; after so many in a row it is gone.
_MAX_EMPTY_READS = 30


class SceneSource(Closing):
    """The bundled animated scene, as fast as it is read; without `frame_count` it never ends."""

    name = TEST_SCENE
    live = False

    def __init__(
        self, size: Size = DEFAULT_CAMERA_SIZE, rate: Fraction = SCENE_RATE, frame_count: int | None = None
    ) -> None:
        self.size, self.rate, self.frame_count = size, rate, frame_count
        self.time_base = 1 / rate
        self._scene = Scene(*size)

    def frames(self) -> Iterator[Frame]:
        index = 0
        while self.frame_count is None or index < self.frame_count:
            yield Frame(self._scene.draw(index), index, time.monotonic(), index / self.rate)
            index += 1


class CameraSource(Closing):
    """A camera through OpenCV; `size` and `rate` are what it really gives. Raises SourceError."""

    live = True
    frame_count: int | None = None

    def __init__(self, device: CameraDevice, size: Size | None = None, rate: Fraction | None = None) -> None:
        self.name = f"camera {device}"
        self._capture = _open_capture(device)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        mode = ask_for(self._capture, size or DEFAULT_CAMERA_SIZE, float(rate or 0))
        self.size = mode.size
        self.rate = exact_rate(Fraction(mode.fps).limit_denominator(1001)) if mode.fps else rate or Fraction(30)
        refused = "" if size in (None, mode.size) else f", not the {size[0]}x{size[1]} that was asked for"
        self.notes = (f"{self.name} gives {mode}{refused}",)
        self.time_base = LIVE_TIME_BASE

    def frames(self) -> Iterator[Frame]:
        index = empty = 0
        while empty < _MAX_EMPTY_READS:
            good, bgr = self._capture.read()
            captured_at_s = time.monotonic()
            if not good or bgr is None or bgr.size == 0:
                empty += 1
                time.sleep(0.01)
                continue
            empty = 0
            rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield Frame(rgb, index, captured_at_s)
            index += 1
        raise SourceError(f"{self.name} stopped giving pictures; is it unplugged, or in use by another program?")

    def close(self) -> None:
        self._capture.release()


class Resampled(Closing):
    """Another source at a rate of our choosing: frames are repeated or left out so that it keeps its speed."""

    def __init__(self, source: Source, rate: Fraction) -> None:
        self._source = source
        self.name, self.live, self.size, self.rate = source.name, source.live, source.size, rate
        self.time_base, self.sound = 1 / rate, source.sound
        self.presentation, self.notes = source.presentation, source.notes
        count = source.frame_count
        self.frame_count = None if count is None else math.ceil(count * rate / source.rate)

    @property
    def shortfall(self) -> str | None:  # type: ignore[override]
        return self._source.shortfall

    def frames(self) -> Iterator[Frame]:
        index, first_tick = 0, 0
        began_at: Fraction | None = None
        for frame in self._source.frames():
            at = frame.time if frame.time is not None else frame.index / self._source.rate
            if began_at is None:
                # many a file's clock does not begin at 0, and its sound keeps to that clock
                began_at, first_tick = at, round(at * self.rate)
            # a frame is shown until the next one is due, so it stands for every tick before that
            while index / self.rate < at - began_at + 1 / self._source.rate:
                yield Frame(frame.pixels, index, frame.captured_at_s, (first_tick + index) / self.rate)
                index += 1

    def stop(self) -> None:
        self._source.stop()

    def close(self) -> None:
        self._source.__exit__(None, None, None)


def open_source(
    *,
    camera: str | None = None,
    url: str | None = None,
    size: Size | None = None,
    rate: Fraction | None = None,
    reading: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    heard: AudioFeed | None = None,
) -> Source:
    """Returns the source for a camera (index, device path or part of its name) or an input (file, URL or "test").

    reading: which part of a file is read, and how large. heard: takes the sound of a network stream.

    Raises SourceError, saying what there is instead.
    """
    if url is None:
        device = _camera_device(camera)
        twins = twins_of(device)
        return Reconnecting(
            CameraSource(device, size, rate), lambda: CameraSource(_same_camera(device, twins), size, rate)
        )
    if url == TEST_SCENE:
        return SceneSource(size or DEFAULT_CAMERA_SIZE, rate or SCENE_RATE)
    if not is_file(url):
        return Reconnecting(NetworkStream(url, size, heard), lambda: NetworkStream(url, size, heard))
    file = VideoFile(Path(url), size, reading, rate)
    return file if rate is None or rate == file.rate else Resampled(file, rate)


def is_file(url: str) -> bool:
    """Returns whether an input stands for a file, or a row of numbered ones."""
    return url != TEST_SCENE and "://" not in url


def _camera_device(wanted: str | None) -> CameraDevice:
    device = usual_camera() if wanted is None else find_camera(wanted)
    if device is None:
        named = "" if wanted is None else f" {wanted!r}"
        raise SourceError(f"no camera{named} here; {describe_cameras()}; without a camera, type: nst-live -i test")
    return device


def _same_camera(device: CameraDevice, twins: Set[Place]) -> CameraDevice:
    return find_again(device, twins) or _camera_device(device.path or str(device.index))


def _open_capture(device: CameraDevice) -> cv2.VideoCapture:
    capture = open_capture(device)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"cannot open camera {device}; {describe_cameras()}; does another program use it, or does the system "
            "forbid it? without a camera, type: nst-live -i test"
        )
    return capture
