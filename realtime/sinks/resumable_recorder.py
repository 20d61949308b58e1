"""A video file painted in segments: what an interrupted run has done is kept, and the next one goes on from there.

Every so many frames the encoder begins anew, and what it made of them goes into a folder beside the output. When all
is painted, the segments are joined into the output packet by packet. So a run that was interrupted, once or ten times,
ends in the same file as one that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from realtime.frames import Frame, Pixels, Presentation
from realtime.media.encoders import Encoding
from realtime.sinks.recorder import OutputError, Packet, Recorder, RecordingError
from realtime.sources.base import ClipRange, Size
from realtime.stylize.styles import LoadedStyle
from styles.support.atomic_file import write_atomically

# A segment is as long as two groups of pictures, but of large pictures no longer than what fits into memory encoded.
_SEGMENT_S = 4
_SEGMENT_PIXELS = 250_000_000
_FEWEST_FRAMES = 8
_FACTS = "job.json"


class ResumableRecorder:
    """Takes frames as a `Recorder` does, and hands them to one when all are there. A context manager.

    facts: what decides how the frames look; work that was begun with other ones raises OutputError. `done`: so many
    frames need not be painted again, and `write` is given those behind them. Left with an error, the finished segments
    stay for the next run; otherwise the output is there and nothing else.
    """

    def __init__(
        self,
        path: Path,
        size: Size,
        rate: Fraction,
        time_base: Fraction,
        *,
        sound_of: ClipRange | None,
        encoding: Encoding,
        presentation: Presentation,
        facts: Mapping[str, str],
    ) -> None:
        self.path, self._partial = path, path.with_stem(f"{path.stem}.partial")
        self._size, self._rate, self._time_base = size, rate, time_base
        self._encoding = replace(encoding, repeatable=True)
        self._sound_of, self._presentation = sound_of, presentation
        self._length = max(_FEWEST_FRAMES, min(round(_SEGMENT_S * rate), _SEGMENT_PIXELS // (size[0] * size[1])))
        self.folder = path.with_name(f"{path.name}.parts")
        _claim(self.folder, {**facts, "frames in a segment": str(self._length)})
        self._parts = list(_finished_parts(self.folder))
        counts_and_ends = [_count_and_end(part) for part in self._parts]
        self.done = sum(count for count, _ in counts_and_ends)
        self._last_pts = counts_and_ends[-1][1] if counts_and_ends else None
        self.last_painting = _saved_painting(self._parts[-1]) if self._parts else None
        self._paintings: dict[int, Pixels | None] = {}
        self._segment: _Segment | None = None
        self._sound_to_its_end = False
        with self._recorder() as recorder:  # thrown away, it says now and not in hours what cannot be written
            self.notes = recorder.notes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end_segment()
            self._join()
            shutil.rmtree(self.folder)
        elif self._segment is not None:
            self._segment.abandon()

    def write(self, pixels: Pixels, frame: Frame) -> None:
        """Adds a picture, H x W x 3 uint8 RGB; a segment that is full is kept at once."""
        if self._segment is None:
            self._segment = _Segment(
                self._partial,
                self._size,
                self._rate,
                self._time_base,
                encoding=self._encoding,
                presentation=self._presentation,
                after_pts=self._last_pts,
            )
        self._segment.write(pixels, frame)
        if self._segment.frame_count == self._length:
            self._end_segment()

    def remember(self, count: int, painting: Callable[[], Pixels | None]) -> None:
        """Keeps the painting after `count` frames where a segment ends: the next frame may depend on it."""
        if count % self._length == 0:
            self._paintings[count // self._length - 1] = painting()

    def finish_sound(self) -> None:
        """Has the sound copied to its own end: for a picture that was painted to its end."""
        self._sound_to_its_end = True

    def _end_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        segment.close()
        part = self.folder / f"{len(self._parts):06}.npz"
        painting = self._paintings.pop(len(self._parts), None)
        try:
            if painting is not None:
                _save_painting(part, painting)
            write_atomically(part, _packed(segment.packets, segment.frame_count))
        except OSError as exc:
            raise RecordingError(
                f"painting {self.path} stopped: {exc.strerror or exc}; {len(self._parts)} segments are kept in "
                f"{self.folder}, and the same command goes on from there"
            ) from exc
        for older in self._parts[-2:-1]:
            _painting_path(older).unlink(missing_ok=True)
        self._parts.append(part)
        self._last_pts = segment.last_pts

    def _join(self) -> None:
        """Copies the packets of all segments, and the sound, into the output; it has its name when it is whole."""
        last_dts: int | None = None
        with self._recorder() as recorder:
            for packet in (packet for part in self._parts for packet in _unpacked(part)):
                # where the time between pictures varies, an encoder that begins anew may reach back a little
                if last_dts is not None and packet.dts is not None:
                    packet.dts = max(packet.dts, last_dts + 1)
                last_dts = packet.dts
                packet.time_base = self._time_base
                recorder.append(packet)
            if self._sound_to_its_end:
                recorder.finish_sound()
        if self._parts:
            self._partial.replace(self.path)

    def _recorder(self) -> Recorder:
        return Recorder(
            self._partial,
            self._size,
            self._rate,
            self._time_base,
            sound_of=self._sound_of,
            encoding=self._encoding,
            presentation=self._presentation,
        )


class _Segment(Recorder):
    """Encodes as the recorder of a file does, and keeps the packets in memory."""

    def __init__(self, path: Path, *args: Any, after_pts: int | None, **kwargs: Any) -> None:
        self.packets: list[Packet] = []
        super().__init__(path, *args, **kwargs)
        self._last_pts = after_pts

    @property
    def last_pts(self) -> int | None:
        return self._last_pts

    def abandon(self) -> None:
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()

    def _open(self) -> Any:
        # never read; of the containers it is the one that takes every encoder
        return av.open(io.BytesIO(), "w", format="matroska")

    def _keep(self, packet: Packet) -> None:
        self.packets.append(packet)


def fingerprint_of(
    source: Path, paintings: Sequence[LoadedStyle], description: str, options: Mapping[str, object]
) -> Mapping[str, str]:
    """Returns what decides how a job's frames look. options: what was typed, by name."""
    styles = hashlib.sha256()
    for painting in paintings:
        styles.update(painting.net.onnx.read_bytes())
        styles.update(b"" if painting.vector is None else painting.vector.tobytes())
    facts = {"input": str(source.absolute()), "styles": styles.hexdigest(), "backend": description}
    if source.is_file():
        stat = source.stat()
        facts["state of the input"] = f"{stat.st_size} bytes, {stat.st_mtime_ns}"
    return facts | {name: str(value) for name, value in sorted(options.items())}


