"""The folder beside an output that keeps the segments of a video until all of them are there."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.frames import Pixels
from realtime.media.encoders import OutputError
from realtime.media.video_encoder import Packet
from realtime.sinks.output_file import cannot_write, partial_paths, parts_folder
from styles.support.atomic_file import write_atomically
from styles.support.file_lock import LockedError, PathLock, is_locked

_FINGERPRINT_FILE = "job.json"
_OUR_FILES = re.compile(
    rf"\d{{6}}(-\d{{6}})?\.(np[yz]|json)(\.\d+\.partial)?|{re.escape(_FINGERPRINT_FILE)}.*|joined\..*"
)
# What reading a damaged archive raises.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Segment:
    """A segment on the disk.

    Args:
        path: its file.
        frame_count: how many frames are in it.
        last_pts: the time of the last one, in ticks.
        steadied: whether the next segment depends on what the stabilizer kept of the last one.
    """

    path: Path
    frame_count: int
    last_pts: int
    steadied: bool


class JobFolder:
    """The folder of a video that is painted little by little. One process uses it.

    Args:
        output: the file that the segments become.
        fingerprint: what decides how the frames look, by name.

    `path` is the folder. `notes` says what of it was damaged and is painted again.

    Raises:
        OutputError: it cannot be written, another process uses it, or it was begun with another fingerprint.
    """

    def __init__(self, output: Path, fingerprint: Mapping[str, str]) -> None:
        self.path = parts_folder(output)
        self.notes: Sequence[str] = ()
        self._lock = _locked(output, self.path)
        try:
            self._claim(fingerprint)
            self._read()
        except BaseException:
            self._lock.release()
            raise

    def _read(self) -> None:
        """Takes note of what earlier runs have left, and removes what is of no use."""

    def remove(self) -> None:
        """Removes the segments, and the folder if nobody else has put anything into it."""
        with suppress(OSError):
            for file in self.path.iterdir():
                if _OUR_FILES.fullmatch(file.name):
                    file.unlink()
            self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Lets other processes continue."""
        self._lock.release()

    def _check_there(self) -> None:
        """Raises FileNotFoundError if somebody has removed the folder."""
        if self._lock.gone:
            raise FileNotFoundError(f"{self.path} was removed, with all that was painted")

    def _claim(self, fingerprint: Mapping[str, str]) -> None:
        """Notes what the folder is for, or compares it. Raises OutputError if it is for something else."""
        file = self.path / _FINGERPRINT_FILE
        try:
            before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        except (OSError, ValueError):
            before = None
        if not isinstance(before, dict):
            if any(self.path.glob("*.np[yz]")):
                self.notes = (f"{self.path} does not say what it was painted with: it is painted again",)
            for stale in (*self.path.glob("*.np[yz]"), *self.path.glob("[0-9]*.json")):
                stale.unlink()
            try:
                write_atomically(file, json.dumps(fingerprint, indent=2).encode())
            except OSError as exc:
                raise cannot_write(self.path, exc) from exc
            return
        changed = sorted(key for key in {*fingerprint, *before} if fingerprint.get(key) != before.get(key))
        if changed:
            raise OutputError(
                f"{self.path} was begun with another {', another '.join(changed)}; give the same options as then; "
                f"to start over, type: rm -r {self.path}"
            )


