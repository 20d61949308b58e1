"""What decides how a net is written down as a graph. Needs no onnx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Counts the changes of what graph.py writes for the same weights; an engine of an older graph is built again.
GRAPH_VERSION = 4
FRAME, STYLE, PAINTED = "frame", "style", "painted"
# In FP16 graphs pixels are counted from here: FP16 holds the distances exactly.
MIDDLE_LEVEL = 127.5

Precision = Literal["fp32", "fp16"]
# Where the mean and variance of instance norms are computed: in FP32 islands (a cast before and behind), or in the
# graph's own precision. The first convolution of an FP16 graph and its mean and variance are always in FP32.
Statistics = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class GraphOptions:
    """How a net is written down. `size` (width, height) fixes the frame; without it height and width stay free."""

    precision: Precision = "fp32"
    statistics: Statistics = "fp32"
    size: tuple[int, int] | None = None
