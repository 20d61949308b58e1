"""Where pictures come from: a camera, a video file, a network stream, the bundled scene.

Size, colours and rate are the source's business: what comes out is H x W x 3 uint8 RGB of the working size.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import av
import av.error
import cv2
import numpy as np

from realtime.cameras import Camera as CameraDevice
from realtime.cameras import describe_cameras, find_camera
from realtime.frames import Frame
from realtime.rates import clock_for, exact_rate
from realtime.recorder import LIVE_TIME_BASE
from realtime.scene import Scene

Size = tuple[int, int]

DEFAULT_CAMERA_SIZE = (640, 480)
TEST_SCENE = "test"
SCENE_RATE = Fraction(30)
# What is tried for this long is not there.
_OPEN_TIMEOUT_S = 10.0
# A read that takes longer is a broken stream; shorter than what closing waits for the reading thread.
_READ_TIMEOUT_S = 4.0
# FFmpeg takes any text by these names for drawings made of characters.
_TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf")
# A file may end so much before its announced end: the last picture's duration is not always known.
_END_TOLERANCE_S = Fraction(1, 2)
_STREAM_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "rtmp://", "rtmps://", "srt://", "tcp://")
# A camera may swallow a picture now and then, above all its first ones; after so many in a row it is gone.
_MAX_EMPTY_READS = 30


class SourceError(OSError):
    """An input cannot be opened or read: no such camera, no such file, or not a video."""


class Source(Protocol):
    """Gives frames in order. A context manager; `live` sources go on whether or not anybody reads them."""

    name: str
    live: bool
    size: Size
    rate: Fraction
    frame_count: int | None
    """How many frames there will be, where that is known."""
    time_base: Fraction
    """The clock of the frames' own times: their smallest step, in seconds."""
    sound_path: Path | None
    """The file that has the sound to the picture, if there is one."""

    def frames(self) -> Iterator[Frame]: ...

    @property
    def shortfall(self) -> str | None:
        """What could not be read, once `frames` has ended; None where all was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Closing:
    """A source that has nothing to close and reads all there is; the others override what differs."""

    shortfall: str | None = None
    sound_path: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what the source holds."""


class SceneSource(_Closing):
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


class VideoFile(_Closing):
    """A video file through PyAV: every frame once, with its own timestamp. Raises SourceError."""

    live = False

    def __init__(self, path: Path, size: Size | None = None) -> None:
        self.name, self.sound_path = str(path), path
        self._container = _open_file(path)
        self._stream = _picture_stream(self._container, self.name)
        self.size = size or (self._stream.codec_context.width, self._stream.codec_context.height)
        if min(self.size) <= 0:
            raise SourceError(f"{path} has no picture size; it may be cut off before its first picture")
        self.rate = _rate(self._stream)
        self._promised_end_s = _matroska_end_s(self._container, self._stream)
        self.frame_count = self._stream.frames or _count_from_duration(self._stream, self.rate, self._promised_end_s)
        self.time_base = clock_for(self.rate, self._stream.time_base or 1 / self.rate)
        self.shortfall: str | None = None

    def frames(self) -> Iterator[Frame]:
        index, hidden, end_s, trouble = 0, 0, Fraction(0), ""
        try:
            for packet in self._container.demux(self._stream):
                # a cut made without encoding anew keeps pictures before its beginning that are not to be shown
                hidden += packet.is_discard
                for picture in packet.decode():
                    frame = self._frame(picture, index)
                    end_s = max(end_s, (frame.time or 0) + self._duration_s(picture))
                    yield frame
                    index += 1
        except av.error.FFmpegError as exc:
            trouble = f" ({_reason(exc)})"
        if index == 0:
            raise SourceError(f"no picture in {self.name} could be decoded{trouble}")
        self.shortfall = self._missing(index, self._stream.frames - hidden, end_s, trouble)

    def _missing(self, read: int, promised: int, end_s: Fraction, trouble: str) -> str | None:
        damaged = f"{self.name} is damaged or cut off: only {read}"
        if read < promised:
            return f"{damaged} of {promised} frames could be read{trouble}"
        if self._promised_end_s is not None and end_s + _END_TOLERANCE_S < self._promised_end_s:
            times = f"{float(end_s):.1f} of {float(self._promised_end_s):.1f} s"
            return f"{damaged} frames, {times}, could be read{trouble}"
        return f"{damaged} frames could be read{trouble}" if trouble else None

    def _duration_s(self, picture: av.VideoFrame) -> Fraction:
        if picture.duration and picture.time_base is not None:
            return picture.duration * picture.time_base
        return 1 / self.rate

    def _frame(self, picture: av.VideoFrame, index: int) -> Frame:
        at = None if picture.pts is None or picture.time_base is None else picture.pts * picture.time_base
        return Frame(_rgb(picture, self.size), index, time.monotonic(), at)

    def close(self) -> None:
        self._container.close()


class NetworkStream(_Closing):
    """A live stream (rtsp, http, udp, rtmp …) through PyAV. Raises SourceError when it cannot be opened or breaks."""

    live = True
    frame_count: int | None = None

    def __init__(self, url: str, size: Size | None = None) -> None:
        self.name = url
        options = {"fflags": "nobuffer", "flags": "low_delay"}
        if url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container = av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
        except (av.error.FFmpegError, OSError) as exc:
            raise SourceError(f"cannot open the stream {url}: {_reason(exc)}") from exc
        self._stream = _picture_stream(self._container, url)
        self.size = size or (self._stream.codec_context.width, self._stream.codec_context.height)
        self.rate = _rate(self._stream)
        self.time_base = LIVE_TIME_BASE

    def frames(self) -> Iterator[Frame]:
        index = 0
        try:
            for picture in self._container.decode(self._stream):
                yield Frame(_rgb(picture, self.size), index, time.monotonic())
                index += 1
        except av.error.EOFError:
            pass
        except (av.error.FFmpegError, OSError) as exc:
            raise SourceError(f"the stream {self.name} broke off: {_reason(exc)}") from exc
        if index == 0:
            raise SourceError(f"the stream {self.name} ended before its first picture")

    def close(self) -> None:
        self._container.close()