class SegmentFolder(JobFolder):
    """The segments of a video that earlier runs have painted, and those of this one: one after the other."""

    def _read(self) -> None:
        self._segments = list(_whole_segments(self.path))
        self._drop_rest()
        self._painting = _read_painting(self._segments[-1].path) if self._segments else None

    @property
    def count(self) -> int:
        """The number of segments."""
        return len(self._segments)

    @property
    def done(self) -> int:
        """The number of frames in all segments."""
        return sum(segment.frame_count for segment in self._segments)

    @property
    def last_pts(self) -> int | None:
        """The time of the last frame in ticks; None if there is none."""
        return self._segments[-1].last_pts if self._segments else None

    @property
    def last_painting(self) -> Pixels | None:
        """What the stabilizer kept of the last frame of earlier runs, H x W x 3 uint8 RGB."""
        return self._painting

    def add(self, packets: Sequence[Packet], frame_count: int, painting: Pixels | None) -> None:
        """Saves a segment.

        Args:
            packets: its frames, encoded, in order of decoding.
            frame_count: their number.
            painting: what the stabilizer kept of the last one, H x W x 3 uint8 RGB.

        Raises:
            OSError: it cannot be saved, or the folder is gone.
        """
        self._check_there()
        path = _part(self.path, self.count)
        if painting is not None:
            _save_painting(path, painting)
        write_atomically(path, packed_segment(packets, frame_count, steadied=painting is not None))
        for older in self._segments[-2:-1]:
            _painting_path(older.path).unlink(missing_ok=True)
        last_pts = max(packet.pts or 0 for packet in packets)
        self._segments.append(Segment(path, frame_count, last_pts, painting is not None))

    def packets(self) -> Iterator[Packet]:
        """Yields the packets of all segments."""
        for segment in self._segments:
            yield from unpacked_segment(segment.path)

    def _drop_rest(self) -> None:
        """Removes segments that are damaged, and those that cannot be continued without them."""
        damaged = _part(self.path, self.count)
        if damaged.exists():
            # of all but the last, what the stabilizer kept is gone, and without it the next frames would be others
            while (
                self._segments and self._segments[-1].steadied and not _painting_path(self._segments[-1].path).exists()
            ):
                self._segments.pop()
            self.notes = (f"{damaged} is damaged: painting continues with frame {self.done + 1}",)
        whole = {segment.path for segment in self._segments}
        for path in (*self.path.glob("*.npz"), *self.path.glob("joined.*")):
            if path not in whole:
                path.unlink()


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


def _locked(output: Path, folder: Path) -> PathLock:
    busy = OutputError(f"cannot write {output}: another process is painting it; name another file")
    try:
        lock = PathLock(folder, is_folder=True)
    except LockedError:
        raise busy from None
    except OSError as exc:
        raise cannot_write(folder, exc) from exc
    if any(map(is_locked, partial_paths(output))):
        with suppress(OSError):  # an earlier run has left something in it
            folder.rmdir()
        lock.release()
        raise busy
    return lock


def _part(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.npz"


def _whole_segments(folder: Path) -> Iterator[Segment]:
    """Yields the segments up to the first that is missing, or damaged, e.g. by a power cut."""
    number = 0
    while (part := _part(folder, number)).exists():
        try:
            segment = _read_segment(part)
            _read_painting(part)
        except _DAMAGE:
            return
        yield segment
        number += 1


def _painting_path(part: Path) -> Path:
    return part.with_suffix(".npy")


def _save_painting(part: Path, painting: Pixels) -> None:
    file = io.BytesIO()
    np.save(file, painting)
    write_atomically(_painting_path(part), file.getvalue())


def _read_painting(part: Path) -> Pixels | None:
    path = _painting_path(part)
    return np.asarray(np.load(path), dtype=np.uint8) if path.exists() else None


def packed_segment(packets: Sequence[Packet], frame_count: int, *, steadied: bool = False) -> bytes:
    """Returns packets, in order of decoding, as a NumPy archive."""
    file = io.BytesIO()
    np.savez(
        file,
        frame_count=frame_count,
        steadied=steadied,
        times=np.array([(p.pts, p.dts, p.duration or 0, int(p.is_keyframe)) for p in packets], np.int64),
        sizes=np.array([p.size for p in packets], np.int64),
        data=np.frombuffer(b"".join(bytes(p) for p in packets), np.uint8),
    )
    return file.getvalue()


def unpacked_segment(part: Path) -> Iterator[Packet]:
    """Yields the packets of a segment."""
    with part.open("rb") as file, np.load(file) as archive:
        times, sizes, data = archive["times"], archive["sizes"], archive["data"]
    ends = np.cumsum(sizes)
    for (pts, dts, duration, is_keyframe), begin, end in zip(times.tolist(), ends - sizes, ends, strict=True):
        packet: Any = av.Packet(data[begin:end].tobytes())
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts, dts, duration, bool(is_keyframe)
        yield packet


def whole_segment(part: Path) -> Segment | None:
    """Returns what is known of a segment; None if it is missing or damaged, e.g. by a power cut."""
    try:
        return _read_segment(part)
    except _DAMAGE:
        return None


def _read_segment(part: Path) -> Segment:
    """Returns what is known of a segment. Raises one of _DAMAGE if its parts do not fit together."""
    with part.open("rb") as file, np.load(file) as archive:
        # reading them verifies their checksums
        times, sizes, data = archive["times"], archive["sizes"], archive["data"]
        count, steadied = int(archive["frame_count"]), bool(archive["steadied"])
    if times.shape != (len(sizes), 4) or sizes.sum() != data.size or (sizes < 0).any() or count < 1:
        raise ValueError(f"{part} is damaged")
    return Segment(part, count, int(times[:, 0].max()), steadied)
