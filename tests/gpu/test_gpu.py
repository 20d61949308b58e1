"""On a real GPU: our two CUDA backends paint what FP32 PyTorch paints, in every style, at odd sizes, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from build_engines.doctor import no_tensorrt_reason
from build_engines.onnx.options import Statistics
from build_engines.quality import FLOOR_DB, fp32_reference, psnr_db, sample_frames
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends import Painter
from styles.registry import list_networks
from tests.gpu.conftest import need
from tests.gpu.contestants import built_engine, pytorch_painter, tensorrt_painter

pytestmark = pytest.mark.needs_gpu
SIZES = [(328, 248), (648, 360), (640, 480)]
OpenPainter = Callable[[Path, tuple[int, int]], Painter]


@pytest.fixture(params=["pytorch", "tensorrt fp32", "tensorrt fp16"])
def open_painter(request: pytest.FixtureRequest, engines: Path) -> Iterator[OpenPainter]:
    """Returns `open_painter(weights, size)` for each CUDA backend, and closes what was opened."""
    name: str = request.param
    if name.startswith("tensorrt"):
        need("tensorrt", no_tensorrt_reason())
    opened: list[Painter] = []

    def open_one(weights: Path, size: tuple[int, int]) -> Painter:
        statistics: Statistics = "fp16" if name.endswith("fp16") else "fp32"
        if name == "pytorch":
            opened.append(pytorch_painter(weights, size))
        else:
            opened.append(tensorrt_painter(*built_engine(weights, size, engines, statistics)))
        return opened[-1]

    yield open_one
    for painter in opened:
        painter.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("net", sorted(list_networks()))
def test_frames_in_flight_are_those_of_fp32_pytorch_each_in_its_style(
    net: str, size: tuple[int, int], open_painter: OpenPainter
) -> None:
    weights = list_networks()[net]
    exact, painter = fp32_reference(weights)[1], open_painter(weights, size)
    jobs = [
        (frame, vector) for vector in styles_of(BuildSource(net, weights)).values() for frame in sample_frames(*size)
    ]
    results = []
    for number, (frame, vector) in enumerate(jobs):  # the style changes while earlier frames are in flight
        if number >= painter.depth:
            results.append(painter.finish())
        painter.start(frame, vector)
    results += [painter.finish() for _ in range(min(painter.depth, len(jobs)))]
    for (frame, vector), painted in zip(jobs, results, strict=True):
        assert psnr_db(painted, exact(frame, vector)) >= FLOOR_DB


def test_two_nets_at_once_do_not_disturb_each_other(open_painter: OpenPainter) -> None:
    weights = next(iter(list_networks().values()))
    style = next(iter(styles_of(BuildSource(weights.stem, weights)).values()))
    small, large = (320, 240), (1280, 720)
    frames = {size: sample_frames(*size)[0] for size in (small, large)}
    alone = {}
    for size in (small, large):
        painter = open_painter(weights, size)
        painter.start(frames[size], style)
        alone[size] = painter.finish()
    together = {size: open_painter(weights, size) for size in (small, large)}
    for _ in range(3):
        for size, painter in together.items():
            painter.start(frames[size], style)
    for _ in range(3):
        for size, painter in together.items():
            np.testing.assert_array_equal(painter.finish(), alone[size])


def test_opening_and_closing_again_and_again_keeps_no_memory(open_painter: OpenPainter) -> None:
    torch = pytest.importorskip("torch")
    weights = next(iter(list_networks().values()))
    open_painter(weights, (640, 480)).close()
    torch.cuda.empty_cache()
    free_before = torch.cuda.mem_get_info()[0]
    for _ in range(5):
        open_painter(weights, (640, 480)).close()
    torch.cuda.empty_cache()
    assert free_before - torch.cuda.mem_get_info()[0] < 64 * 2**20
