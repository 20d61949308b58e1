"""H.264 as live sinks want it: a packet for every picture at once, in the colours that players assume."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import av
import av.error
import cv2
import numpy as np

from realtime.frames import Pixels

# Servers and players count in milliseconds; two pictures may not share one.
CLOCK = Fraction(1, 1000)
_HD_HEIGHT = 720
_PROBE_SIDE = 256

# By encoder: no picture waits for later ones in any of them.
_NO_DELAY: Mapping[str, Mapping[str, str]] = {
    "h264_nvenc": {"preset": "p4", "tune": "ull", "zerolatency": "1", "delay": "0", "rc": "vbr"},
    "libx264": {"tune": "zerolatency"},
}


@functools.cache
def encoder_here() -> str:
    """Returns NVIDIA's encoder where card and driver let it open, else x264."""
    try:
        context: Any = av.CodecContext.create("h264_nvenc", "w")
        context.width = context.height = _PROBE_SIDE
        context.pix_fmt, context.time_base = "yuv420p", CLOCK
        context.options = dict(_NO_DELAY["h264_nvenc"])
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        return "libx264"
    return "h264_nvenc"


def add_stream(
    container: Any,
    size: tuple[int, int],
    rate: Fraction,
    *,
    encoder: str,
    key_every_s: float,
    options: Mapping[str, str],
) -> Any:
    """Returns a new stream of pictures in the container; odd sides are one pixel longer, as 4:2:0 wants it."""
    stream = container.add_stream(encoder, rate=rate, options={**_NO_DELAY[encoder], **options})
    stream.width, stream.height = (side + side % 2 for side in size)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = CLOCK
    context.gop_size, context.max_b_frames = max(1, round(key_every_s * rate)), 0
    context.color_range = 1  # limited
    hd = stream.height >= _HD_HEIGHT
    context.colorspace = 1 if hd else 6
    context.color_primaries = context.color_trc = 1 if hd else 6
    return stream


def yuv(pixels: Pixels, size: tuple[int, int], pts: int) -> Any:
    """Returns an RGB picture as the encoder takes it, scaled to `size` and made even, at `pts` ticks of CLOCK."""
    height, width = pixels.shape[:2]
    if (width, height) != size:
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    right, bottom = (side % 2 for side in size)
    if right or bottom:
        pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    matrix = "ITU709" if picture.height >= _HD_HEIGHT else "ITU601"
    converted = picture.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG")
    converted.pts, converted.time_base = pts, CLOCK
    return converted
