"""Writes painted frames into a video file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from realtime.api.checks import check_may_write, check_pixels, checked_rate, checked_size
from realtime.api.video_source import VideoSource
from realtime.frames import Frame, Pixels
from realtime.media.encoders import ENCODERS, Encoding, OutputError
from realtime.media.image_sequence import is_image_sequence, numbered_files
from realtime.media.rates import LIVE_TIME_BASE, clock_for
from realtime.sinks.open import Outputs, open_sinks
from realtime.sinks.recorder import check_output
from realtime.sources.base import SourceInfo


class Recorder:
    """A video file that grows frame by frame, as `nst-live -o` writes it. A context manager.

    Frames are encoded in the background: an error is raised by the next `write`, or on leaving.

    With `like`, the file keeps what its source has: times, sound, subtitles, chapters, tags, the shape of pixels and
    their colors. Sound that outlasts the film is kept if the film was read to its end.

    The file has its name when it is whole, i.e. on leaving. Until then it lies beside its place, as NAME.partial.EXT.
    After an error it is finished and plays, and stays there; the error has a note that says where. After Ctrl-C it gets
    its name all the same if it is of a live source, or if there was no file of that name.

    Args:
        path: a name that ends in .mp4, .m4v, .mov, .mkv, .webm or .gif, or numbered images, e.g. "frame_%05d.png".
        like: the source of the frames.
        size: width and height in pixels; needed without `like`. Frames of another size are scaled to it.
        fps: frames per second, above 0 and up to 1000; needed without `like`.
        encoder: "libx264", "libx265", "h264_nvenc", "libvpx-vp9", "libsvtav1", "ffv1" (lossless), or "auto" for what
            suits the file's name.
        crf: quality, 0 for the best; default: 18.
        preset: the encoder's preset, e.g. "veryfast" for H.264.
        overwrite: whether the file may exist.

    Raises:
        OutputError: the file cannot be written, or exists.
        EncodingError: encoder, quality and preset do not go together or with the file's name.
        EncoderUnavailableError: the encoder does not run here.
        ValueError: an argument is missing or out of range.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        like: VideoSource | None = None,
        size: tuple[int, int] | None = None,
        fps: float | Fraction | None = None,
        encoder: str = "auto",
        crf: int | None = None,
        preset: str | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path, self.frame_count = Path(path), 0
        self._source = like
        if encoder not in ("auto", *ENCODERS):
            raise ValueError(f"encoder is {encoder!r}, expected one of auto, {', '.join(ENCODERS)}")
        if crf is not None and crf < 0:
            raise ValueError(f"crf is {crf}, expected 0 or more")
        info = _info(self.path, like, size, fps)
        encoding = Encoding(encoder, crf, preset)
        self._check_path(encoding, overwrite)
        self._rate = info.rate
        self._open = ExitStack()
        self._sinks = open_sinks(info, Outputs(file=self.path, encoding=encoding), self._open, audio=info.audio)

    def _check_path(self, encoding: Encoding, overwrite: bool) -> None:
        check_may_write(self.path, overwrite)
        if is_image_sequence(self.path) and numbered_files(self.path) and not overwrite:
            raise OutputError(f"{self.path} exists; to overwrite it, pass overwrite=True")
        source = None if self._source is None or self._source.info.clip is None else self._source.name
        check_output(self.path, overwrite=True, source=source, encoding=encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        self._open.__exit__(kind, error, trace)
        recording = self._sinks.recording
        if recording is not None:
            error.add_note(f"{recording.path} holds the {recording.frame_count} frames that were written")

    def write(self, picture: Frame | Pixels) -> None:
        """Adds a frame.

        Args:
            picture: a `Frame`, which brings its time along; or H x W x 3 uint8 RGB, which follows the one before at
                the frame rate, and of a live source comes now.

        Raises:
            RecordingError: writing failed, e.g. because the disk is full; what was written before is kept.
            TypeError: the pixels are not a uint8 array.
            ValueError: they have another shape.
        """
        if not isinstance(picture, Frame):
            check_pixels(picture)
            # it is encoded in the background, and the caller may reuse the array meanwhile
            picture = Frame(picture.copy(), self.frame_count, time.monotonic(), self.frame_count / self._rate)
        check_pixels(picture.pixels)
        for sink in self._sinks.queues:
            sink.write(np.ascontiguousarray(picture.pixels), picture)
        self.frame_count += 1

    @property
    def notes(self) -> Sequence[str]:
        """What the file cannot hold or shows differently, one line each, e.g. that a side is odd."""
        return self._sinks.notes

    def close(self) -> None:
        """Finishes the file, or removes it if no frame was written.

        Raises:
            RecordingError: it cannot be finished.
        """
        with self._open:
            read_to_its_end = self._source is not None and self._source.ended
            self._sinks.finish(complete=read_to_its_end and self.frame_count > 0)


def _info(
    path: Path, like: VideoSource | None, size: tuple[int, int] | None, fps: float | Fraction | None
) -> SourceInfo:
    """Returns what the frames are like. Raises ValueError if that was given twice or not at all."""
    if like is not None:
        if size is not None or fps is not None:
            raise ValueError("got both like and size or fps, expected like alone or both of the others")
        return like.info
    if size is None or fps is None:
        raise ValueError("size and fps are needed if there is no source to be like")
    rate = checked_rate(fps)
    return SourceInfo(str(path), checked_size(size), rate, clock_for(rate, LIVE_TIME_BASE))