def _claim(folder: Path, facts: Mapping[str, str]) -> None:
    """Makes the folder of a job. Raises OutputError where it is that of another one."""
    file = folder / _FACTS
    if not file.exists():
        try:
            write_atomically(file, json.dumps(facts, indent=2).encode())
        except OSError as exc:
            raise OutputError(f"cannot write {folder}: {exc.strerror or exc}") from exc
        return
    try:
        before = json.loads(file.read_text())
    except ValueError:
        before = {}
    changed = sorted(key for key in {*facts, *before} if facts.get(key) != before.get(key))
    if changed:
        raise OutputError(
            f"{folder} was begun with another {', another '.join(changed)}; give the same options as then, "
            f"or begin anew with: rm -r {folder}"
        )


def _finished_parts(folder: Path) -> Iterator[Path]:
    """Yields the segments up to the first that is not there, or damaged, as after a power cut."""
    number = 0
    while (part := folder / f"{number:06}.npz").exists():
        try:
            _count_and_end(part)
            _saved_painting(part)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return
        yield part
        number += 1


def _painting_path(part: Path) -> Path:
    return part.with_suffix(".npy")


def _save_painting(part: Path, painting: Pixels) -> None:
    file = io.BytesIO()
    np.save(file, painting)
    write_atomically(_painting_path(part), file.getvalue())


def _saved_painting(part: Path) -> Pixels | None:
    path = _painting_path(part)
    return np.asarray(np.load(path), dtype=np.uint8) if path.exists() else None


def _packed(packets: Sequence[Packet], frame_count: int) -> bytes:
    """Returns the packets, in the order of decoding, as a NumPy archive."""
    file = io.BytesIO()
    np.savez(
        file,
        frame_count=frame_count,
        times=np.array([(p.pts, p.dts, p.duration or 0, int(p.is_keyframe)) for p in packets], np.int64),
        sizes=np.array([p.size for p in packets], np.int64),
        data=np.frombuffer(b"".join(bytes(p) for p in packets), np.uint8),
    )
    return file.getvalue()


def _unpacked(part: Path) -> Iterator[Packet]:
    with part.open("rb") as file, np.load(file) as archive:
        times, sizes, data = archive["times"], archive["sizes"], archive["data"]
    ends = np.cumsum(sizes)
    for (pts, dts, duration, is_keyframe), begin, end in zip(times.tolist(), ends - sizes, ends, strict=True):
        packet: Any = av.Packet(data[begin:end].tobytes())
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_keyframe)
        yield packet


def _count_and_end(part: Path) -> tuple[int, int]:
    """Returns how many frames a segment has, and the time of the last one in ticks."""
    with part.open("rb") as file, np.load(file) as archive:
        times: NDArray[np.int64] = archive["times"]
        archive["data"]  # whose checksum is verified as it is read
        return int(archive["frame_count"]), int(times[:, 0].max())
