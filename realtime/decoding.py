"""What PyAV is asked in the same way for files and for network streams."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.error

from realtime.rates import exact_rate
from realtime.source import Size, SourceError


def picture_stream(container: Any, name: str) -> Any:
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


def rate_of(stream: Any) -> Fraction:
    return exact_rate(stream.guessed_rate or stream.average_rate or Fraction(25))


def rgb(picture: av.VideoFrame, size: Size) -> Any:
    """Returns H x W x 3 uint8 RGB of the wanted size, scaled and converted in one pass."""
    return picture.to_ndarray(format="rgb24", width=size[0], height=size[1], interpolation="BICUBIC")


def reason_of(exc: BaseException) -> str:
    if isinstance(exc, av.error.ExitError):
        return "nothing came in time"
    text = getattr(exc, "strerror", None) or str(exc)
    return str(text).strip() or type(exc).__name__
