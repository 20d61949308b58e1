"""What PyAV is asked in the same way for files and for network streams."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import Any

import av.error
from av.stream import Disposition

from realtime.media.rates import exact_rate
from realtime.sources.base import SourceError


def find_picture_stream(container: Any) -> Any | None:
    """Returns the first stream of moving pictures, else the cover of a sound file, else None."""
    streams = container.streams.video
    moving = (stream for stream in streams if not stream.disposition & Disposition.attached_pic)
    return next(moving, streams[0] if streams else None)


def picture_stream(container: Any, name: str, *, live: bool) -> Any:
    """Returns the first stream of pictures, set to be decoded at once if live, else beside the net."""
    stream = find_picture_stream(container)
    if stream is None:
        container.close()
        raise SourceError(f"{name} has no pictures in it; wanted a video")
    if stream.codec_context is None:
        container.close()
        raise SourceError(f"{name} is in a format that cannot be decoded here")
    if live:
        # several pictures in decoding at once would each be one more to wait for: on 16 cores half a second
        stream.thread_type = "SLICE"
    else:
        # the net, for which the pictures are, needs the cores more
        stream.thread_type, stream.codec_context.thread_count = "AUTO", max(1, (os.cpu_count() or 1) // 4)
    return stream


def rate_of(stream: Any) -> Fraction:
    return exact_rate(stream.guessed_rate or stream.average_rate or Fraction(25))


def reason_of(exc: BaseException) -> str:
    if isinstance(exc, av.error.ExitError):
        return "nothing came in time"
    text = getattr(exc, "strerror", None) or str(exc)
    return str(text).strip() or type(exc).__name__
