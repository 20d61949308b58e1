"""A video file that is painted in segments: an interrupted run keeps what it has done, and the next one continues.

Every few seconds the encoder starts again, and its packets go into a folder beside the output. When all frames are
painted, the segments are joined into the output, packet by packet. So a run that was interrupted, once or ten times,
ends in the same file as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.frames import ClipRange, Frame, Pixels
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import VideoTrack
from realtime.sinks.output_file import left_behind, note_on_left
from realtime.sinks.packet_joiner import PacketJoiner
from realtime.sinks.recorder import Recording, RecordingError
from realtime.sinks.segment_encoder import SegmentEncoder, segment_length
from realtime.sinks.segments import SegmentFolder


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
        self._track = track
        self._encoding = replace(encoding, repeatable=True)
        self._length = segment_length(track)
        self._folder = SegmentFolder(path, {**fingerprint, "frames in a segment": str(self._length)})
        self.folder, self.done = self._folder.path, self._folder.done
        self.last_painting = self._folder.last_painting
        self._joiner = PacketJoiner(path, self.folder, track, encoding=self._encoding, copy_from=copy_from)
        self._paintings: dict[int, Pixels | None] = {}
        self._segment: SegmentEncoder | None = None
        self._audio_to_its_end = False
        self.damage: Sequence[str] = ()
        try:
            self.notes = (*map(note_on_left, left_behind(path)), *self._folder.notes, *self._joiner.rehearse())
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
                self.recording = self._joiner.join(self._folder.packets(), to_audio_end=self._audio_to_its_end)
                self.damage = self._joiner.damage
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
            self._segment = SegmentEncoder(self.path, self._track, self._encoding, self._folder.last_pts)
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
