"""Writes paintings into a video file through PyAV: H.264 for players everywhere, VP9 for WebM."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import cv2
import numpy as np

from realtime.frames import Frame, Pixels
from realtime.soundtrack import Soundtrack

# One tick of the usual MPEG clock: fine enough for every camera.
LIVE_TIME_BASE = Fraction(1, 90_000)
CRF = 18


@dataclass(frozen=True)
class Format:
    """How a container is written. `options` are the muxer's, `codec_options` the encoder's."""

    encoder: str
    options: Mapping[str, str] = field(default_factory=dict)
    codec_options: Mapping[str, str] = field(default_factory=dict)


# Written in fragments, so that a crash loses little, and turned into an ordinary file at the end. delay_moov: without
# an edit list, which needs it, picture and sound would be shifted against each other by the encoder's delay.
_MP4 = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "1000000"}
FORMATS: Mapping[str, Format] = {
    ".mp4": Format("libx264", _MP4),
    ".m4v": Format("libx264", _MP4),
    ".mov": Format("libx264", _MP4),
    ".mkv": Format("libx264"),
    ".webm": Format("libvpx-vp9", codec_options={"row-mt": "1", "deadline": "realtime", "cpu-used": "6", "b": "0"}),
}


class OutputError(ValueError):
    """An output cannot be written as asked: it exists, its folder is missing, or its format is unknown."""


class RecordingError(OSError):
    """Writing failed in the middle: a full disk, say. What was written until then is kept."""


def check_output(path: Path, overwrite: bool, source: str | None = None) -> None:
    """Raises OutputError, saying what to type, where `path` cannot be recorded into, as when it is the input itself."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"cannot write {path}: its format is unknown; wanted a name ending in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.exists() and source is not None and Path(source).exists() and path.samefile(source):
        raise OutputError(f"cannot write {path}: it is the input itself; name another file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, add -y")


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
    with the time of their capture. sound_of: a file whose sound and subtitles are copied as far as the picture goes,
    and to their own end by `finish_sound`; `left_out` says what the format cannot hold. Raises OutputError when it
    cannot begin and RecordingError when writing fails.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        rate: Fraction,
        time_base: Fraction | None,
        *,
        fast: bool = False,
        sound_of: Path | None = None,
    ) -> None:
        self.path, self.frame_count = path, 0
        self._size, self._time_base, self._rate = size, time_base or LIVE_TIME_BASE, rate
        self._stamped_by_capture = time_base is None
        self._started_s = 0.0
        self._last_pts: int | None = None
        self._closed = False
        form = FORMATS[path.suffix.lower()]
        try:
            self._container = av.open(str(path), "w", options=dict(form.options))
            self._stream = self._add_stream(form, fast)
            self._soundtrack = None if sound_of is None else Soundtrack(sound_of, self._container)
            # by itself PyAV would open the file with the first packet, and that is many frames later
            self._container.start_encoding()
        except (av.error.FFmpegError, OSError) as exc:
            raise OutputError(f"cannot write {path}: {exc.strerror or exc}") from exc
        self.left_out = () if self._soundtrack is None else self._soundtrack.left_out

    def _add_stream(self, form: Format, fast: bool) -> Any:
        options = {"crf": str(CRF), **form.codec_options}
        if form.encoder == "libx264":
            options["preset"] = "ultrafast" if fast else "veryfast"
        stream: Any = self._container.add_stream(form.encoder, rate=self._rate, options=options)
        # 4:2:0 halves both sides: an odd picture gets its last column or row once more
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = self._time_base
        stream.codec_context.gop_size = max(1, round(2 * self._rate))
        stream.codec_context.color_range = 1  # limited
        # BT.709 for HD, BT.601 below, as players assume where a file says nothing; ours says so
        hd = stream.height >= 720
        stream.codec_context.colorspace = 1 if hd else 6
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1 if hd else 6
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a picture (H x W x 3 uint8 RGB) with the time of its frame."""
        picture = av.VideoFrame.from_ndarray(self._fitting(pixels), format="rgb24")
        hd = self._stream.height >= 720
        matrix = "ITU709" if hd else "ITU601"
        yuv = picture.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range="MPEG")
        yuv.time_base = self._time_base
        yuv.pts = self._pts(frame)
        yuv.duration = max(1, round(1 / self._rate / self._time_base))
        try:
            if self._soundtrack is not None:
                self._soundtrack.mux_until(yuv.pts * self._time_base)
            self._container.mux(self._stream.encode(yuv))
        except (av.error.FFmpegError, OSError) as exc:
            raise self._given_up(exc) from exc
        self.frame_count += 1

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
            self._container.mux(self._stream.encode(None))
            if self._soundtrack is not None:
                self._soundtrack.close()
            self._container.close()
        except (av.error.FFmpegError, OSError) as exc:
            raise self._given_up(exc) from exc
        if not self.frame_count:
            self.path.unlink(missing_ok=True)

    def _fitting(self, pixels: Pixels) -> Pixels:
        """Returns the picture in the size of the file."""
        height, width = pixels.shape[:2]
        if (width, height) != self._size:
            pixels = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        right, bottom = (side % 2 for side in self._size)
        if right or bottom:
            pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
        return np.ascontiguousarray(pixels)

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
        full = getattr(exc, "errno", None) == errno.ENOSPC
        reason = "the disk is full" if full else getattr(exc, "strerror", None) or str(exc)
        return RecordingError(
            f"recording into {self.path} stopped after {self.frame_count} frames: {reason}; "
            "what was written before is kept"
        )
