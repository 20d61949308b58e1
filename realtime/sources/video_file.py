"""A video file, or a row of numbered pictures, as a source: every picture once, with its own time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error
from av.format import Flags as ContainerFormatFlags

from realtime.frames import Frame
from realtime.media.color import ToRgb, hdr_name, is_see_through, orientation_of, presentation_of
from realtime.media.decoding import picture_stream, rate_of, reason_of
from realtime.media.image_sequence import first_number, is_image_sequence, numbered_files
from realtime.media.rates import clock_for
from realtime.sources.base import ClipRange, Closing, Size, SourceError

# FFmpeg takes any text by these names for drawings made of characters.
_TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf")
# A file may end so much before its announced end: the last picture's duration is not always known.
_END_TOLERANCE_S = Fraction(1, 2)
# ReadOptions goes on behind so many failures in a row: there may be more behind a damaged place.
_MAX_BAD_READS = 16
# In a transport stream a jump may end behind the key picture that was wanted, so it aims at so much earlier.
_JUMP_MARGIN_S = 10
IMAGE_SEQUENCE_RATE = Fraction(25)


@dataclass(frozen=True)
class ReadOptions:
    """What is read of a file: from `start_s` to before `end_s`, no side longer than `max_side`, scaled by `scale`."""

    start_s: Fraction | None = None
    end_s: Fraction | None = None
    max_side: int | None = None
    scale: Fraction | None = None

    def fitted(self, size: Size) -> Size:
        """Returns the size to read at; where it is changed, both sides are even, as most encoders want them."""
        factor = self.scale or Fraction(1)
        if self.max_side is not None:
            factor = min(factor, Fraction(self.max_side, max(size)))
        if factor == 1:
            return size
        return (max(2, 2 * round(size[0] * factor / 2)), max(2, 2 * round(size[1] * factor / 2)))


class VideoFile(Closing):
    """A video file through PyAV: every frame once, upright, with its own timestamp. Raises SourceError.

    size: what to scale to, whatever the shape; a player is told to show it in its own. rate: of a row of numbered
    pictures, which has none. `notes` says what is not as in the file.
    """

    live = False

    def __init__(
        self,
        path: Path,
        size: Size | None = None,
        reading: ReadOptions = ReadOptions(),
        rate: Fraction | None = None,
    ) -> None:
        self.name = str(path)
        self.shortfall: str | None = None
        self._reading, self._read, self._hidden, self._trouble = reading, 0, 0, ""
        self._container = _open_file(path, rate)
        self._stream = picture_stream(self._container, self.name, live=False)
        self.rate = rate_of(self._stream)
        self._promised_end_s = _matroska_end_s(self._container, self._stream)
        self.time_base = clock_for(self.rate, self._stream.time_base or 1 / self.rate)
        self._clock_origin_s = _clock_origin_s(self._container)
        self._origin_s = self._clock_origin_s + (reading.start_s or 0)
        self._jump()
        self._pictures = self._decode()
        first = self._first_picture()
        turn = orientation_of(first)
        stored = (first.width, first.height)
        upright = turn.size(stored)
        self.size = size or reading.fitted(upright)
        aspect = _square_or(self._stream.sample_aspect_ratio)
        shown = presentation_of(first, aspect, turn)
        self.presentation = replace(
            shown, sample_aspect_ratio=_pixel_aspect(shown.sample_aspect_ratio, upright, self.size)
        )
        self.notes = tuple(_notes(first, self._stream, self.name))
        self._first, self._to_rgb = first, ToRgb(self.size, turn)
        self.frame_count = self._count()
        if not is_image_sequence(path):
            end_s = None if reading.end_s is None else self._clock_origin_s + reading.end_s
            self.sound = ClipRange(path, self._origin_s, end_s, cut=reading.start_s is not None)

    def frames(self) -> Iterator[Frame]:
        end_s = Fraction(0)
        for picture in chain([self._first], self._pictures):
            at, duration = self._time(picture), self._duration_s(picture)
            yield Frame(self._to_rgb(picture), self._read, time.monotonic(), at, duration)
            self._read += 1
            end_s = max(end_s, (at or 0) + duration)
        self.shortfall = self._missing(end_s)

    def close(self) -> None:
        # a file that hangs is still being read by its thread
        with suppress(ValueError):
            self._pictures.close()
        self._container.close()

    def _jump(self) -> None:
        """Goes to the last key picture before the beginning that is wanted; where that fails, all is read."""
        if self._reading.start_s:
            aim_s = self._origin_s - (_JUMP_MARGIN_S if _has_free_clock(self._container) else 0)
            with suppress(av.error.FFmpegError):
                self._container.seek(max(int(aim_s * av.time_base), 0))

    def _first_picture(self) -> av.VideoFrame:
        first = next(self._pictures, None)
        if first is None:
            self.close()
            trouble = f" ({self._trouble})" if self._trouble else ""
            if self._reading.start_s or self._reading.end_s:
                raise SourceError(f"no picture of {self.name} lies between --start and --end{trouble}")
            raise SourceError(f"no picture in {self.name} could be decoded{trouble}")
        return first

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        """Yields the pictures that are wanted; one that cannot be decoded is passed over and remembered."""
        end_s = None if self._reading.end_s is None else self._reading.end_s - (self._reading.start_s or 0)
        for packet in self._packets():
            # a cut made without encoding anew keeps pictures before its beginning that are not to be shown
            self._hidden += packet.is_discard
            try:
                pictures = packet.decode()
            except av.error.FFmpegError as exc:
                self._trouble = reason_of(exc)
                continue
            for picture in pictures:
                at = self._time(picture)
                if at is not None and end_s is not None and at >= end_s:
                    return
                if at is None or at >= 0 or self._reading.start_s is None:
                    yield picture
                else:
                    # what fails before the part that is wanted is no loss
                    self._trouble = ""

    def _packets(self) -> Iterator[Any]:
        """Yields the packets of the picture, and goes on behind damaged places."""
        failures = 0
        while failures < _MAX_BAD_READS:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except av.error.FFmpegError as exc:
                self._trouble = reason_of(exc)
                failures += 1
        # an empty packet has the decoder give out what it holds
        yield self._last_packet()

    def _last_packet(self) -> Any:
        packet = av.Packet()
        packet.stream = self._stream
        return packet

    def _missing(self, end_s: Fraction) -> str | None:
        trouble = f" ({self._trouble})" if self._trouble else ""
        damaged = f"{self.name} is damaged or cut off: only {self._read}"
        whole = self._reading.start_s is None and self._reading.end_s is None
        # an AVI counts pictures that were left out, too
        counted = self._container.format.name != "avi" or _is_cut_avi(Path(self.name))
        promised = self._promised_frames() - self._hidden if counted else 0
        if whole and self._read < promised:
            return f"{damaged} of {promised} frames could be read{trouble}"
        if whole and self._promised_end_s is not None and end_s + _END_TOLERANCE_S < self._promised_end_s:
            times = f"{float(end_s):.1f} of {float(self._promised_end_s):.1f} s"
            return f"{damaged} frames, {times}, could be read{trouble}"
        return f"{damaged} frames could be read{trouble}" if trouble else None

    def _promised_frames(self) -> int:
        path = Path(self.name)
        return len(numbered_files(path)) if is_image_sequence(path) else self._stream.frames

    def _count(self) -> int | None:
        """Returns how many frames there will be, as far as the file says."""
        whole = self._promised_frames() or _count_from_duration(self._stream, self.rate, self._promised_end_s)
        start_s, end_s = self._reading.start_s or 0, self._reading.end_s
        if whole is None or (not start_s and end_s is None):
            return whole
        last = whole if end_s is None else min(whole, math.ceil(end_s * self.rate))
        return max(1, last - math.ceil(start_s * self.rate))

    def _time(self, picture: av.VideoFrame) -> Fraction | None:
        if picture.pts is None or picture.time_base is None:
            return None
        return picture.pts * picture.time_base - self._origin_s

    def _duration_s(self, picture: av.VideoFrame) -> Fraction:
        usual = 1 / self.rate
        if not picture.duration or picture.time_base is None:
            return usual
        told = picture.duration * picture.time_base
        # a clock of milliseconds rounds
        return usual if abs(told - usual) <= picture.time_base else told


def _notes(picture: av.VideoFrame, stream: Any, name: str) -> Iterator[str]:
    hdr = hdr_name(picture)
    if hdr is not None:
        yield f"{name} is of high dynamic range ({hdr}): it is mapped to the ordinary one, BT.709"
    # WebM keeps alpha beside a picture, where the decoder does not look
    if is_see_through(picture) or stream.metadata.get("alpha_mode") == "1":
        yield f"{name} is transparent in places: its alpha is ignored"


def _square_or(aspect: Fraction | None) -> Fraction:
    return aspect if aspect is not None and aspect > 0 else Fraction(1)


def _pixel_aspect(aspect: Fraction, before: Size, after: Size) -> Fraction:
    """Returns how wide pixels are shown after a change of size, so that the picture keeps its shape."""
    stretched = Fraction(before[0] * after[1], before[1] * after[0])
    # sides are whole numbers: what comes of rounding is nobody's wish
    if abs(stretched - 1) < Fraction(1, 50) or before == after:
        return aspect
    return (aspect * stretched).limit_denominator(255)


def _has_free_clock(container: Any) -> bool:
    """Returns whether a format's clock begins anywhere, like that of a broadcast."""
    return bool(container.format.flags & ContainerFormatFlags.ts_discont.value)