class Camera(_Closing):
    """A camera through OpenCV; `size` and `rate` are what it really gives. Raises SourceError."""

    live = True
    frame_count: int | None = None

    def __init__(self, device: CameraDevice, size: Size | None = None, rate: Fraction | None = None) -> None:
        self.name = f"camera {device}"
        self._capture = _open_capture(device)
        width, height = size or DEFAULT_CAMERA_SIZE
        if width * height > 640 * 480:
            # uncompressed pictures of this size do not fit through USB 2 at full rate
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if rate is not None:
            self._capture.set(cv2.CAP_PROP_FPS, float(rate))
        given = tuple(int(self._capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.size = (given[0] or width, given[1] or height)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = (
            exact_rate(Fraction(fps).limit_denominator(1001)) if fps and math.isfinite(fps) else rate or Fraction(30)
        )
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


class Resampled(_Closing):
    """Another source at a rate of our choosing: frames are repeated or left out so that it keeps its speed."""

    def __init__(self, source: Source, rate: Fraction) -> None:
        self._source = source
        self.name, self.live, self.size, self.rate = source.name, source.live, source.size, rate
        self.time_base, self.sound_path = 1 / rate, source.sound_path
        count = source.frame_count
        self.frame_count = None if count is None else math.ceil(count * rate / source.rate)

    @property
    def shortfall(self) -> str | None:  # type: ignore[override]
        return self._source.shortfall

    def frames(self) -> Iterator[Frame]:
        index = 0
        began_at: Fraction | None = None
        for frame in self._source.frames():
            at = frame.time if frame.time is not None else frame.index / self._source.rate
            # many a file's clock does not begin at 0
            began_at = at if began_at is None else began_at
            # a frame is shown until the next one is due, so it stands for every tick before that
            while index / self.rate < at - began_at + 1 / self._source.rate:
                yield Frame(frame.pixels, index, frame.captured_at_s, index / self.rate)
                index += 1

    def close(self) -> None:
        self._source.__exit__(None, None, None)


def open_source(
    *, camera: str | None = None, url: str | None = None, size: Size | None = None, rate: Fraction | None = None
) -> Source:
    """Returns the source for a camera (index, device path or part of its name) or an input (file, URL or "test").

    Raises SourceError, saying what there is instead.
    """
    if url is None:
        return Camera(_camera_device(camera or "0"), size, rate)
    if url == TEST_SCENE:
        return SceneSource(size or DEFAULT_CAMERA_SIZE, rate or SCENE_RATE)
    source: Source
    source = NetworkStream(url, size) if url.startswith(_STREAM_SCHEMES) else VideoFile(Path(url), size)
    return source if rate is None or source.live else Resampled(source, rate)


def _camera_device(wanted: str) -> CameraDevice:
    device = find_camera(wanted)
    if device is None:
        raise SourceError(f"no camera {wanted!r} here; {describe_cameras()}; without a camera, type: nst-live -i test")
    return device


def _open_capture(device: CameraDevice) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(device.path or device.index)
    if not capture.isOpened():
        capture.release()
        raise SourceError(
            f"cannot open camera {device}; {describe_cameras()}; is another program using it? "
            "without a camera, type: nst-live -i test"
        )
    return capture


def _open_file(path: Path) -> Any:
    if not path.exists():
        raise SourceError(f"no file {path}; to see the bundled scene instead, type: nst-live -i test")
    if path.is_dir():
        raise SourceError(f"{path} is a folder; wanted a video file")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as exc:
        raise SourceError(f"{path} cannot be read as a video: {_reason(exc)}") from exc
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise SourceError(f"{path} cannot be read as a video: it is text")
    return container


def _picture_stream(container: Any, name: str) -> Any:
    """Returns the first stream of pictures, set to decode on every core."""
    if not container.streams.video:
        container.close()
        raise SourceError(f"{name} has no pictures in it; wanted a video")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        container.close()
        raise SourceError(f"{name} is in a format that cannot be decoded here")
    stream.thread_type = "AUTO"
    return stream


def _rate(stream: Any) -> Fraction:
    return exact_rate(stream.guessed_rate or stream.average_rate or Fraction(25))


def _rgb(picture: av.VideoFrame, size: Size) -> Any:
    """Returns H x W x 3 uint8 RGB of the wanted size, scaled and converted in one pass."""
    return picture.to_ndarray(format="rgb24", width=size[0], height=size[1], interpolation="BICUBIC")


def _count_from_duration(stream: Any, rate: Fraction, end_s: Fraction | None) -> int | None:
    duration_s = stream.duration * stream.time_base if stream.duration and stream.time_base else end_s
    return max(1, round(duration_s * rate)) if duration_s else None


def _matroska_end_s(container: Any, stream: Any) -> Fraction | None:
    """Returns when the pictures of a Matroska or WebM file end by its own account, which counts no frames."""
    if "matroska" not in container.format.name:
        return None
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
    # of several streams the longest counts there, which may be the sound
    alone = len(container.streams) == 1 and container.duration
    return Fraction(container.duration, av.time_base) if alone else None


def _reason(exc: BaseException) -> str:
    if isinstance(exc, av.error.ExitError):
        return "nothing came in time"
    text = getattr(exc, "strerror", None) or str(exc)
    return str(text).strip() or type(exc).__name__
