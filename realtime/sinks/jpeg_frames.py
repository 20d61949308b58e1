"""The newest painting as a JPEG, encoded once for all who watch, and not at all while nobody does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2

from realtime.frames import Frame, Pixels
from realtime.queues import QueuePolicy, SinkQueue

_QUALITY = 82
# A page shows no more; larger paintings are made smaller.
LONGEST_SIDE = 1280
# Browsers show no more, and each one costs the time of a processor.
_SHORTEST_PAUSE_S = 1 / 31


class FrameEncodingError(RuntimeError):
    """A painting cannot be encoded."""


@dataclass(frozen=True, eq=False)
class JpegFrame:
    """An encoded painting, `data`; two of them are never the same."""

    data: bytes


class JpegFrames:
    """A sink that keeps the newest painting, and encodes it while somebody watches.

    It is written into by the thread of its queue, and read from any thread.

    `newest`: the last one that was encoded, None before the first.
    """

    def __init__(self) -> None:
        self.newest: JpegFrame | None = None
        self.painted: Pixels | None = None
        self._watchers: tuple[Callable[[], object], ...] = ()
        self._next_s = 0.0

    @contextmanager
    def watched(self, changed: Callable[[], object]) -> Iterator[None]:
        """Has every painting encoded while inside.

        Args:
            changed: called by the queue's thread when there is a newer one; it must return at once and not raise.
        """
        self._watchers = (*self._watchers, changed)
        try:
            yield
        finally:
            self._watchers = tuple(each for each in self._watchers if each is not changed)

    @property
    def watchers(self) -> int:
        """How many are watching."""
        return len(self._watchers)

    def write(self, pixels: Pixels, frame: Frame) -> None:  # noqa: ARG002 - a sink's signature
        """Takes a painted frame, H x W x 3 uint8 RGB."""
        self.painted = pixels
        now_s = time.monotonic()
        if self._watchers and now_s >= self._next_s:
            self._next_s = now_s + _SHORTEST_PAUSE_S
            self.newest = JpegFrame(jpeg_of(pixels, LONGEST_SIDE))
            for changed in self._watchers:
                changed()


def open_jpeg_queue(frames: JpegFrames) -> SinkQueue:
    """Returns the queue of such a sink, which only ever holds the newest painting."""
    return SinkQueue(frames, "page", QueuePolicy(capacity=1))


def jpeg_of(pixels: Pixels, longest_side: int | None = None) -> bytes:
    """Returns H x W x 3 uint8 RGB as a JPEG.

    Args:
        pixels: what is encoded.
        longest_side: what is larger is made smaller, to that many pixels; None for its own size.

    Raises FrameEncodingError.
    """
    scale = 1.0 if longest_side is None else min(1.0, longest_side / max(pixels.shape[:2]))
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise FrameEncodingError(f"a painting of {pixels.shape[1]}x{pixels.shape[0]} cannot be encoded as a JPEG")
    return data.tobytes()
