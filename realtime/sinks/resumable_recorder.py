"""A video file that is painted in segments: an interrupted run keeps what it has done, and the next one continues.

Every few seconds the encoder starts again, and its packets go into a folder beside the output. When all frames are
painted, the segments are joined into the output, packet by packet. So a run that was interrupted, once or ten times,
ends in the same file as one that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from realtime.frames import ClipRange, Frame, Pixels
from realtime.media.encoders import CONTAINERS, Encoding, OutputError, encoder_for
from realtime.media.video_encoder import Packet, VideoTrack
from realtime.sinks.recorder import FileRecorder, RecordingError, open_video_encoder
from styles.support.atomic_file import write_atomically

# A segment lasts two groups of pictures, but of large frames no more than fit into memory once encoded.
_SEGMENT_S = 4
_SEGMENT_PIXELS = 250_000_000
_FEWEST_FRAMES = 8
_FINGERPRINT_FILE = "job.json"


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
    audio was damaged, once the output is whole.

    Raises:
        OutputError: the file cannot be written, or an earlier run had another fingerprint.
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
        self.path, self._partial = path, path.with_stem(f"{path.stem}.partial")
        self._track, self._copy_from = track, copy_from
        self._encoding = replace(encoding, repeatable=True)
        fitting = _SEGMENT_PIXELS // (track.size[0] * track.size[1])
        self._length = max(_FEWEST_FRAMES, min(round(_SEGMENT_S * track.rate), fitting))
        self.folder = path.with_name(f"{path.name}.parts")
        _claim(self.folder, {**fingerprint, "frames in a segment": str(self._length)})
        self._parts = list(_finished_parts(self.folder))
        counts_and_ends = [_count_and_end(part) for part in self._parts]
        self.done = sum(count for count, _ in counts_and_ends)
        self._last_pts = counts_and_ends[-1][1] if counts_and_ends else None
        self.last_painting = _saved_painting(self._parts[-1]) if self._parts else None
        self._paintings: dict[int, Pixels | None] = {}
        self._segment: _Segment | None = None
        self._audio_to_its_end = False
        self.damage: Sequence[str] = ()
        with self._recorder() as recorder:  # thrown away: it reports now, and not in hours, what cannot be written
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
        """Adds a frame; a segment that is full is saved at once.

        Args:
            pixels: H x W x 3 uint8 RGB.
            frame: the frame that they were painted from, which has their time.

        Raises:
            RecordingError: the segment cannot be saved.
        """
        if self._segment is None:
            self._segment = _Segment(self._partial, self._track, self._encoding, self._last_pts)
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

    def finish_audio(self) -> None:
        """Has audio copied to its own end, for a source that was painted to its end."""
        self._audio_to_its_end = True

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
                f"{self.folder}; run the same command again to continue"
            ) from exc
        for older in self._parts[-2:-1]:
            _painting_path(older).unlink(missing_ok=True)
        self._parts.append(part)
        self._last_pts = segment.last_pts

    def _join(self) -> None:
        """Copies the packets of all segments, and the audio, into the output, which gets its name when it is whole."""
        last_dts: int | None = None
        with self._recorder() as recorder:
            for packet in (packet for part in self._parts for packet in _unpacked(part)):
                # if the time between frames varies, an encoder that starts again may reach back a little
                if last_dts is not None and packet.dts is not None:
                    packet.dts = max(packet.dts, last_dts + 1)
                last_dts = packet.dts
                packet.time_base = self._track.time_base
                recorder.append(packet)
            if self._audio_to_its_end:
                recorder.finish_audio()
            self.damage = recorder.damage
        if self._parts:
            self._partial.replace(self.path)

    def _recorder(self) -> FileRecorder:
        return FileRecorder(self._partial, self._track, encoding=self._encoding, copy_from=self._copy_from)


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


def fingerprint_of(
    source: Path, styles: Iterable[bytes], backend: str, options: Mapping[str, object]
) -> Mapping[str, str]:
    """Returns what decides how a job's frames look, by name.

    Args:
        source: the input.
        styles: the data of all styles: nets and style vectors.
        backend: what paints them.
        options: the options on which frames depend, by name.
    """
    digest = hashlib.sha256()
    for data in styles:
        digest.update(data)
    fingerprint = {"input": str(source.absolute()), "styles": digest.hexdigest(), "backend": backend}
    if source.is_file():
        stat = source.stat()
        fingerprint["state of the input"] = f"{stat.st_size} bytes, {stat.st_mtime_ns}"
    return fingerprint | {name: str(value) for name, value in sorted(options.items())}


def _claim(folder: Path, fingerprint: Mapping[str, str]) -> None:
    """Makes the folder of a job. Raises OutputError if it belongs to another one."""
    file = folder / _FINGERPRINT_FILE
    if not file.exists():
        try:
            write_atomically(file, json.dumps(fingerprint, indent=2).encode())
        except OSError as exc:
            raise OutputError(f"cannot write {folder}: {exc.strerror or exc}") from exc
        return
    try:
        before = json.loads(file.read_text())
    except ValueError:
        before = {}
    changed = sorted(key for key in {*fingerprint, *before} if fingerprint.get(key) != before.get(key))
    if changed:
        raise OutputError(
            f"{folder} was begun with another {', another '.join(changed)}; give the same options as then; "
            f"to start over, type: rm -r {folder}"
        )


def _finished_parts(folder: Path) -> Iterator[Path]:
    """Yields the segments up to the first that is missing, or damaged, e.g. by a power cut."""
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
    """Returns packets, in order of decoding, as a NumPy archive."""
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
    """Yields the packets of a segment."""
    with part.open("rb") as file, np.load(file) as archive:
        times, sizes, data = archive["times"], archive["sizes"], archive["data"]
    ends = np.cumsum(sizes)
    for (pts, dts, duration, is_keyframe), begin, end in zip(times.tolist(), ends - sizes, ends, strict=True):
        packet: Any = av.Packet(data[begin:end].tobytes())
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_keyframe)
        yield packet


def _count_and_end(part: Path) -> tuple[int, int]:
    """Returns the number of frames in a segment, and the time of the last one in ticks."""
    with part.open("rb") as file, np.load(file) as archive:
        times: NDArray[np.int64] = archive["times"]
        archive["data"]  # reading it verifies its checksum
        return int(archive["frame_count"]), int(times[:, 0].max())
