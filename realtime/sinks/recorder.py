"""Records painted frames into a video file, through PyAV."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from PIL import Image

from realtime.audio.copied_tracks import CopiedTracks, has_keyed_tags
from realtime.audio.feed import AudioQueue
from realtime.audio.live_track import SILENCE_AFTER_S, LiveAudioTrack
from realtime.frames import ClipRange, Frame, Pixels
from realtime.media.encoders import (
    CONTAINERS,
    PIPE_FORMATS,
    REPEATABLE_THREADS,
    Container,
    Encoding,
    OutputError,
    container_of,
    encoder_for,
    open_encoder,
)
from realtime.media.image_sequence import is_image_sequence, numbered_files
from realtime.media.rates import LIVE_TIME_BASE
from realtime.media.video_encoder import Packet, VideoEncoder, VideoTrack
from realtime.sinks.output_file import (
    STDOUT,
    OutputFile,
    cannot_write,
    is_being_written,
    is_kept,
    is_pipe,
    named,
    note_on_left,
)


class RecordingError(OSError):
    """Writing failed in the middle, e.g. because the disk is full. What can be decoded of it is kept."""


@dataclass(frozen=True)
class Recording:
    """What is left of a recording.

    Args:
        path: where it lies.
        frame_count: how many of its frames can be decoded.
        whole: whether it has its name; otherwise it is a part that lies beside its place.
    """

    path: Path
    frame_count: int
    whole: bool


def check_output(
    path: Path,
    overwrite: bool,
    source: str | None = None,
    encoding: Encoding = Encoding(),  # noqa: B008 - frozen
) -> None:
    """Checks whether a video can be recorded into a file, before anything is opened.

    Args:
        path: the file, or the common name of an image sequence.
        overwrite: whether it may exist.
        source: the input, which must be another file.
        encoding: how it is to be encoded.

    Raises:
        OutputError: it cannot; the text says what to type.
        EncodingError: the encoding does not go with the file's container.
    """
    if is_pipe(path):
        _check_pipe(path, encoding)
        return
    if path.suffix.lower() not in CONTAINERS:
        endings = ", ".join(CONTAINERS)
        raise OutputError(f"cannot write {path}: its format is unknown; expected a name ending in {endings}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.suffix.lower() == ".png" and not is_image_sequence(path):
        raise OutputError(f"cannot write {path}: expected a name with room for numbers, e.g. {path.stem}_%05d.png")
    if source is not None and _is_same(path, Path(source)):
        raise OutputError(f"cannot write {path}: it is the input itself; name another file")
    if (is_kept(path) or (is_image_sequence(path) and numbered_files(path))) and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, add -y")
    encoder_for(path, encoding)


def _check_pipe(path: Path, encoding: Encoding) -> None:
    if path == STDOUT and os.isatty(1):
        raise OutputError("cannot write a video to a terminal; pipe it, e.g. nst-live … -o - | ffplay -")
    try:
        container = container_of(path, encoding)
    except KeyError:
        formats = ", ".join(PIPE_FORMATS)
        raise OutputError(f"cannot write {path}: expected --format with one of {formats}") from None
    if container.seeks:
        formats = ", ".join(PIPE_FORMATS)
        raise OutputError(
            f"cannot write {path.suffix} into the pipe {path}: it would have to seek in it; expected --format with one "
            f"of {formats}"
        )
    encoder_for(path, encoding)


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def unused_path(folder: Path, stem: str, suffix: str) -> Path:
    """Returns folder/stem.suffix, or with -2, -3 … before the suffix if that exists or is being written."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists() or is_being_written(path):
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


