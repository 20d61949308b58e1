"""VP8 for people who watch live: every frame is a packet at once, and what it costs follows the processor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import PictureType

from realtime.frames import Pixels, Size
from realtime.media.rates import LIVE_TIME_BASE
from realtime.media.yuv import ToYuv420

# VP8 does not say its color matrix, and browsers take it for this one at any size.
_BT601 = 6
# Paintings have texture everywhere, which takes twice the bits of a talking head.
_BITS_A_PIXEL = 0.2
# At a lower rate each frame gets more.
_RATE = Fraction(30)
_LEAST_BIT_RATE, _MOST_BIT_RATE = 300_000, 8_000_000
# Another bit rate takes a new encoder, and so a key frame: only what differs by more than this factor is worth it.
_OTHER_RATE = 1.3
# How much of the time between two frames may go into encoding, before it is made cheaper, or finer again.
_MOST_LOAD, _LEAST_LOAD = 0.25, 0.08
# For how long that has to be so, in seconds of video.
_CHEAPER_AFTER_S, _FINER_AFTER_S = 1.5, 15.0
# A pause between frames that is longer says nothing about the load.
_LONGEST_INTERVAL_S = 0.5
# Below this the picture is not made smaller.
_LEAST_SIDE = 96


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as it is sent.

    Args:
        data: one packet of VP8.
        pts: its time, in ticks of LIVE_TIME_BASE; later frames have later ones.
        is_key: whether it can be shown without those before it.
    """

    data: bytes
    pts: int
    is_key: bool


@dataclass(frozen=True)
class Effort:
    """How much work is put into a frame.

    Args:
        scale: the share of width and height that is encoded.
        speed: of libvpx in real time, 0..16; a higher one looks for less.
    """

    scale: float
    speed: int


# From fine to cheap.
EFFORTS: Sequence[Effort] = (Effort(1.0, 6), Effort(1.0, 9), Effort(1.0, 12), Effort(0.75, 12), Effort(0.5, 12))


def bit_rate_for(size: Size) -> int:
    """Returns the bits per second that suit paintings of that width and height."""
    return min(_MOST_BIT_RATE, max(_LEAST_BIT_RATE, round(_BITS_A_PIXEL * size[0] * size[1] * _RATE)))


@dataclass(frozen=True)
class _Setting:
    """What an encoder is opened with."""

    size: Size
    speed: int
    bit_rate: int


class LoadWatch:
    """Chooses the effort by the share of the time that encoding takes.

    `effort` is the one to encode with.
    """

    def __init__(self) -> None:
        self._index = 0
        self._too_much_s = self._little_s = 0.0

    @property
    def effort(self) -> Effort:
        return EFFORTS[self._index]

    def observe(self, spent_s: float, interval_s: float) -> None:
        """Notes what a frame cost.

        Args:
            spent_s: the time that went into it, in seconds.
            interval_s: the time since the frame before it, in seconds.
        """
        if not 0 < interval_s < _LONGEST_INTERVAL_S:
            return
        load = spent_s / interval_s
        self._too_much_s = self._too_much_s + interval_s if load > _MOST_LOAD else 0.0
        self._little_s = self._little_s + interval_s if load < _LEAST_LOAD else 0.0
        if self._too_much_s > _CHEAPER_AFTER_S:
            self._move(+1)
        elif self._little_s > _FINER_AFTER_S:
            self._move(-1)

    def _move(self, step: int) -> None:
        self._index = min(len(EFFORTS) - 1, max(0, self._index + step))
        self._too_much_s = self._little_s = 0.0


class LiveVp8:
    """Encodes frames one by one. Sizes may change from one frame to the next.

    `limit` is the most bits per second that may be sent; None for what suits the size. `effort` is the work that went
    into the last frame.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._load = LoadWatch()
        self.effort = self._load.effort
        self._to_yuv = ToYuv420(_BT601)
        self._context: Any = None
        self._setting: _Setting | None = None
        self._last_pts: int | None = None

    def encode(self, pixels: Pixels, captured_at_s: float, *, key: bool = False) -> EncodedFrame | None:
        """Returns the encoded frame, None if the encoder gives none.

        Args:
            pixels: H x W x 3 uint8 RGB.
            captured_at_s: on the monotonic clock, in seconds.
            key: make it one that can be shown without those before it.
        """
        began_s = time.thread_time()
        before, pts = self._last_pts, self._pts(captured_at_s)
        self.effort = self._load.effort
        frame = self._to_yuv(_scaled(pixels, self.effort.scale))
        size = (frame.width, frame.height)
        wanted = bit_rate_for(size)
        bit_rate = max(_LEAST_BIT_RATE, wanted if self.limit is None else min(wanted, self.limit))
        self._open_if_unfit(_Setting(size, self.effort.speed, bit_rate))
        frame.pts, frame.time_base = pts, LIVE_TIME_BASE
        frame.duration = round(1 / (_RATE * LIVE_TIME_BASE))
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._context.encode(frame)
        self._last_pts = pts
        if before is not None:
            self._load.observe(time.thread_time() - began_s, float((pts - before) * LIVE_TIME_BASE))
        if not packets:
            return None
        (packet,) = packets
        return EncodedFrame(bytes(packet), pts, packet.is_keyframe)

    def _open_if_unfit(self, setting: _Setting) -> None:
        """Opens an encoder, unless there is one of that setting, or of nearly that bit rate."""
        before = self._setting
        is_same = before is not None and replace(before, bit_rate=setting.bit_rate) == setting
        if before is not None and is_same and 1 / _OTHER_RATE < before.bit_rate / setting.bit_rate < _OTHER_RATE:
            return
        self._context, self._setting = _open(setting), setting

    def _pts(self, captured_at_s: float) -> int:
        pts = round(captured_at_s / LIVE_TIME_BASE)
        # a frame that is shown again was captured later than one that was still being painted
        return pts if self._last_pts is None else max(pts, self._last_pts + 1)


def _scaled(pixels: Pixels, scale: float) -> Pixels:
    height, width = pixels.shape[:2]
    if scale == 1 or min(width, height) * scale < _LEAST_SIDE:
        return pixels
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _open(setting: _Setting) -> Any:
    context: Any = av.CodecContext.create("libvpx", "w")
    context.width, context.height = setting.size
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = LIVE_TIME_BASE, _RATE
    context.bit_rate = setting.bit_rate
    # key frames come when somebody needs one
    context.gop_size = 100_000
    context.qmin, context.qmax = 2, 56
    # the net needs the other cores
    context.thread_count = 1
    context.options = {
        "deadline": "realtime",
        # below 0 the speed is fixed; above 0 libvpx changes it by a clock of its own
        "cpu-used": str(-setting.speed),
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "minrate": str(setting.bit_rate),
        "maxrate": str(setting.bit_rate),
        # half a second
        "bufsize": str(setting.bit_rate // 2),
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        # a key frame as large as eight others
        "max-intra-rate": "800",
        "static-thresh": "1",
        # a lost frame spoils no entropy context
        "error-resilient": "default",
    }
    return context
