"""A video file that is painted in segments: an interrupted run keeps what it has done, and the next one continues.

Every few seconds the encoder starts again, and its packets go into a folder beside the output. When all frames are
painted, the segments are joined into the output, packet by packet. So a run that was interrupted, once or ten times,
ends in the same file as one that was not.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error

from realtime.frames import ClipRange, Frame, Pixels
from realtime.media.encoders import CONTAINERS, Encoding, encoder_for
from realtime.media.video_encoder import Packet, VideoTrack
from realtime.sinks.output_file import left_behind, note_on_left
from realtime.sinks.recorder import FileRecorder, Recording, RecordingError, open_video_encoder
from realtime.sinks.segments import SegmentFolder
from styles.support.atomic_file import move_into_place

# A segment lasts two groups of pictures, but of large frames no more than fit into memory once encoded.
_SEGMENT_S = 4
_SEGMENT_PIXELS = 250_000_000
_FEWEST_FRAMES = 8


class ResumableRecorder:
    """Takes frames as a `FileRecorder` does, and passes them to one when all of them are there. A context manager.

    Left with an error, it keeps the finished segments for the next run; otherwise only the output is left.

    Args:
        path: the file.
        track: the frames, which must have their own timestamps.
        encoding: how they are encoded; it is made repeatable.
        copy_from: the part of a file whose audio and other tracks are copied.
        fingerprint: what decides how the frames look, by name.

    `done` counts the frames of earlier runs, which `write` is not given again. `last_painting` is what the stabilizer
    kept of the last of them, H x W x 3 uint8 RGB. `notes` says what the container cannot hold, `damage` what of the
    audio was damaged, once the output is whole. `recording` is the output, None as long as it is not.

    Raises:
        OutputError: the file cannot be written, another process paints it, or an earlier run had another fingerprint.
    """

    def __init__(
        self,
        path: Path,
        track: VideoTrack,
        *,
        encoding: Encoding,
        copy_from: ClipRange | None,
        fingerprint: Mapping[str, str],
    ) -> None:
        self.path = path
        self.recording: Recording | None = None
        self._track, self._copy_from = track, copy_from
        self._encoding = replace(encoding, repeatable=True)
        fitting = _SEGMENT_PIXELS // (track.size[0] * track.size[1])
        self._length = max(_FEWEST_FRAMES, min(round(_SEGMENT_S * track.rate), fitting))
        self._folder = SegmentFolder(path, {**fingerprint, "frames in a segment": str(self._length)})
        self.folder, self.done = self._folder.path, self._folder.done
        self.last_painting = self._folder.last_painting
        # it is joined under this name
        self._joined = self.folder / f"joined{path.suffix}"
        self._paintings: dict[int, Pixels | None] = {}
        self._segment: _Segment | None = None
        self._audio_to_its_end = False
        self.damage: Sequence[str] = ()
        try:
            with self._recorder() as recorder:  # thrown away: it reports now, and not in hours, what cannot be written
                self.notes = (*map(note_on_left, left_behind(path)), *self._folder.notes, *recorder.notes)
        except BaseException:
            self._let_go()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end_segment()
                self._join()
            elif self._segment is not None:
                self._segment.abandon()
        finally:
            self._let_go()

    @property
    def kept(self) -> Path | None:
        """The folder of what is painted, None if there is nothing that could be continued."""
        return self.folder if self._folder.count and self.recording is None and self.folder.is_dir() else None

    def _let_go(self) -> None:
        """Keeps the segments for the next run if there are any and they are needed."""
        if self.kept is None:
            self._folder.remove()
        else:
            self._folder.release()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a frame; a segment that is full is saved at once.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the segment cannot be saved.
        """
        if self._segment is None:
            self._segment = _Segment(self._joined, self._track, self._encoding, self._folder.last_pts)
        self._segment.write(pixels, frame)
        if self._segment.frame_count == self._length:
            self._end_segment()

    def remember(self, count: int, painting: Callable[[], Pixels | None]) -> None:
        """Keeps what the next frame depends on, if a segment ends here.

        Args:
            count: how many frames are painted.
            painting: returns what the stabilizer has kept of the last one, H x W x 3 uint8 RGB.
        """
        if count % self._length == 0:
            self._paintings[count // self._length - 1] = painting()

    def interrupt(self) -> None:
        """Does nothing: there is nobody that a `write` waits for."""

    def finish_audio(self) -> None:
        """Has audio copied to its own end, for a source that was painted to its end."""
        self._audio_to_its_end = True

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        segment.close()
        try:
            painting = self._paintings.pop(self._folder.count, None)
            self._folder.add(segment.packets, segment.frame_count, painting)
        except OSError as exc:
            raise RecordingError(
                f"painting {self.path} stopped: {exc.strerror or exc}; {self._folder.count} segments are kept in "
                f"{self.folder}; run the same command again to continue"
            ) from exc

    def _join(self) -> None:
        """Copies the packets of all segments, and the audio, into the output, which gets its name when it is whole."""
        last_dts: int | None = None
        with self._recorder() as recorder:
            for packet in self._folder.packets():
                # if the time between frames varies, an encoder that starts again may reach back a little
                if last_dts is not None and packet.dts is not None:
                    packet.dts = max(packet.dts, last_dts + 1)
                last_dts = packet.dts
                packet.time_base = self._track.time_base
                recorder.append(packet)
            if self._audio_to_its_end:
                recorder.finish_audio()
            self.damage = recorder.damage
        if recorder.recording is None:
            return
        try:
            move_into_place(self._joined, self.path)
        except OSError as exc:
            raise RecordingError(f"cannot finish {self.path}: {exc.strerror or exc}") from exc
        self.recording = Recording(self.path, recorder.frame_count, whole=True)

    def _recorder(self) -> FileRecorder:
        return FileRecorder(self._joined, self._track, encoding=self._encoding, copy_from=self._copy_from)


class _Segment:
    """Encodes frames exactly as a FileRecorder does, but keeps the packets in memory.

    Args:
        path: the file that the packets end up in.
        track: the frames.
        encoding: how they are encoded.
        after_pts: the time of the frame before the first, in ticks; None if there is none.
    """

    def __init__(self, path: Path, track: VideoTrack, encoding: Encoding, after_pts: int | None) -> None:
        self.packets: list[Packet] = []
        self.frame_count = 0
        self._path = path
        # never read; of all containers it is the one that takes every encoder
        self._container: Any = av.open(io.BytesIO(), "w", format="matroska")
        name, settings = encoder_for(path, encoding), CONTAINERS[path.suffix.lower()]
        self._video = open_video_encoder(self._container, name, track, encoding, settings)
        self._video.last_pts = after_pts
        self._container.start_encoding()

    @property
    def last_pts(self) -> int | None:
        return self._video.last_pts

    def write(self, pixels: Pixels, frame: Frame) -> None:
        try:
            self.packets.extend(self._video.encode(pixels, frame))
        except av.error.FFmpegError as exc:
            raise RecordingError(f"encoding {self._path} stopped after {self.frame_count} frames: {exc}") from exc
        self.frame_count += 1

    def close(self) -> None:
        self.packets.extend(self._video.flush())
        self._container.close()

    def abandon(self) -> None:
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()
