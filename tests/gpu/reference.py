"""What FP32 PyTorch paints on the processor, computed once for all that is compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from build_engines.quality import fp32_reference, sample_frames
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends import Vector
from realtime.frames import Pixels


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame, a style by name and vector, and the exact painting."""

    frame: Pixels
    style: str
    vector: Vector | None
    exact: Pixels


@cache
def samples(weights: Path, size: tuple[int, int]) -> Sequence[Sample]:
    """Returns every drawn frame of a size in every style of a net, the frames of a style one after the other."""
    _, paint = fp32_reference(weights)
    return [
        Sample(frame, name, vector, paint(frame, vector))
        for name, vector in styles_of(BuildSource(weights.stem, weights)).items()
        for frame in sample_frames(*size)
    ]
