"""Small video files for the tests, and what is in them: written and read with PyAV alone, not with the code tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from realtime.frames import Pixels

NTSC = Fraction(30000, 1001)
SIZE = (64, 48)
_DARKEST, _STEP = 20, 5

Draw = Callable[[int, tuple[int, int]], Pixels]


def numbered(index: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Returns a grey frame from which its number, modulo 40, can be read even after compression."""
    return np.full((size[1], size[0], 3), _DARKEST + _STEP * (index % 40), np.uint8)


def number_of(pixels: Pixels) -> int:
    """Returns the number of a `numbered` frame."""
    # PyAV's own conversion to RGB, with which `read_clip` reads, rounds down a little
    return round((float(pixels.mean()) + 0.75 - _DARKEST) / _STEP)


def colourful(index: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Returns a smooth frame with many colors, which moves to the left from one index to the next."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    phase = 2 * np.pi * (columns + 2 * index) / size[0]
    red, green = 128 + 110 * np.sin(phase), 128 + 110 * np.cos(phase / 2 + rows / 9)
    return np.stack([red, green, 255 * rows / size[1]], axis=2).astype(np.uint8)


def noisy(index: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Returns a frame that no encoder can compress well."""
    return np.random.default_rng(index).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def write_clip(
    path: Path,
    count: int = 12,
    *,
    size: tuple[int, int] = SIZE,
    rate: Fraction = NTSC,
    draw: Draw = numbered,
    ticks: Sequence[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    codec_options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
) -> Path:
    """Writes a clip of `count` frames, the k-th at k / rate or, if given, at ticks[k] / rate; returns its path."""
    with av.open(str(path), "w", options=dict(container_options or {})) as container:
        stream: Any = container.add_stream(codec, rate=rate, options=dict(codec_options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.codec_context.time_base = 1 / rate
        for index in range(count):
            picture = av.VideoFrame.from_ndarray(draw(index, size), format="rgb24").reformat(format=pixel_format)
            picture.pts, picture.time_base = (ticks[index] if ticks else index), 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Writes a file with audio and no video; returns its path."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return path


def cut_off(path: Path, share: float) -> Path:
    """Writes the first `share` of a file beside it, like a download that stopped; returns the new path."""
    whole = path.read_bytes()
    cut = path.with_stem(f"cut_{path.stem}")
    cut.write_bytes(whole[: int(len(whole) * share)])
    return cut


def top_boxes(path: Path) -> list[bytes]:
    """Returns the kinds of the outermost boxes of an MP4 file; `moof` begins a fragment."""
    data, boxes, position = path.read_bytes(), [], 0
    while position < len(data):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        boxes.append(kind)
        position += size or len(data)
    return boxes


@dataclass(frozen=True)
class Clip:
    """What a player finds in a file."""

    codec: str
    pixel_format: str
    size: tuple[int, int]
    rate: Fraction
    times: Sequence[Fraction]
    pictures: Sequence[Pixels]

    @property
    def numbers(self) -> list[int]:
        return [number_of(picture) for picture in self.pictures]


def read_clip(path: Path) -> Clip:
    """Returns all that a file shows, up to the end of one that is cut off."""
    times, pictures = [], []
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        context = stream.codec_context
        try:
            for picture in container.decode(stream):
                times.append(picture.pts * picture.time_base)
                pictures.append(picture.to_ndarray(format="rgb24"))
        except av.error.InvalidDataError:
            assert pictures, f"nothing in {path} plays"
        size = (context.width, context.height)
        return Clip(context.name, context.pix_fmt, size, stream.average_rate, times, pictures)
