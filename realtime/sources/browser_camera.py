"""The camera of a browser, e.g. that of a phone, as a source that is waited for when it is lost."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av

from realtime.frames import UNSPECIFIED, Frame, Pixels, Size, letterboxed
from realtime.media.color import ToRgb
from realtime.media.decoding import SourceError
from realtime.media.rates import LIVE_TIME_BASE, believable_rate
from realtime.sources.base import BaseSource, SourceInfo
from realtime.sources.stream_clock import StreamClock

# What stands for it among the inputs.
BROWSER = "browser"
_NAME = "the browser's camera"
_WHAT_TO_DO = "open the page there and press “Use this camera”"
# Browsers convert what their cameras give with this matrix, at any size, and VP8 does not say so.
_BT601 = 6
_USUAL_RATE = Fraction(30)
# A frame that takes longer is reported as being waited for.
_STALL_S = 1.5
# Ctrl-C and `stop` are heard so often while nothing comes, in seconds.
_POLL_S = 0.25
# Shapes that differ by less are the same one.
_SAME_SHAPE = 0.02


@dataclass(frozen=True)
class CameraMode:
    """What the page says about its camera.

    Args:
        size: width and height.
        fps: frames per second; 0 if it does not say.
    """

    size: Size
    fps: float = 0.0


class BrowserFeed:
    """Passes what a browser sends from the thread that receives it to the source that reads it: the newest frame only.

    There is one for a show, whether or not a browser sends.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: tuple[av.VideoFrame, float] | None = None
        self._sender: object | None = None
        self._mode: CameraMode | None = None
        self._heard_at_s = -math.inf
        self._clock = StreamClock()

    @property
    def is_connected(self) -> bool:
        """Whether a browser sends."""
        return self._sender is not None

    @property
    def silent_s(self) -> float:
        """For how long nothing has come, in seconds."""
        return time.monotonic() - self._heard_at_s

    @property
    def mode(self) -> CameraMode | None:
        """What the page says about its camera; None if it says nothing."""
        return self._mode

    def connect(self, sender: object, mode: CameraMode | None = None) -> None:
        """Takes frames from a sender from now on, and from no other.

        Args:
            sender: whatever stands for it.
            mode: what it says about its camera.
        """
        with self._changed:
            self._sender, self._mode, self._clock, self._newest = sender, mode, StreamClock(), None
            self._changed.notify_all()

    def disconnect(self, sender: object) -> None:
        """Lets a sender go, if it is still the one."""
        with self._changed:
            if self._sender is sender:
                self._sender = self._newest = None
                self._changed.notify_all()

    def put(self, sender: object, decoded: av.VideoFrame) -> None:
        """Adds a frame, whose time is that of the sender's clock; the one before it is dropped if nobody took it."""
        now_s, time_s = time.monotonic(), float(decoded.time or 0)
        with self._changed:
            if self._sender is not sender:
                return
            self._clock.observe(time_s, now_s)
            self._heard_at_s = now_s
            self._newest = decoded, self._clock.sent_at_s(time_s, now_s)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> tuple[av.VideoFrame, float] | None:
        """Returns the newest frame that was not taken yet, and when it was sent, on the monotonic clock, in seconds.

        Args:
            timeout_s: how long to wait, in seconds; then it is None.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            newest, self._newest = self._newest, None
            return newest


class BrowserCamera(BaseSource):
    """What a browser's camera sends. It is open when the first frame has come, whose shape it keeps.

    Args:
        feed: where the frames come from.
        size: width and height; None for those of the camera.
        rate: frames per second; None for what the page says.
        wait_s: how long to wait for the first frame, in seconds; None for no limit.

    Raises:
        SourceError: none has come.
    """

    def __init__(
        self,
        feed: BrowserFeed,
        size: Size | None = None,
        rate: Fraction | None = None,
        wait_s: float | None = None,
    ) -> None:
        self._feed = feed
        self._stopped = threading.Event()
        self._to_rgb: dict[Size, ToRgb] = {}
        give_up_at_s = math.inf if wait_s is None else time.monotonic() + wait_s
        while (first := feed.take(_POLL_S)) is None:
            if time.monotonic() > give_up_at_s:
                raise SourceError(f"no browser sends its camera; {_WHAT_TO_DO}")
        self._first: tuple[av.VideoFrame, float] | None = first
        self._waiting_since_s: float | None = None
        mode = feed.mode
        said = mode.fps if mode is not None else None
        super().__init__(
            SourceInfo(
                name=_NAME,
                size=size or _upright((first[0].width, first[0].height), mode),
                rate=rate or believable_rate(said, live=True) or _USUAL_RATE,
                time_base=LIVE_TIME_BASE,
                live=True,
            )
        )

    @property
    def status(self) -> str:
        since_s = self._waiting_since_s
        if since_s is None or time.monotonic() - since_s < _STALL_S:
            return ""
        if self._feed.is_connected:
            return f"no frame from {_NAME}, waiting"
        return f"{_NAME} lost, waiting; {_WHAT_TO_DO}"

    def frames(self) -> Iterator[Frame]:
        """Yields frames as they come, until it is stopped."""
        index, taken, self._first = 0, self._first, None
        while not self._stopped.is_set():
            if taken is not None:
                decoded, sent_at_s = taken
                self._waiting_since_s = None
                yield Frame(letterboxed(self._rgb(decoded), self.size), index, sent_at_s)
                index += 1
                self._waiting_since_s = time.monotonic()
            taken = self._feed.take(_POLL_S)

    def stop(self) -> None:
        self._stopped.set()

    def _rgb(self, decoded: av.VideoFrame) -> Pixels:
        size = decoded.width, decoded.height
        if size not in self._to_rgb:
            self._to_rgb = {size: ToRgb(size)}
        if decoded.colorspace == UNSPECIFIED:
            decoded.colorspace = _BT601
        return self._to_rgb[size](decoded)


def open_browser_camera(feed: BrowserFeed | None, size: Size | None, rate: Fraction | None) -> BrowserCamera:
    """Returns the camera of a browser, once it sends.

    Args:
        feed: where its frames come from; None if no page is served.
        size: width and height; None for those of the camera.
        rate: frames per second; None for what the page says.

    Raises:
        SourceError: no page is served.
    """
    if feed is None:
        raise SourceError(f"a browser's camera comes through a page; type: nst-live -i {BROWSER}")
    return BrowserCamera(feed, size, rate)


def _upright(first: Size, mode: CameraMode | None) -> Size:
    """Returns the size of a camera by its first frame: browsers begin with small ones of the same shape.

    Args:
        first: width and height of the first frame.
        mode: what the page says, which may not know how the phone is held.
    """
    if mode is None:
        return first
    for size in (mode.size, mode.size[::-1]):
        if abs(first[0] * size[1] / (first[1] * size[0]) - 1) < _SAME_SHAPE:
            return size
    return first
