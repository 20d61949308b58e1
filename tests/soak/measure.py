"""What a show holds while it runs, and how well what it wrote keeps together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import av
import numpy as np
from numpy.typing import NDArray

from realtime.audio.feed import SAMPLE_RATE, AudioDecoder
from tests.soak.world import CLAP_EVERY_S

_MB = 1_000_000


@dataclass(frozen=True)
class Usage:
    """What a process and its children hold: resident memory in MB, threads, open files."""

    memory_mb: float
    threads: int
    files: int

    @classmethod
    def of(cls, process: int) -> Usage:
        memory, threads, files = 0.0, 0, 0
        for each in family(process):
            status = Path(f"/proc/{each}/status").read_text()
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            memory += 1024 * int(fields["VmRSS"].split()[0]) / _MB
            threads += int(fields["Threads"])
            files += len(os.listdir(f"/proc/{each}/fd"))  # noqa: PTH208
        return cls(memory, threads, files)

    @classmethod
    def typical(cls, usages: Sequence[Usage]) -> Usage:
        """Returns the medians: while a camera or a server is away, there is a process or a file more or less."""
        return cls(
            median(each.memory_mb for each in usages),
            int(median(each.threads for each in usages)),
            int(median(each.files for each in usages)),
        )

    @classmethod
    def with_all(cls, usages: Sequence[Usage]) -> Usage:
        """Returns the typical memory, and the most threads and files: those with camera and server there."""
        typical = cls.typical(usages)
        return cls(typical.memory_mb, max(each.threads for each in usages), max(each.files for each in usages))

    def __str__(self) -> str:
        return f"{self.memory_mb:.1f} MB, {self.threads} threads, {self.files} files"


def family(process: int) -> list[int]:
    """Returns a process and all processes below it."""
    found = [process]
    for each in found:
        children = Path(f"/proc/{each}/task/{each}/children")
        found += [int(child) for child in children.read_text().split()] if children.exists() else []
    return found


@dataclass(frozen=True)
class Pace:
    """Frames per second and latency in milliseconds over some time."""

    fps: float
    latency_ms: float

    def __str__(self) -> str:
        return f"{self.fps:.2f} fps, {self.latency_ms:.0f} ms"


def pace(diary: Path, begins_s: float, ends_s: float) -> Pace:
    """Returns the pace between two times of the steady clock, in seconds."""
    lines = [json.loads(line) for line in diary.read_text().splitlines() if line.endswith("}")]
    seconds = [each for each in lines if begins_s <= each["at_s"] < ends_s]
    frames = sum(each["frames"] for each in seconds)
    late_s = sum(each["frames"] * each["late_s"] for each in seconds)
    return Pace(frames / max(1e-9, ends_s - begins_s), 1000 * late_s / max(1, frames))


@dataclass(frozen=True)
class Playback:
    """What a player makes of a file: seconds of video and audio, and by how much sound is later than picture, in ms.

    Args:
        video_s: the time of the last frame.
        audio_s: the time of the last sample.
        begin_ms: how much later beeps are than flashes in the first minute; None if none were found.
        end_ms: the same in the last minute.
    """

    video_s: float
    audio_s: float
    begin_ms: float | None
    end_ms: float | None


def play(path: Path, window_s: float = 60.0) -> Playback:
    """Plays a file to its end. Raises av.error.FFmpegError if it is damaged.

    Args:
        path: the file.
        window_s: how much of its beginning and of its end is compared.
    """
    times, lights, sounds = [], [], []
    decoder = AudioDecoder()
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            times.append(float(frame.time or 0))
            lights.append(float(frame.to_ndarray(format="gray").mean()))
    with av.open(str(path)) as container:
        for sound in container.decode(container.streams.audio[0]):
            chunks = decoder.chunks(sound)
            sounds += [(each.at_s, float(np.abs(each.samples).max()), each.samples.shape[1]) for each in chunks]
    flashes = onsets(np.array(times), np.array(lights))
    beeps = onsets(np.array([at_s for at_s, _, _ in sounds]), np.array([peak for _, peak, _ in sounds]), 0.2)
    audio_s = sounds[-1][0] + sounds[-1][2] / SAMPLE_RATE if sounds else 0.0
    last_s = times[-1]
    return Playback(
        last_s, audio_s, shift_ms(flashes, beeps, 0, window_s), shift_ms(flashes, beeps, last_s - window_s, last_s)
    )


def onsets(
    times: NDArray[np.float64], values: NDArray[np.float64], threshold: float | None = None
) -> NDArray[np.float64]:
    """Returns when something begins that differs from the usual: by more than `threshold`, or by most of the range."""
    if not len(values):
        return np.array([])
    away = np.abs(values - np.median(values))
    on = away > (0.6 * np.percentile(away, 99.5) if threshold is None else threshold)
    return times[1:][on[1:] & ~on[:-1]]


def shift_ms(flashes: NDArray[np.float64], beeps: NDArray[np.float64], begins_s: float, ends_s: float) -> float | None:
    """Returns the median of how much later beeps are than the flashes nearest to them; None if there are too few."""
    within = [at_s for at_s in flashes if begins_s <= at_s < ends_s]
    shifts = [
        nearest for at_s in within if len(beeps) and abs(nearest := min(beeps - at_s, key=abs)) < CLAP_EVERY_S / 4
    ]
    return 1000 * float(np.median(shifts)) if len(shifts) >= 3 else None
