"""The options of a net's ONNX graph. Needs no onnx."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Increase this when graph.py writes another graph for the same weights: engines of older graphs are built again.
GRAPH_VERSION = 4
FRAME, STYLE, PAINTED = "frame", "style", "painted"
# The input of the graph of a style encoder. Its outputs are called like the nets.
PICTURE = "picture"
# Metadata: the checksum of the weights that a graph was written from, and of the nets that its heads belong to.
WEIGHTS_SHA256, HEADS = "weights_sha256", "heads"
# FP16 graphs subtract this from the pixels: FP16 holds the differences exactly.
MIDDLE_LEVEL = 127.5

Precision = Literal["fp32", "fp16"]
# The precision of the mean and variance of instance norms: FP32 (with a cast before and after), or the graph's own.
# The first convolution of an FP16 graph, with its mean and variance, is always in FP32.
Statistics = Literal["fp32", "fp16"]
# The blend of paintings, as blend_graph.py writes it: it comes with the package, so that onnx is not needed to use it.
BLEND_GRAPH = Path(__file__).with_name("blend.onnx")


@dataclass(frozen=True)
class GraphOptions:
    """How a net is written as a graph. `size` (width, height) fixes the frame size; without it both stay free."""

    precision: Precision = "fp32"
    statistics: Statistics = "fp32"
    size: tuple[int, int] | None = None
