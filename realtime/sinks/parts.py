"""A film that is painted in parts, each by itself and in any order, perhaps on several machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from realtime.frames import Frame, Pixels
from realtime.media.encoders import Encoding
from realtime.media.video_encoder import Packet, VideoTrack
from realtime.sinks.recorder import Recording
from realtime.sinks.segment_encoder import SegmentEncoder, segment_length
from realtime.sinks.segments import JobFolder, packed_segment, unpacked_segment, whole_segment
from realtime.sources.base import Span
from styles.support.atomic_file import write_atomically


@dataclass(frozen=True)
class PartReport:
    """What became of a part.

    Args:
        segments: how many it has.
        frames: how many it has.
        ends_s: when its last frame ends, in seconds.
        painter: what has painted it.
        code: the exit code: 3 for a source that could be read only in part.
    """

    segments: int
    frames: int
    ends_s: float
    painter: str
    code: int = 0


class PartTarget(Protocol):
    """Takes a part while it is painted."""

    @property
    def span(self) -> Span:
        """What belongs to the part."""

    def begin(self, painter: str) -> None:
        """Called before the first frame, with what paints."""

    def keep(self, packed: bytes) -> None:
        """Takes a segment, in order, as `packed_segment` makes it."""

    def finish(self, segments: int, frames: int, ends_s: Fraction) -> None:
        """Called when all is encoded, with the numbers of segments and frames, and when the last frame ends."""


class PartRecorder:
    """Encodes a part of a film as a `ResumableRecorder` does the whole, and gives each segment away. A context manager.

    Args:
        path: the file that the part belongs to.
        track: the frames, which must have their own timestamps.
        encoding: how they are encoded; it is made repeatable.
        target: takes the segments; frames of the lead-in of its span are not encoded.

    There are no notes and there is no damage, since there is no sound here.
    """

    notes: Sequence[str] = ()
    damage: Sequence[str] = ()
    recording: Recording | None = None

    def __init__(self, path: Path, track: VideoTrack, *, encoding: Encoding, target: PartTarget) -> None:
        self.path = path
        self._frames = self._segments = 0
        self._ends_s = Fraction(0)
        self._track, self._target = track, target
        self._encoding = replace(encoding, repeatable=True)
        self._length = segment_length(track)
        self._last_pts: int | None = None
        self._segment: SegmentEncoder | None = None
        # what cannot be encoded is known before anything is painted
        SegmentEncoder(path, track, self._encoding, None).abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_segment()
            self._target.finish(self._segments, self._frames, self._ends_s)
        elif self._segment is not None:
            self._segment.abandon()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a frame, unless it is one of the lead-in.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the encoder fails.
        """
        if frame.time is not None and frame.time < self._target.span.begins_s:
            self._last_pts = round(frame.time / self._track.time_base)
            return
        if self._segment is None:
            self._segment = SegmentEncoder(self.path, self._track, self._encoding, self._last_pts)
        self._segment.write(pixels, frame)
        self._frames += 1
        if frame.time is not None:
            self._ends_s = frame.time + (frame.duration or 1 / self._track.rate)
        if self._segment.frame_count == self._length:
            self._end_segment()

    def interrupt(self) -> None:
        """Does nothing: there is nobody that a `write` waits for."""

    def finish_audio(self) -> None:
        """Does nothing: the sound is copied when the parts are joined."""

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        segment.close()
        self._last_pts = segment.last_pts
        self._segments += 1
        self._target.keep(packed_segment(segment.packets, segment.frame_count))


class PartsFolder(JobFolder):
    """The parts of a film that earlier runs have painted, and those of this one.

    `done` has the parts that are whole, by number.
    """

    done: dict[int, PartReport]

    def _read(self) -> None:
        self.done = {}
        for marker in sorted(self.path.glob("[0-9]*.json")):
            report = _read_report(marker)
            number = int(marker.stem) if marker.stem.isdigit() else -1
            if report is not None and all(
                whole_segment(self._segment(number, index)) is not None for index in range(report.segments)
            ):
                self.done[number] = report
            else:
                marker.unlink()
                self.notes = (*self.notes, f"{marker} is damaged: that part is painted again")
        for stale in (*self.path.glob("*-*.npz"), *self.path.glob("joined.*")):
            if stale.name[:6].isdigit() and int(stale.name[:6]) in self.done:
                continue
            stale.unlink()

    def add(self, part: int, index: int, packed: bytes) -> None:
        """Saves a segment of a part.

        Raises:
            OSError: it cannot be saved, or the folder is gone.
        """
        self._check_there()
        write_atomically(self._segment(part, index), packed)

    def finish(self, part: int, report: PartReport) -> None:
        """Notes that a part is whole.

        Raises:
            OSError: that cannot be saved, or the folder is gone.
        """
        self._check_there()
        write_atomically(self.path / f"{part:06}.json", json.dumps(asdict(report)).encode())
        self.done[part] = report

    def packets(self) -> Iterator[Packet]:
        """Yields the packets of all parts that are whole."""
        for part in sorted(self.done):
            for index in range(self.done[part].segments):
                yield from unpacked_segment(self._segment(part, index))

    def _segment(self, part: int, index: int) -> Path:
        return self.path / f"{part:06}-{index:06}.npz"


def parts_fingerprint(fingerprint: Mapping[str, str], track: VideoTrack, part_s: Fraction | None) -> dict[str, str]:
    """Returns the fingerprint of a folder of parts.

    Args:
        fingerprint: what decides how the frames look, by name.
        track: the frames.
        part_s: how long parts are, in seconds; None for a film that is one part.
    """
    parts = "all of it" if part_s is None else f"{float(part_s):g} s"
    return {**fingerprint, "frames in a segment": str(segment_length(track)), "length of parts": parts}


def _read_report(marker: Path) -> PartReport | None:
    with suppress(OSError, ValueError, TypeError):
        return PartReport(**json.loads(marker.read_text(encoding="utf-8")))
    return None
