"""On a real GPU: our two CUDA backends paint what FP32 PyTorch paints, in every style, at odd sizes, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from build_engines.doctor import no_tensorrt_reason
from build_engines.onnx.options import Statistics
from build_engines.quality import FLOOR_DB, psnr_db, sample_frames
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends import Backend, Net
from realtime.backends.slots import SlotPainter
from realtime.frames import Frame, Pixels
from realtime.sources.scene import Scene
from realtime.stylize.styles import load_styles
from realtime.stylize.stylizer import FrameStylizer, Look
from styles.registry import list_networks
from tests.gpu.conftest import need
from tests.gpu.contestants import built_engine, pytorch_painter, tensorrt_painter
from tests.gpu.reference import samples

pytestmark = pytest.mark.needs_gpu
SIZES = [(328, 248), (648, 360), (640, 480)]
OpenPainter = Callable[[Path, tuple[int, int]], "SlotPainter[Any, Any, Any]"]


@pytest.fixture(params=["pytorch", "pytorch fused", "tensorrt fp32", "tensorrt fp16"])
def open_painter(request: pytest.FixtureRequest, engines: Path) -> Iterator[OpenPainter]:
    """Returns `open_painter(weights, size)` for each CUDA backend, and closes what was opened."""
    name: str = request.param
    if name.startswith("tensorrt"):
        need("tensorrt", no_tensorrt_reason())
    opened: list[SlotPainter[Any, Any, Any]] = []

    def open_one(weights: Path, size: tuple[int, int]) -> SlotPainter[Any, Any, Any]:
        statistics: Statistics = "fp16" if name.endswith("fp16") else "fp32"
        if name.startswith("pytorch"):
            opened.append(pytorch_painter(weights, size, fuses=name.endswith("fused")))
            assert name == "pytorch" or opened[-1]._net.description.endswith(", fused"), opened[-1]._net.description
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
    wanted, painter = samples(weights, size), open_painter(weights, size)
    results = []
    for number, sample in enumerate(wanted):  # the style changes while earlier frames are in flight
        if number >= painter.depth:
            results.append(painter.finish())
        painter.start(sample.frame, sample.vector)
    results += [painter.finish() for _ in range(min(painter.depth, len(wanted)))]
    for sample, painted in zip(wanted, results, strict=True):
        assert psnr_db(painted, sample.exact) >= FLOOR_DB, sample.style


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


@pytest.mark.parametrize("size", [(328, 248), (1280, 720)])
def test_paintings_are_blended_on_the_gpu_as_in_opencv(size: tuple[int, int], open_painter: OpenPainter) -> None:
    scene = Scene(*size)
    # with a cut to another moment
    frames = [scene.draw(index) for index in (*range(6), *range(200, 206))]

    def open_one(net: Net, width: int, height: int, *, blends: bool) -> SlotPainter[Any, Any, Any]:
        assert net.weights is not None
        painter = open_painter(net.weights, (width, height))
        assert painter.blender is not None
        if not blends:
            painter.blender = None
        return painter

    backends = [Backend("gpu", lambda: None, partial(open_one, blends=blends)) for blends in (True, False)]
    on_gpu, in_opencv = (list(steadied(frames, backend)) for backend in backends)
    assert min(psnr_db(one, other) for one, other in zip(on_gpu, in_opencv, strict=True)) >= FLOOR_DB


def steadied(frames: Sequence[Pixels], backend: Backend) -> Iterator[Pixels]:
    """Yields the frames painted and stabilized, the last three of them in another style."""
    styles, _ = load_styles("wave", "full")
    with FrameStylizer(backend, Look(steadiness=0.8)) as stylizer:
        for index, pixels in enumerate(frames):
            stylizer.start(Frame(pixels, index, 0.0), styles[index >= len(frames) - 3])
            if stylizer.in_flight == stylizer.depth:
                yield stylizer.finish().pixels
        for painted in stylizer.drain():
            yield painted.pixels
