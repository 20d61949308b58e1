"""What is known to break the contract today. Whoever mends a kind deletes its row; its examples stay."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.contract import Known

KNOWN: Sequence[Known] = (
    Known(
        "unclear complaint", "", r"stopped after \d+ frames: Invalid argument", "times that step back end the output"
    ),
    Known("unclear complaint", "", r"does not start here \(", "an encoder refuses the size, and the encoder is blamed"),
    Known("unclear complaint", "", "has no attribute 'name'", "a track of an unknown codec ends the start"),
    Known("unclear complaint", "flv", "list index out of range", "a track that appears later ends the file"),
    Known("unclear complaint", "", "too large to convert to int", "a frame rate beyond 31 bits"),
    Known("hang", "ts", "", "--fps fills a leap of the clock with hours of one frame", always=False),
    Known("frames", "3gp", "10 reported, 1 decoded", "frames are written that a player does not show"),
    Known("unclear complaint", "avif", "Failed to decode frame", "a damaged AVIF"),
    Known("noise", "style", "infer_request", "a graph with the wrong ends is found out in mid-show"),
    Known("unclear complaint", "style", "infer_request", "a graph with the wrong ends is found out in mid-show"),
    Known("unclear complaint", "style", "ONNXRuntimeError", "a graph with wrong shapes is found out in mid-show"),
    Known("control characters", "style", "onnxruntime", "ONNX Runtime prints in colour by itself"),
    Known("unclear complaint", "style", "no net called ''", "a style that names no net"),
)

# Seed and index of cases that broke the contract once; they run with every test.
EXAMPLES: Sequence[tuple[int, int]] = (
    (1, 165),
    (1, 179),
    (1, 180),
    (4, 68),
    (4, 107),
    (4, 142),
    (4, 187),
    (4, 351),
    (4, 415),
    (4, 810),
    (4, 1375),
    (5, 2011),
    (5, 2561),
    (5, 3243),
)