def _clock_origin_s(container: Any) -> Fraction:
    """Returns the time of the file that is shown as 0."""
    starts = container.start_time if _has_free_clock(container) else None
    return Fraction(starts or 0, av.time_base)


def _open_file(path: Path, rate: Fraction | None = None) -> Any:
    options = {}
    if is_image_sequence(path):
        options = {"framerate": str(rate or IMAGE_SEQUENCE_RATE), "start_number": str(first_number(path))}
    elif not path.exists():
        raise SourceError(f"no file {path}; to see the bundled scene instead, type: nst-live -i test")
    elif path.is_dir():
        raise SourceError(f"{path} is a folder; wanted a video file")
    elif path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    try:
        container = av.open(str(path), options=options, format="image2" if options else None, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as exc:
        raise SourceError(f"{path} cannot be read as a video: {reason_of(exc)}") from exc
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise SourceError(f"{path} cannot be read as a video: it is text")
    return container


def _count_from_duration(stream: Any, rate: Fraction, end_s: Fraction | None) -> int | None:
    duration_s = stream.duration * stream.time_base if stream.duration and stream.time_base else end_s
    return max(1, round(duration_s * rate)) if duration_s else None


def _is_cut_avi(path: Path) -> bool:
    """Returns whether an AVI is shorter than its first chunk says (RIFF: four letters, then the size)."""
    with path.open("rb") as file:
        head = file.read(8)
    return path.stat().st_size < len(head) + int.from_bytes(head[4:], "little")


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
