"""A video file as a source: every picture once, with its own time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from realtime.decoding import picture_stream, rate_of, reason_of, rgb
from realtime.frames import Frame
from realtime.rates import clock_for
from realtime.source import Closing, Size, SourceError

# FFmpeg takes any text by these names for drawings made of characters.
_TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf")
# A file may end so much before its announced end: the last picture's duration is not always known.
_END_TOLERANCE_S = Fraction(1, 2)


class VideoFile(Closing):
    """A video file through PyAV: every frame once, with its own timestamp. Raises SourceError."""

    live = False

    def __init__(self, path: Path, size: Size | None = None) -> None:
        self.name, self.sound_path = str(path), path
        self._container = _open_file(path)
        self._stream = picture_stream(self._container, self.name)
        self.size = size or (self._stream.codec_context.width, self._stream.codec_context.height)
        if min(self.size) <= 0:
            raise SourceError(f"{path} has no picture size; it may be cut off before its first picture")
        self.rate = rate_of(self._stream)
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
            trouble = f" ({reason_of(exc)})"
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
        return Frame(rgb(picture, self.size), index, time.monotonic(), at)

    def close(self) -> None:
        self._container.close()


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
        raise SourceError(f"{path} cannot be read as a video: {reason_of(exc)}") from exc
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise SourceError(f"{path} cannot be read as a video: it is text")
    return container


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