class FileRecorder:
    """A video file that grows frame by frame. A context manager: on leaving, the file is finished and playable.

    It lies beside its place while it is written (see OutputFile), and gets its name at the normal end. Ctrl-C is a
    normal end for what goes on until it is stopped, and enough if there was no file of that name before. After any
    other error the part that was written is kept where it is.

    Args:
        path: the file, the common name of an image sequence, or a pipe.
        track: the frames.
        encoding: how they are encoded.
        copy_from: the part of a file whose audio, subtitles, chapters and tags are copied, as far as the video goes;
            `finish_audio` copies them to their own end.
        audio: live audio, at the times of the frames' capture.
        endless: whether the frames go on until they are stopped.

    `frame_count` counts the frames written, `left_out` those that came too soon after another for the container.
    `notes` says what the container cannot hold, one line each. `recording` is what is left of it once it is closed,
    None for nothing.

    Raises:
        OutputError: the file cannot be created, or another process writes it.
        EncodingError: the encoding does not go with the file's container.
        EncoderUnavailableError: the encoder does not run here.
    """

    def __init__(
        self,
        path: Path,
        track: VideoTrack,
        *,
        encoding: Encoding = Encoding(),  # noqa: B008 - frozen
        copy_from: ClipRange | None = None,
        audio: AudioQueue | None = None,
        endless: bool = False,
    ) -> None:
        self.path, self.frame_count, self.left_out = path, 0, 0
        self.recording: Recording | None = None
        container = container_of(path, encoding)
        if container.constant_rate:
            track = replace(track, time_base=1 / track.rate)
        if container.time_base is not None:
            track = replace(track, time_base=container.time_base)
        self._track, self._endless = track, endless or track.live
        self._least_ticks = container.least_ticks
        self._closed = False
        self._repeats = container.constant_rate
        self._repeated: Packet | None = None
        name = encoder_for(path, encoding)
        self._file = OutputFile(path)
        try:
            options = _muxer_options(container, track, copy_from)
            self._container = av.open(self._file.target, "w", format=container.format, options=options)
            self._video = open_video_encoder(self._container, name, track, encoding, container)
            self._copied = None if copy_from is None else CopiedTracks(copy_from, self._container, self._video.stream)
            self._audio = audio
            self._audio_track = _live_track(self._container, container, audio)
            # by itself PyAV would open the file with the first packet, and that is many frames later
            self._container.start_encoding()
        except BaseException as exc:
            # nothing is in it
            self._file.discard()
            if isinstance(exc, av.error.FFmpegError | OSError):
                raise cannot_write(path, exc) from exc
            raise
        silenced = audio is not None and self._audio_track is None
        held = encoding.pipe_format or path.suffix
        self.notes: Sequence[str] = (
            *map(note_on_left, self._file.left_behind),
            *self._video.format.notes,
            *((f"{held} holds no times: frames are repeated to be {track.rate} a second",) if self._repeats else ()),
            *(() if self._copied is None else self._copied.left_out),
            *((f"live audio is left out: {held} cannot hold any",) if silenced else ()),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        self._close(whole=kind is None or (stopped and (self._endless or not self._file.existed)))

    @property
    def damage(self) -> Sequence[str]:
        """What was left out so far, one line each: frames, and what was damaged of the copied audio and subtitles."""
        most = 1 / (self._least_ticks * self._track.time_base)
        frames = f"{self.path.suffix} shows at most {most} frames a second; left out: {self.left_out}"
        copied = () if self._copied is None else self._copied.damage
        return (*((frames,) if self.left_out else ()), *copied)

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a frame.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the file cannot be written any more.
        """
        try:
            self._file.check()
            before = self._video.last_pts
            if before is not None and self._video.pts_of(frame) < before + self._least_ticks:
                self.left_out += 1
                return
            packets = self._video.encode(pixels, frame)
            if self._repeats:
                self._repeat(before, packets[0])
            if self._copied is not None:
                self._copied.mux_until((self._video.last_pts or 0) * self._track.time_base)
            self._mux(packets)
            self._write_audio(frame.captured_at_s)
        except (av.error.FFmpegError, OSError) as exc:
            raise self._abandon(exc) from exc
        self.frame_count += 1

    def _write_audio(self, until_s: float) -> None:
        if self._audio_track is None or self._audio is None:
            return
        self._audio_track.begin(until_s)
        for chunk in self._audio.take_until(until_s):
            self._audio_track.write(chunk)
        self._audio_track.keep_up(until_s)

    def _repeat(self, before: int | None, packet: Packet) -> None:
        """Writes the last frame again for each tick until the next one, whose packet is given."""
        last, self._repeated = self._repeated, packet
        if before is None or last is None or self._video.last_pts is None:
            return
        for pts in range(before + 1, self._video.last_pts):
            copy: Any = av.Packet(bytes(last))
            copy.pts = copy.dts = pts
            copy.time_base, copy.stream = self._track.time_base, self._video.stream
            self._container.mux(copy)

    def append(self, packet: Packet) -> None:
        """Adds a frame that was encoded before in the same way, in order of decoding.

        Raises:
            RecordingError: the file cannot be written any more.
        """
        packet.stream = self._video.stream
        try:
            if self._copied is not None and packet.dts is not None:
                self._copied.mux_until(packet.dts * self._track.time_base)
            self._mux([packet])
        except (av.error.FFmpegError, OSError) as exc:
            raise self._abandon(exc) from exc
        self.frame_count += 1

    def finish_audio(self) -> None:
        """Copies audio that outlasts the video, for a source that was painted to its end.

        Raises:
            RecordingError: the file cannot be written any more.
        """
        if self._copied is not None and not self._closed:
            try:
                self._copied.mux_rest()
            except (av.error.FFmpegError, OSError) as exc:
                raise self._abandon(exc) from exc

    def interrupt(self) -> None:
        """Makes a `write` that waits for the reader of a pipe give up soon; called from another thread."""
        self._file.interrupt()

    def close(self) -> None:
        """Finishes the file, or removes it if no frame was written; after a RecordingError it does nothing.

        Raises:
            RecordingError: the file cannot be finished.
        """
        self._close(whole=True)

    def _close(self, *, whole: bool) -> None:
        """Finishes the file; if it is whole, it gets its name."""
        if self._closed:
            return
        self._closed = True
        try:
            self._mux(self._video.flush())
            if self._copied is not None:
                self._copied.close()
            if self._audio_track is not None:
                self._audio_track.finish()
            self._container.close()
            if self.frame_count:
                self._file.check()
        except (av.error.FFmpegError, OSError) as exc:
            error = self._abandon(exc)
            # not every format can be finished without a frame, and nothing is lost with it
            if self.frame_count:
                raise error from exc
        if not self.frame_count:
            self._file.discard()
        elif whole:
            self._publish()
        else:
            self._keep(self.frame_count)

    def _publish(self) -> None:
        try:
            self._file.publish()
        except OSError as exc:
            if self._file.written.exists():
                self._keep(self.frame_count)
            raise self._error(exc) from exc
        self.recording = Recording(self.path, self.frame_count, whole=True)

    def _keep(self, frame_count: int) -> None:
        self.recording = Recording(self._file.written, frame_count, whole=False)
        self._file.keep()

    def _mux(self, packets: Sequence[Packet]) -> None:
        for packet in packets:
            (self._copied or self._container).mux(packet)

    def _abandon(self, exc: BaseException) -> RecordingError:
        """Closes the file, since a muxer that has failed crashes if it is used again; returns what to raise."""
        self._closed = True
        with contextlib.suppress(av.error.FFmpegError, OSError):  # `exc` came first, and is the one to report
            self._container.close()
        if self._copied is not None:
            self._copied.close()
        if count := self._file.count_frames():
            self._keep(count)
        else:
            self._file.discard()
        return self._error(exc)

    def _error(self, exc: BaseException) -> RecordingError:
        full = getattr(exc, "errno", None) == errno.ENOSPC
        reason = "the disk is full" if full else getattr(exc, "strerror", None) or str(exc)
        left = self.recording
        kept = "nothing of it is kept" if left is None else f"{left.frame_count} frames are kept in {left.path}"
        return RecordingError(
            f"recording into {named(self.path)} stopped after {self.frame_count} frames: {reason}"
            + ("" if is_pipe(self.path) else f"; {kept}")
        )


def _live_track(output: Any, container: Container, audio: AudioQueue | None) -> LiveAudioTrack | None:
    """Returns the track for live audio; None if there is none, or the container cannot hold any."""
    if audio is None or not container.audio:
        return None
    return LiveAudioTrack(output, container.audio, SILENCE_AFTER_S + audio.late_s)


def open_video_encoder(
    container: Any, name: str, track: VideoTrack, encoding: Encoding, settings: Container
) -> VideoEncoder:
    """Returns the encoder of a file, open.

    Args:
        container: an output container of PyAV that has not been started.
        name: a name in ENCODERS.
        track: the frames.
        encoding: how they are encoded.
        settings: the kind of container that they end up in.

    Raises:
        EncoderUnavailableError: the encoder does not run here.
    """
    video = VideoEncoder(container, name, track, encoding)
    context = video.stream.codec_context
    if "hybrid_fragmented" in settings.options.get("movflags", ""):
        # if frames are stored out of order, FFmpeg's final edit list leaves out the last one after a long pause
        context.max_b_frames = 0
    if encoding.repeatable:
        context.thread_count = REPEATABLE_THREADS
    context.sample_aspect_ratio = video.format.sample_aspect_ratio
    open_encoder(name, context)
    return video


def _muxer_options(container: Container, track: VideoTrack, copy_from: ClipRange | None) -> dict[str, str]:
    options = dict(container.options)
    if "movflags" in options:
        # the clock by which an MP4 says when a stream begins: frames fall on its ticks, and audio nearly does
        ticks_per_s = track.time_base.denominator
        options["movie_timescale"] = str(ticks_per_s * -(-LIVE_TIME_BASE.denominator // ticks_per_s))
        if copy_from is not None and has_keyed_tags(copy_from):
            options["movflags"] += "+use_metadata_tags"
    if (
        container.encoder == "gif"
        and copy_from is not None
        and copy_from.pipe is None
        and copy_from.path.suffix.lower() == ".gif"
    ):
        options["loop"] = str(_loop_count(copy_from.path))
    return options


def _loop_count(gif: Path) -> int:
    """Returns how often a GIF is repeated: 0 for always, -1 for not at all."""
    try:
        with Image.open(gif) as image:
            return int(image.info.get("loop", -1))
    except (OSError, ValueError, SyntaxError):
        return 0
