"""Writes paintings into a video file through PyAV."""

from __future__ import annotations

import contextlib
import errno
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import av
import av.error

from realtime.audio.copied_tracks import CopiedTracks
from realtime.audio.feed import AudioQueue
from realtime.audio.live_track import LiveAudioTrack
from realtime.frames import Frame, Pixels, Presentation
from realtime.media.color import FromRgb, picture_for
from realtime.media.encoders import (
    CONTAINERS,
    ENCODERS,
    Encoding,
    add_encoder,
    encoder_for,
    encoder_options,
    open_encoder,
)
from realtime.media.image_sequence import is_image_sequence, numbered_files
from realtime.media.rates import LIVE_TIME_BASE
from realtime.sources.base import ClipRange, Size

# a packet of any stream
Packet: TypeAlias = "av.Packet[Any]"


class OutputError(ValueError):
    """An output cannot be written as asked: it exists, its folder is missing, or its format is unknown."""


class RecordingError(OSError):
    """Writing failed in the middle: a full disk, say. What was written until then is kept."""


def check_output(
    path: Path,
    overwrite: bool,
    source: str | None = None,
    encoding: Encoding = Encoding(),  # noqa: B008 - frozen
) -> None:
    """Raises OutputError, saying what to type, where `path` cannot be recorded into, as when it is the input itself.

    Raises EncodingError where the encoding does not fit the file.
    """
    if path.suffix.lower() not in CONTAINERS:
        endings = ", ".join(CONTAINERS)
        raise OutputError(f"cannot write {path}: its format is unknown; wanted a name ending in {endings}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.suffix.lower() == ".png" and not is_image_sequence(path):
        raise OutputError(f"cannot write {path}: wanted a name with a place for numbers, as {path.stem}_%05d.png")
    if source is not None and _is_same(path, Path(source)):
        raise OutputError(f"cannot write {path}: it is the input itself; name another file")
    if (path.exists() or (is_image_sequence(path) and numbered_files(path))) and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, add -y")
    encoder_for(path, encoding)


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def unused_path(folder: Path, stem: str, suffix: str) -> Path:
    """Returns folder/stem.suffix, or with -2, -3 … before the suffix where that is taken."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


class Recorder:
    """A video file that grows frame by frame. A context manager: on leaving, the file is finished and playable.

    size: width and height of the frames. time_base: the clock of the frames' own times; without it they are stamped
    with the time of their capture. sound_of: what part of which file has the sound and subtitles that are copied as far
    as the picture goes, and to their own end by `finish_sound`. ear: hears the sound that is recorded live, at the
    times of the frames' capture. `notes` says what the format cannot hold. Raises OutputError or EncodingError when it
    cannot begin, EncoderUnavailableError where the encoder does not run here, and RecordingError when writing fails.
    """

    def __init__(
        self,
        path: Path,
        size: Size,
        rate: Fraction,
        time_base: Fraction | None,
        *,
        fast: bool = False,
        sound_of: ClipRange | None = None,
        ear: AudioQueue | None = None,
        encoding: Encoding = Encoding(),  # noqa: B008 - frozen
        presentation: Presentation = Presentation(),  # noqa: B008 - frozen
    ) -> None:
        self.path, self.frame_count = path, 0
        self._time_base, self._rate = time_base or LIVE_TIME_BASE, rate
        self._stamped_by_capture = time_base is None
        self._started_s = 0.0
        self._last_pts: int | None = None
        self._durations: dict[int, int] = {}
        self._closed = False
        name = encoder_for(path, encoding)
        self._picture = picture_for(ENCODERS[name], size, presentation)
        self._from_rgb = FromRgb(self._picture)
        try:
            self._container = self._open()
            self._stream = self._add_stream(name, encoder_options(name, encoding, fast, rate))
            self._soundtrack = None if sound_of is None else CopiedTracks(sound_of, self._container, self._stream)
            self._ear, self._live_sound = ear, None if ear is None else self._add_live_sound()
            # by itself PyAV would open the file with the first packet, and that is many frames later
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as exc:
            raise OutputError(f"cannot write {path}: {exc.strerror or exc}") from exc
        mute = (f"{path.suffix} holds no sound: what is heard is left out",) if ear and not self._live_sound else ()
        left_out = () if self._soundtrack is None else self._soundtrack.left_out
        self.notes = (*self._picture.notes, *left_out, *mute)

    def _open(self) -> Any:
        container = CONTAINERS[self.path.suffix.lower()]
        options = dict(container.options)
        if "movflags" in options:
            # the film's own clock, by which it says when a stream begins: the pictures fall on it, and sound nearly
            ticks_per_s = self._time_base.denominator
            options["movie_timescale"] = str(ticks_per_s * -(-LIVE_TIME_BASE.denominator // ticks_per_s))
        return av.open(str(self.path), "w", format=container.format, options=options)

    def _add_stream(self, name: str, options: dict[str, str]) -> Any:
        stream = add_encoder(self._container, name, self._rate, options)
        context, picture = stream.codec_context, self._picture
        stream.width, stream.height = picture.size
        stream.pix_fmt = picture.pixel_format
        context.time_base = self._time_base
        context.gop_size = max(1, round(2 * self._rate))
        if "hybrid_fragmented" in CONTAINERS[self.path.suffix.lower()].options.get("movflags", ""):
            # where pictures are stored out of order, FFmpeg's final edit list leaves out the last after a long pause
            context.max_b_frames = 0
        context.sample_aspect_ratio = picture.sample_aspect_ratio
        context.color_range, context.colorspace = picture.range, picture.matrix
        context.color_primaries, context.color_trc = picture.primaries, picture.transfer
        open_encoder(name, context)
        return stream

    def _add_live_sound(self) -> LiveAudioTrack | None:
        codec = CONTAINERS[self.path.suffix.lower()].sound
        return LiveAudioTrack(self._container, codec) if codec else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a picture (H x W x 3 uint8 RGB) with the time of its frame."""
        picture = self._from_rgb(pixels)
        picture.time_base = self._time_base
        picture.pts = self._pts(frame)
        picture.duration = max(1, round((frame.duration or 1 / self._rate) / self._time_base))
        try:
            if self._soundtrack is not None:
                self._soundtrack.mux_until(picture.pts * self._time_base)
            self._durations[picture.pts] = picture.duration
            self._mux(picture)
            self._mux_live_sound(frame.captured_at_s)
        except (av.error.FFmpegError, OSError) as exc:
            raise self._given_up(exc) from exc
        self.frame_count += 1

    def _mux_live_sound(self, until_s: float) -> None:
        if self._live_sound is None or self._ear is None:
            return
        self._live_sound.begin(until_s)
        for piece in self._ear.take_until(until_s):
            self._live_sound.write(piece)
        self._live_sound.keep_up(until_s)

    def append(self, packet: Packet) -> None:
        """Adds a picture that another recorder has encoded in the same way, in the order of decoding."""
        packet.stream = self._stream
        try:
            if self._soundtrack is not None and packet.dts is not None:
                self._soundtrack.mux_until(packet.dts * self._time_base)
            self._container.mux(packet)
        except (av.error.FFmpegError, OSError) as exc:
            raise self._given_up(exc) from exc
        self.frame_count += 1

    def _keep(self, packet: Packet) -> None:
        self._container.mux(packet)

    def finish_sound(self) -> None:
        """Copies the sound that outlasts the picture: for a picture that was painted to its end."""
        if self._soundtrack is not None:
            try:
                self._soundtrack.mux_rest()
            except (av.error.FFmpegError, OSError) as exc:
                raise self._given_up(exc) from exc

    def close(self) -> None:
        """Finishes the file, or removes it where no picture came; after a RecordingError nothing is left to do."""
        if self._closed:
            return
        self._closed = True
        try:
            self._mux(None)
            if self._soundtrack is not None:
                self._soundtrack.close()
            if self._live_sound is not None:
                self._live_sound.finish()
            self._container.close()
        except (av.error.FFmpegError, OSError) as exc:
            given_up = self._given_up(exc)
            # not every format can be finished without a picture, and nothing is lost with it
            if self.frame_count:
                raise given_up from exc
        if not self.frame_count:
            self.path.unlink(missing_ok=True)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(picture):
            # not every encoder hands them on, and a last one that is missing cuts the picture short
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            self._keep(packet)

    def _pts(self, frame: Frame) -> int:
        if self._stamped_by_capture:
            if self._last_pts is None:
                self._started_s = frame.captured_at_s
            at = Fraction(frame.captured_at_s - self._started_s)
        else:
            at = frame.time if frame.time is not None else frame.index / self._rate
        pts = round(at / self._time_base)
        # two pictures may not share a tick, and no encoder goes back in time
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        return pts

    def _given_up(self, exc: BaseException) -> RecordingError:
        """Lets go of the file, since a muxer that has failed crashes when it is fed again; returns what to raise."""
        self._closed = True
        with contextlib.suppress(av.error.FFmpegError, OSError):  # `exc` was the first, and is the one that is told
            self._container.close()
        if self._soundtrack is not None:
            self._soundtrack.close()
        full = getattr(exc, "errno", None) == errno.ENOSPC
        reason = "the disk is full" if full else getattr(exc, "strerror", None) or str(exc)
        return RecordingError(
            f"recording into {self.path} stopped after {self.frame_count} frames: {reason}; "
            "what was written before is kept"
        )
