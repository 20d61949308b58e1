"""The painting as video for browsers: encoded once for all who watch, and not at all while nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.frames import Frame, Pixels
from realtime.media.live_vp8 import EncodedFrame, LiveVp8
from realtime.queues import QueuePolicy, SinkQueue

# A viewer with a bad line asks for key frames all the time, and each is as large as many frames of all the others.
_KEY_EVERY_S = 0.4
# Who comes while the picture stands still sees it after this time.
_REPEAT_S = 0.2

Receive = Callable[[EncodedFrame], None]


class Watcher:
    """One who watches: gets every frame from the next key frame on.

    Args:
        receive: takes each frame, in the thread of the sink; it must not wait.

    `needs_key` asks for a key frame, and what comes before it is left out. `limit` is the most bits per second that the
    line takes; None if that is not known. Both may be set from any thread.
    """

    def __init__(self, receive: Receive) -> None:
        self.needs_key = True
        self.limit: int | None = None
        self._receive = receive

    def hand_over(self, frame: EncodedFrame) -> None:
        """Passes a frame on, unless a key frame has to come first."""
        if frame.is_key:
            self.needs_key = False
        if not self.needs_key:
            self._receive(frame)


class WebVideo:
    """A sink that encodes for those who watch; a SinkQueue writes into it. It waits for nobody."""

    def __init__(self) -> None:
        self._encoder = LiveVp8()
        self._watchers: tuple[Watcher, ...] = ()
        self._last_key_s = 0.0

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def add(self, watcher: Watcher) -> None:
        """Lets somebody watch; called from one thread, which is not that of the sink."""
        self._watchers = (*self._watchers, watcher)

    def remove(self, watcher: Watcher) -> None:
        """Lets somebody go, whether or not it watches; called from the thread that calls `add`."""
        self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Encodes a frame, H x W x 3 uint8 RGB, for those who watch."""
        watchers = self._watchers
        if not watchers:
            return
        now_s = time.monotonic()
        key = any(each.needs_key for each in watchers) and now_s - self._last_key_s >= _KEY_EVERY_S
        self._encoder.limit = min((each.limit for each in watchers if each.limit is not None), default=None)
        encoded = self._encoder.encode(pixels, frame.captured_at_s, key=key)
        if encoded is None:
            return
        if encoded.is_key:
            self._last_key_s = now_s
        for watcher in watchers:
            watcher.hand_over(encoded)


def open_web_video_queue(video: WebVideo) -> SinkQueue:
    """Returns the queue of such a sink, which only ever holds the newest painting."""
    return SinkQueue(video, "web video", QueuePolicy(capacity=1, repeat_s=_REPEAT_S))
