"""Records painted frames into a video file, through PyAV."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from PIL import Image

from realtime.audio.copied_tracks import CopiedTracks, has_keyed_tags
from realtime.audio.feed import AudioQueue
from realtime.audio.live_track import LiveAudioTrack
from realtime.frames import ClipRange, Frame, Pixels
from realtime.media.decoding import file_url
from realtime.media.encoders import CONTAINERS, Container, Encoding, OutputError, encoder_for, open_encoder
from realtime.media.image_sequence import is_image_sequence, numbered_files, sequence_url
from realtime.media.rates import LIVE_TIME_BASE
from realtime.media.video_encoder import Packet, VideoEncoder, VideoTrack


class RecordingError(OSError):
    """Writing failed in the middle, e.g. because the disk is full. What was written until then is kept."""


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
    if (path.exists() or (is_image_sequence(path) and numbered_files(path))) and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, add -y")
    encoder_for(path, encoding)


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def unused_path(folder: Path, stem: str, suffix: str) -> Path:
    """Returns folder/stem.suffix, or with -2, -3 … before the suffix if that exists."""
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


class FileRecorder:
    """A video file that grows frame by frame. A context manager: on leaving, the file is finished and playable.

    Args:
        path: the file, or the common name of an image sequence.
        track: the frames.
        encoding: how they are encoded.
        copy_from: the part of a file whose audio, subtitles, chapters and tags are copied, as far as the video goes;
            `finish_audio` copies them to their own end.
        audio: live audio, at the times of the frames' capture.

    `frame_count` counts the frames written. `notes` says what the container cannot hold, one line each.

    Raises:
        OutputError: the file cannot be created.
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
    ) -> None:
        self.path, self.frame_count = path, 0
        self._track = track
        self._closed = False
        container = CONTAINERS[path.suffix.lower()]
        name = encoder_for(path, encoding)
        existed = path.exists()
        try:
            url = sequence_url(path) if is_image_sequence(path) else file_url(path)
            self._container = av.open(url, "w", format=container.format, options=_muxer_options(path, track, copy_from))
            self._video = open_video_encoder(self._container, name, track, encoding, container)
            self._copied = None if copy_from is None else CopiedTracks(copy_from, self._container, self._video.stream)
            audible = audio is not None and bool(container.audio)
            self._audio = audio
            self._audio_track = LiveAudioTrack(self._container, container.audio) if audible else None
            # by itself PyAV would open the file with the first packet, and that is many frames later
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as exc:
            if not existed:
                # nothing is in it
                path.unlink(missing_ok=True)
            raise OutputError(f"cannot write {path}: {exc.strerror or exc}") from exc
        self.notes: Sequence[str] = (
            *self._video.format.notes,
            *(() if self._copied is None else self._copied.left_out),
            *((f"live audio is left out: {path.suffix} cannot hold any",) if audio and not audible else ()),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def damage(self) -> Sequence[str]:
        """What of the copied audio and subtitles was damaged and left out so far, one line each."""
        return () if self._copied is None else self._copied.damage

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a frame.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the file cannot be written any more.
        """
        try:
            packets = self._video.encode(pixels, frame)
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
        if self._copied is not None:
            try:
                self._copied.mux_rest()
            except (av.error.FFmpegError, OSError) as exc:
                raise self._abandon(exc) from exc

    def close(self) -> None:
        """Finishes the file, or removes it if no frame was written; after a RecordingError it does nothing.

        Raises:
            RecordingError: the file cannot be finished.
        """
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
        except (av.error.FFmpegError, OSError) as exc:
            error = self._abandon(exc)
            # not every format can be finished without a frame, and nothing is lost with it
            if self.frame_count:
                raise error from exc
        if not self.frame_count:
            self.path.unlink(missing_ok=True)

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
        full = getattr(exc, "errno", None) == errno.ENOSPC
        reason = "the disk is full" if full else getattr(exc, "strerror", None) or str(exc)
        return RecordingError(
            f"recording into {self.path} stopped after {self.frame_count} frames: {reason}; "
            "what was written before is kept"
        )


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
    context.sample_aspect_ratio = video.format.sample_aspect_ratio
    open_encoder(name, context)
    return video


def _muxer_options(path: Path, track: VideoTrack, copy_from: ClipRange | None) -> dict[str, str]:
    options = dict(CONTAINERS[path.suffix.lower()].options)
    if "movflags" in options:
        # the clock by which an MP4 says when a stream begins: frames fall on its ticks, and audio nearly does
        ticks_per_s = track.time_base.denominator
        options["movie_timescale"] = str(ticks_per_s * -(-LIVE_TIME_BASE.denominator // ticks_per_s))
        if copy_from is not None and has_keyed_tags(copy_from):
            options["movflags"] += "+use_metadata_tags"
    if (
        path.suffix.lower() == ".gif"
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
