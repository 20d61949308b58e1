"""A video file or an image sequence: every frame once, with its own timestamp."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error

from realtime.frames import ClipRange, Frame, Pixels, Presentation, Size, letterboxed
from realtime.media.color import (
    Orientation,
    ToRgb,
    has_side_data,
    hdr_name,
    is_transparent,
    orientation_of,
    presentation_of,
    scaled_aspect,
)
from realtime.media.continuous_clock import clock_of
from realtime.media.decoding import (
    SourceError,
    demuxed,
    file_url,
    frame_rate,
    has_free_clock,
    open_video_stream,
    reason_of,
    timed_streams,
)
from realtime.media.free_memory import shortage
from realtime.media.image_sequence import first_number, is_image_sequence, numbered_files, sequence_url
from realtime.media.pipe import STDIN, Pipe, as_file, is_piped
from realtime.media.rates import clock_for
from realtime.media.stated_size import is_cut_off
from realtime.sources.base import BaseSource, SourceInfo, Span

# FFmpeg takes any text file with these formats' suffixes for drawings made of characters.
_TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf")
# A file may end this much before its announced end: the duration of the last frame is not always known.
_END_TOLERANCE_S = Fraction(1, 2)
# Formats whose header says how long the file is. Of others FFmpeg guesses it by their size.
_STATE_THEIR_DURATION = ("flv", "matroska")
# Formats in which every frame has its time, and a frame is found by it.
_SEEKING_FORMATS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
# Reading gives up after this many failures in a row; there may be more behind a damaged place.
_MAX_BAD_READS = 16
# Seeking goes by the order of decoding, so it may end at a key frame that is shown too late: then it aims this much
# earlier, one after the other.
_SEEK_MARGINS_S = (0, 1, 4, 16, 64)
# Packets that are held until the last key frame before the beginning is known.
_MAX_HELD = 20_000
# What a pixel takes while a frame is read: as it is decoded, as RGB, upright, and with what the decoder keeps.
_BYTES_A_PIXEL = 3 + 3 + 3 + 3
# Said when a pipe cannot be read.
_PIPEABLE = "a pipe can carry e.g. MPEG-TS, Matroska or NUT; what FFmpeg has to seek in must be a file"
# Frames per second of an image sequence, which does not say.
IMAGE_SEQUENCE_RATE = Fraction(25)


@dataclass(frozen=True)
class ReadOptions:
    """Which part of a file is read, and how large.

    Args:
        start_s: where to begin, in seconds; None for the beginning of the file.
        end_s: where to end, in seconds; None for the end of the file.
        max_side: the longest side that the frames may have, in pixels; None for any.
        scale: the factor by which their sides are multiplied; None for 1.
        span: of what lies between, only this is read, with the same frames, for a source that `seeks`; None for all.
    """

    start_s: Fraction | None = None
    end_s: Fraction | None = None
    max_side: int | None = None
    scale: Fraction | None = None
    span: Span | None = None

    def fitted(self, size: Size) -> Size:
        """Returns the size at which frames of `size` are read; if it differs, its sides are even, as encoders want."""
        factor = self.scale or Fraction(1)
        if self.max_side is not None:
            factor = min(factor, Fraction(self.max_side, max(size)))
        if factor == 1:
            return size
        return (max(2, 2 * round(size[0] * factor / 2)), max(2, 2 * round(size[1] * factor / 2)))


class VideoFile(BaseSource):
    """A video file or an image sequence, through PyAV: every frame once, upright, with its own timestamp.

    Args:
        path: the file, the common name of an image sequence, a pipe, or STDIN for the standard input.
        size: width and height to scale to; a sample aspect ratio makes players show the original shape. None for what
            `reading` says.
        reading: which part is read, and how large.
        rate: frames per second of an image sequence; None for IMAGE_SEQUENCE_RATE.

    Raises:
        SourceError: the file cannot be read as a video.
    """

    def __init__(
        self,
        path: Path,
        size: Size | None = None,
        reading: ReadOptions = ReadOptions(),
        rate: Fraction | None = None,
    ) -> None:
        self._path, self._reading = as_file(path), reading
        self._name = "the standard input" if path == STDIN else str(path)
        self._count, self._hidden, self._trouble = 0, 0, ""
        self._shortfall: str | None = None
        self._pipe = _open_pipe(path, self._name) if is_piped(path) else None
        self._container = _open_file(self._path, rate) if self._pipe is None else _open_piped(self._pipe, self._name)
        self._video = open_video_stream(self._container, self._name, live=False)
        self._check_memory()
        self._rate = frame_rate(self._video)
        self._promised_end_s = _matroska_end_s(self._container, self._video)
        # of any track that is read, on the clock of the file
        self._latest_s = Fraction(0)
        self._origin_s = _clock_origin_s(self._container) + (reading.start_s or 0)
        # the time of the first frame that is read, on the clock of the clip; None for whatever comes first
        self._from_s = None if reading.start_s is None else Fraction(0)
        self._first_packet = b""
        self._seek()
        self._decoded = self._decode()
        self._first: av.VideoFrame | None = None
        first = self._first_frame()
        if reading.start_s is None:
            # a file may be wrong about when it begins, and no container has frames before 0
            self._origin_s += min(self._time(first) or 0, 0)
        self._orientation = orientation = orientation_of(first, self._video, self._first_packet)
        upright = orientation.size((first.width, first.height))
        shown_size = size or reading.fitted(upright)
        super().__init__(
            SourceInfo(
                name=self._name,
                size=shown_size,
                rate=self._rate,
                time_base=clock_for(self._rate, self._video.time_base or 1 / self._rate),
                frame_count=self._expected_count(),
                presentation=_presentation(first, self._video, orientation, (upright, shown_size)),
                clip=None if is_image_sequence(path) else self._clip(),
                notes=tuple(_notes(first, self._video, self._name)),
                seeks=self._container.format.name in _SEEKING_FORMATS and self._pipe is None and first.pts is not None,
            )
        )
        self._stored_size = first.width, first.height
        self._to_rgb = ToRgb(shown_size, orientation)
        self._fitting: dict[Size, ToRgb] = {}
        self._first = first
        if self._pipe is not None:
            self._pipe.raise_interruption()
        if reading.span is not None and reading.span.read_from_s:
            self._jump(reading.span.read_from_s, rate)

    @property
    def shortfall(self) -> str | None:
        return self._shortfall

    def frames(self) -> Iterator[Frame]:
        """Yields the requested frames; one that cannot be decoded is skipped, and reported by `shortfall`."""
        end_s = Fraction(0)
        if self._pipe is not None:
            self._pipe.seal()
        for decoded in chain(() if self._first is None else (self._first,), self._decoded):
            at_s, duration_s = self._time(decoded), self._duration_s(decoded)
            yield Frame(self._pixels(decoded), self._count, time.monotonic(), at_s, duration_s)
            self._count += 1
            end_s = max(end_s, (at_s or 0) + duration_s)
        self._shortfall = self._missing(end_s, self._promised_frames() - self._hidden)

    def missing_of(self, frame_count: int, end_s: Fraction) -> str | None:
        """Returns what could not be read of the file if `frame_count` frames up to `end_s` could, read by others."""
        # the others read no sound, whose end does not count
        self._count, self._latest_s = frame_count, _stated_end_s(self._container)
        # a file that was cut without encoding again has frames at its end that are not to be shown
        return self._missing(end_s, promised=0)

    def _jump(self, to_s: Fraction, rate: Fraction | None) -> None:
        """Goes on with the first frame from a time of the clip's clock on; all that is known of the file stays."""
        self._decoded.close()
        self._container.close()
        self._container = _open_file(self._path, rate)
        self._video = open_video_stream(self._container, self._name, live=False)
        self._from_s = to_s
        self._trouble, self._hidden = "", 0
        self._seek()
        self._decoded = self._decode()
        self._first = next(self._decoded, None)

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.stop()

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        try:
            self._decoded.close()
        except ValueError:
            # a file that hangs is still being read by its thread, and FFmpeg would crash
            return
        self._container.close()

    def _check_memory(self) -> None:
        """Raises SourceError before a frame is decoded for which there is no memory."""
        width, height = self._video.codec_context.width, self._video.codec_context.height
        if short := shortage(width * height * _BYTES_A_PIXEL):
            self._container.close()
            raise SourceError(f"{self._name} does not fit into memory: for frames of {width}x{height} {short}")

    def _clip(self) -> ClipRange:
        start_s, end_s = self._reading.start_s, self._reading.end_s
        ends_s = None if end_s is None else self._origin_s - (start_s or 0) + end_s
        return ClipRange(self._path, self._origin_s, ends_s, cut=start_s is not None, pipe=self._pipe)

    def _pixels(self, decoded: av.VideoFrame) -> Pixels:
        stored = decoded.width, decoded.height
        if stored == self._stored_size:
            return self._to_rgb(decoded)
        # the size has changed in the middle: what is in the frame keeps its shape
        if stored not in self._fitting:
            self._fitting[stored] = ToRgb(self._size_within(stored), self._orientation)
        return letterboxed(self._fitting[stored](decoded), self.size)

    def _size_within(self, stored: Size) -> Size:
        """Returns the size in which a frame of another shape is shown whole within the frames."""
        width, height = self._orientation.size(stored)
        aspect = self._video.codec_context.sample_aspect_ratio or Fraction(1)
        wide = (
            width * (1 / aspect if self._orientation.swapped else aspect) / self.info.presentation.sample_aspect_ratio
        )
        factor = min(self.size[0] / wide, Fraction(self.size[1], height))
        return max(1, round(wide * factor)), max(1, round(height * factor))

    def _seek(self) -> None:
        """Seeks to the last key frame before the requested part; if that fails, all is read."""
        # a clock that begins again has the same time twice: there, all is read and only the end of it decoded
        if not self._starts_late or has_free_clock(self._container) or self._pipe is not None:
            return
        for margin_s in _SEEK_MARGINS_S:
            aim = max(int((self._begins_s - margin_s) * av.time_base), 0)
            try:
                self._container.seek(aim)
                first = next(demuxed(self._container, self._video), None)
                self._container.seek(aim)
            except av.error.FFmpegError:
                return
            if first is None or first.pts is None or first.pts * first.time_base <= self._begins_s or not aim:
                return
        self._container.seek(0)

    @property
    def _starts_late(self) -> bool:
        return bool(self._reading.start_s or self._from_s)

    @property
    def _begins_s(self) -> Fraction:
        """The time of the file's clock from which on frames are read, if that is not its beginning."""
        return self._origin_s + (self._from_s or 0)

    def _first_frame(self) -> av.VideoFrame:
        first = next(self._decoded, None)
        if first is None:
            self.close()
            trouble = f" ({self._trouble})" if self._trouble else ""
            if self._pipe is not None:
                self._pipe.raise_interruption()
                trouble += f"; {_PIPEABLE}"
            if self._reading.start_s or self._reading.end_s:
                raise SourceError(f"no frame of {self._name} lies between --start and --end{trouble}")
            raise SourceError(f"no frame in {self._name} could be decoded{trouble}")
        return first

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        """Yields the requested frames; one that cannot be decoded is skipped and remembered."""
        end_s = self._ends_s()
        for packet in self._needed(self._packets()):
            if not self._first_packet:
                self._first_packet = bytes(packet)
            # a file that was cut without encoding again has frames before its beginning that are not to be shown
            self._hidden += packet.is_discard
            try:
                frames = packet.decode()
            except av.error.FFmpegError as exc:
                self._trouble = reason_of(exc)
                continue
            for decoded in frames:
                at_s = self._time(decoded)
                if at_s is not None and end_s is not None and at_s >= end_s:
                    return
                if at_s is None or self._from_s is None or at_s >= self._from_s:
                    yield decoded
                else:
                    # what fails before the requested part does not matter
                    self._trouble = ""

    def _ends_s(self) -> Fraction | None:
        """Returns the time of the clip's clock at which reading ends; None for the end of the file."""
        reading, span = self._reading, self._reading.span
        ends = [] if reading.end_s is None else [reading.end_s - (reading.start_s or 0)]
        ends += [span.ends_s] if span is not None and span.ends_s is not None else []
        return min(ends, default=None)

    def _needed(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Yields the packets from the last key frame before the requested part on."""
        held: list[Any] = []
        if self._starts_late and has_free_clock(self._container):
            for packet in packets:
                time_s = None if packet.pts is None else packet.pts * packet.time_base
                if packet.is_keyframe and time_s is not None and time_s <= self._begins_s:
                    held.clear()
                held.append(packet)
                # frames are stored up to a second before others that are shown earlier
                if packet.dts is None or packet.dts * packet.time_base >= self._begins_s or len(held) > _MAX_HELD:
                    break
        yield from held
        yield from packets

    def _packets(self) -> Iterator[Any]:
        """Yields the packets of the video, and continues behind damaged places."""
        failures = 0
        clock = clock_of(self._container)
        streams = {stream.index: stream for stream in (self._video, *timed_streams(self._container))}
        while failures < _MAX_BAD_READS:
            try:
                for packet in demuxed(self._container, *streams.values()):
                    failures = 0
                    clock.move(packet)
                    self._latest_s = max(self._latest_s, _end_s(packet))
                    if packet.stream is self._video:
                        yield packet
                return
            except av.error.FFmpegError as exc:
                self._trouble = reason_of(exc)
                failures += 1
        # an empty packet makes the decoder return what it still holds
        yield self._last_packet()

    def _last_packet(self) -> Any:
        packet = av.Packet()
        packet.stream = self._video
        return packet

    def _missing(self, end_s: Fraction, promised: int) -> str | None:
        """Returns what could not be read, if anything.

        Args:
            end_s: when the last frame ended, in seconds of the clip.
            promised: how many frames there should be, as far as the file says.
        """
        trouble = f" ({self._trouble})" if self._trouble else ""
        span = self._reading.span
        where = "" if span is None else f", from {float(span.read_from_s):g} s on,"
        damaged = f"{self._name} is damaged or cut off: only {self._count}{where}"
        whole = self._reading.start_s is None and self._reading.end_s is None and span is None
        # an AVI also counts frames that were left out
        is_cut = self._pipe is None and self._path.is_file() and is_cut_off(self._path, self._container.format.name)
        counted = self._container.format.name != "avi" or is_cut
        if whole and counted and self._count < promised:
            return f"{damaged} of {promised} frames could be read{trouble}"
        if whole and self._promised_end_s is not None and end_s + _END_TOLERANCE_S < self._promised_end_s:
            times = f"{float(end_s):.1f} of {float(self._promised_end_s):.1f} s"
            return f"{damaged} frames, {times}, could be read{trouble}"
        if whole and is_cut:
            return f"{damaged} frames could be read, and then the file ends too early"
        if whole and self._latest_s + _END_TOLERANCE_S < (stated_s := _stated_end_s(self._container)):
            return f"{damaged} frames, {float(self._latest_s):.1f} of {float(stated_s):.1f} s, could be read{trouble}"
        return f"{damaged} frames could be read{trouble}" if trouble else None

    def _promised_frames(self) -> int:
        return len(numbered_files(self._path)) if is_image_sequence(self._path) else self._video.frames

    def _expected_count(self) -> int | None:
        """Returns how many frames there will be, as far as the file says."""
        whole = self._promised_frames() or _count_from_duration(self._video, self._rate, self._promised_end_s)
        start_s, end_s = self._reading.start_s or 0, self._reading.end_s
        if whole is None or (not start_s and end_s is None):
            return whole
        last = whole if end_s is None else min(whole, math.ceil(end_s * self._rate))
        return max(1, last - math.ceil(start_s * self._rate))

    def _time(self, decoded: av.VideoFrame) -> Fraction | None:
        if decoded.pts is None or decoded.time_base is None:
            return None
        return decoded.pts * decoded.time_base - self._origin_s

    def _duration_s(self, decoded: av.VideoFrame) -> Fraction:
        usual = 1 / self._rate
        if not decoded.duration or decoded.time_base is None:
            return usual
        given = decoded.duration * decoded.time_base
        # a clock of milliseconds rounds
        return usual if abs(given - usual) <= decoded.time_base else given


def _notes(decoded: av.VideoFrame, stream: Any, name: str) -> Iterator[str]:
    hdr = hdr_name(decoded)
    if hdr is not None:
        yield f"{name} has high dynamic range ({hdr}): it is mapped to standard dynamic range, BT.709"
    # WebM keeps alpha in a place that the decoder ignores
    if is_transparent(decoded) or stream.metadata.get("alpha_mode") == "1":
        yield f"{name} is partly transparent: its alpha channel is ignored"
    if decoded.interlaced_frame:
        yield f"{name} is interlaced: its frames are painted whole and no longer marked as interlaced"
    if has_side_data(decoded, stream, "A53_CC"):
        yield f"{name} has closed captions within its frames: they are left out"
    if has_side_data(decoded, stream, "SPHERICAL"):
        yield f"{name} is a 360-degree video: what is painted is no longer marked as one"


def _presentation(
    decoded: av.VideoFrame, stream: Any, orientation: Orientation, sizes: tuple[Size, Size]
) -> Presentation:
    """Returns how the frames are to be shown.

    Args:
        decoded: the first frame.
        stream: the video stream.
        orientation: how frames become upright.
        sizes: the upright size, and the size to which frames are scaled.
    """
    stored = stream.sample_aspect_ratio
    shown = presentation_of(decoded, stored if stored is not None and stored > 0 else Fraction(1), orientation)
    return replace(shown, sample_aspect_ratio=scaled_aspect(shown.sample_aspect_ratio, *sizes))


def _clock_origin_s(container: Any) -> Fraction:
    """Returns the time of the file that is shown as 0."""
    starts = container.start_time if has_free_clock(container) else None
    return Fraction(starts or 0, av.time_base)


def _open_file(path: Path, rate: Fraction | None = None) -> Any:
    options = {}
    if is_image_sequence(path):
        options = {
            "framerate": str(rate or IMAGE_SEQUENCE_RATE),
            "start_number": str(first_number(path)),
            "pattern_type": "sequence",
        }
    elif not path.exists():
        raise SourceError(f"no file {path}; to see the bundled scene instead, type: nst-live -i test")
    elif path.is_dir():
        raise SourceError(f"{path} is a folder; expected a video file")
    elif path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes)")
    try:
        url, format_name = (sequence_url(path), "image2") if options else (file_url(path), None)
        container = av.open(url, options=options, format=format_name, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as exc:
        raise SourceError(f"{path} cannot be read as a video: {reason_of(exc)}") from exc
    return _checked(container, str(path))


def _open_pipe(path: Path, name: str) -> Pipe:
    try:
        if path == STDIN and os.isatty(0):
            raise SourceError(
                "nothing is piped into the standard input; type e.g.: ffmpeg … -f mpegts - | nst-live -i -"
            )
        return Pipe(path)
    except OSError as exc:
        raise exc if isinstance(exc, SourceError) else SourceError(f"cannot read {name}: {reason_of(exc)}") from exc


def _open_piped(pipe: Pipe, name: str) -> Any:
    try:
        container = av.open(pipe.reader(), metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as exc:
        empty = not pipe.take(0, 1)
        pipe.close()
        pipe.raise_interruption()
        if empty:
            raise SourceError(f"{name} is empty: nothing came through the pipe") from exc
        raise SourceError(f"{name} cannot be read as a video ({reason_of(exc)}); {_PIPEABLE}") from exc
    return _checked(container, name)


def _checked(container: Any, name: str) -> Any:
    """Returns a container, unless it is no video for a person."""
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise SourceError(f"{name} cannot be read as a video: it is text")
    return container


def _end_s(packet: Any) -> Fraction:
    """Returns when what is in a packet ends, in seconds of the file's clock; 0 if it does not say."""
    times = [time for time in (packet.pts, packet.dts) if time is not None]
    return Fraction((max(times) + (packet.duration or 0)) * packet.time_base) if times else Fraction(0)


def _count_from_duration(stream: Any, rate: Fraction, end_s: Fraction | None) -> int | None:
    duration_s = stream.duration * stream.time_base if stream.duration and stream.time_base else end_s
    return max(1, round(duration_s * rate)) if duration_s else None


def _matroska_end_s(container: Any, stream: Any) -> Fraction | None:
    """Returns when the video of a Matroska or WebM file ends by its own account, in seconds; it counts no frames."""
    if "matroska" not in container.format.name:
        return None
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])
    # with several streams it is the duration of the longest, which may be the audio
    alone = len(container.streams) == 1 and container.duration
    return Fraction(container.duration, av.time_base) if alone else None


def _stated_end_s(container: Any) -> Fraction:
    """Returns when the longest track of a file ends by its own account, in seconds; 0 if its format does not say."""
    # subtitles, which are not read here, may last longer
    unread = container.streams.subtitles or container.streams.data
    says = not unread and any(name in container.format.name for name in _STATE_THEIR_DURATION)
    return Fraction(container.duration, av.time_base) if says and container.duration else Fraction(0)
