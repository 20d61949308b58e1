"""Decoding with PyAV, as video files and network streams both need it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.format import Flags as ContainerFormatFlags
from av.stream import Disposition

from realtime.frames import ClipRange
from realtime.media.rates import UNKNOWN_RATE, believable_rate


class SourceError(OSError):
    """An input cannot be opened or read: there is no such camera or file, or it is not a video."""


def file_url(path: Path) -> str:
    """Returns what FFmpeg is given for a file, so that a colon in its name is not taken for a protocol's."""
    return f"file:{path}"


def open_clip(clip: ClipRange) -> Any:
    """Returns the file of a clip, opened once more, as an input container of PyAV.

    Raises:
        av.error.FFmpegError: it cannot be opened.
        OSError: it is a pipe that has been read already.
    """
    file = file_url(clip.path) if clip.pipe is None else clip.pipe.reader()
    return av.open(file, metadata_errors="replace")


def has_free_clock(container: Any) -> bool:
    """Returns whether a format's clock may begin at any time, and begin again, like that of a broadcast."""
    return bool(container.format.flags & ContainerFormatFlags.ts_discont.value)


def timed_streams(container: Any) -> Sequence[Any]:
    """Returns the streams by which a ContinuousClock is kept: moving pictures and sound that can be decoded."""
    streams = (*container.streams.video, *container.streams.audio)
    return [stream for stream in streams if not stream.disposition & Disposition.attached_pic]


def find_video_stream(container: Any) -> Any | None:
    """Returns the first video stream that is not a cover, else the cover of an audio file, else None.

    One that cannot be decoded here is returned only if there is no other.

    Args:
        container: an open input container of PyAV.
    """
    streams = sorted(container.streams.video, key=lambda stream: stream.codec_context is None)
    moving = (stream for stream in streams if not stream.disposition & Disposition.attached_pic)
    return next(moving, streams[0] if streams else None)


def open_video_stream(container: Any, name: str, *, live: bool) -> Any:
    """Returns the first video stream, set up for decoding. Closes the container if there is none.

    Args:
        container: an open input container of PyAV.
        name: what errors call it.
        live: whether every frame is to be decoded at once; otherwise several are decoded in parallel.

    Raises:
        SourceError: the container has no video, or its format cannot be decoded here.
    """
    stream = find_video_stream(container)
    if stream is None:
        container.close()
        raise SourceError(f"{name} contains no video; expected a video file or stream")
    if stream.codec_context is None:
        container.close()
        raise SourceError(f"{name} is in a format that cannot be decoded here")
    if live:
        # each frame that is decoded in parallel is one more to wait for: half a second on 16 cores; and only a single
        # thread of H.264 notices what is missing
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
    else:
        # the net needs the cores more
        stream.thread_type, stream.codec_context.thread_count = "AUTO", max(1, (os.cpu_count() or 1) // 4)
    return stream


def decode_packet(packet: Any) -> Sequence[Any]:
    """Returns the video or audio frames in a packet; none if it is damaged, e.g. because a network lost a part."""
    try:
        decoded: Sequence[Any] = packet.decode()
    except av.error.FFmpegError:
        return ()
    return decoded


def demuxed(container: Any, *streams: Any) -> Generator[Any, None, None]:
    """Yields the packets of streams, and at the end an empty one of each, which makes decoders give what they hold.

    Tracks that appear while the container is read are passed over.

    Args:
        container: an open input container of PyAV.
        streams: at least one of its streams.

    Raises:
        av.error.FFmpegError: reading failed.
    """
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:
            # PyAV asks each track of the file for the rest of its packets, but does not know those that came later
            return
        if packet is None:
            return
        yield packet


def frame_rate(stream: Any, *, live: bool = False) -> Fraction:
    """Returns the frames per second of a video stream, exactly; UNKNOWN_RATE if it does not say, or what cannot be.

    Args:
        stream: a video stream of PyAV.
        live: whether its frames come at that rate now.
    """
    return believable_rate(stream.guessed_rate, stream.average_rate, live=live) or UNKNOWN_RATE


def reason_of(exc: BaseException) -> str:
    """Returns the reason that an error of PyAV or of the system gives, in one line."""
    if isinstance(exc, av.error.ExitError):
        return "nothing arrived in time"
    text = getattr(exc, "strerror", None) or str(exc)
    return str(text).strip() or type(exc).__name__


def count_frames(path: Path) -> int:
    """Returns how many frames of a video that was cut off can be decoded, 0 if it cannot be read.

    Only the last two groups of frames are decoded: what lies before them was written whole.
    """
    count, before, last = 0, list[Any](), list[Any]()
    with suppress(av.error.FFmpegError, OSError, IndexError), av.open(file_url(path)) as container:
        stream = container.streams.video[0]
        with suppress(av.error.FFmpegError):
            for packet in container.demux(stream):
                if packet.is_keyframe:
                    count += len(before)
                    before, last = last, []
                if packet.size:
                    last.append(packet)
        known = {packet.pts for packet in before}
        count += len(before)
        for packet in (*before, *last, None):
            with suppress(av.error.FFmpegError):
                count += sum(frame.pts not in known for frame in stream.codec_context.decode(packet))
    return count
