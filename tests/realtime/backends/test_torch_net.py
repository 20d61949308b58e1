"""How the PyTorch backend gets faster while it paints, on the processor: `torch.cuda` is a stand-in that works at once.

What CUDA makes of it is in tests/gpu.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from build_engines.onnx.pixel_net import pixel_net_from_weights
from build_engines.quality import psnr_db, sample_frames
from realtime.backends import Blend, pytorch
from realtime.backends.fused_net import FusedNet
from realtime.backends.pytorch import TorchBlend, TorchDevice, TorchNet
from realtime.backends.slots import SlotPainter
from realtime.frames import Pixels
from styles.registry import network_path

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here: tests/gpu measures it")
WIDTH, HEIGHT = 96, 32
WEIGHTS = network_path("fast")
OpenPainter = Callable[..., "SlotPainter[Any, Any, Any]"]


class StandInQueue:
    """A stream or an event: by the time that anybody asks, everything is done."""

    def __init__(self, priority: int = 0) -> None: ...
    def synchronize(self) -> None: ...
    def record(self, stream: StandInQueue) -> None: ...
    def wait_event(self, event: StandInQueue) -> None: ...


class StandInCuda:
    """The part of `torch.cuda` that the backend uses, but for graphs."""

    Stream = Event = StandInQueue

    def get_device_name(self) -> str:
        return "stand-in"

    def graph_pool_handle(self) -> int:
        return 0

    def is_available(self) -> bool:
        return False

    @contextlib.contextmanager
    def device(self, number: int) -> Iterator[None]:
        yield

    stream = device


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Puts the stand-in in the place of CUDA; returns the threads in which works are recorded."""
    threads: list[str] = []

    def record(_worker: object, work: Callable[[], object]) -> Callable[[], object]:
        threads.append(threading.current_thread().name)
        return work

    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "cuda", StandInCuda())
    for kind, name in ((torch.Tensor, "cuda"), (torch.Tensor, "pin_memory"), (torch.nn.Module, "cuda")):
        monkeypatch.setattr(kind, name, lambda self: self)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: self.clone())
    monkeypatch.setattr(pytorch._Worker, "recorded", record)
    return threads


@pytest.fixture
def open_painter(recorded: list[str]) -> Iterator[OpenPainter]:
    opened: list[SlotPainter[Any, Any, Any]] = []

    def open_one(**options: bool) -> SlotPainter[Any, Any, Any]:
        device = TorchDevice()
        opened.append(SlotPainter(device, TorchNet(WEIGHTS, **options), WIDTH, HEIGHT, blend=TorchBlend()))
        recorded.clear()
        return opened[-1]

    yield open_one
    for painter in opened:
        painter.close()


def style() -> Any:
    return pixel_net_from_weights(WEIGHTS).net.plain_style().numpy()


def exact(frame: Pixels) -> Pixels:
    with torch.inference_mode():
        pixels: Pixels = pixel_net_from_weights(WEIGHTS)(torch.from_numpy(frame)[None], torch.from_numpy(style()))[0]
    return np.asarray(pixels)


def paint(painter: SlotPainter[Any, Any, Any], frame: Pixels) -> Pixels:
    painter.start(frame, style())
    return painter.finish()


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Has the fused net paint as the net does, without Triton; returns what it painted, by thread."""
    threads: list[str] = []

    def paint_plainly(fused: Any, frame: torch.Tensor, vector: torch.Tensor | None, painted: torch.Tensor) -> None:
        threads.append(threading.current_thread().name)
        painted.copy_(fused(frame[None], vector)[0])

    monkeypatch.setattr("realtime.backends.fused_net.FusedNet", lambda net, stopped: _Fused(net, paint_plainly))
    return threads


class _Fused:
    def __init__(self, net: Any, work: Callable[..., None]) -> None:
        self._net, self._work = net, work

    def paint(self, frame: torch.Tensor, vector: torch.Tensor | None, painted: torch.Tensor) -> None:
        self._work(self._net, frame, vector, painted)


def test_the_first_frame_waits_for_nothing_and_later_ones_are_fused(
    open_painter: OpenPainter, recorded: list[str], untouched: list[str]
) -> None:
    painter, frame = open_painter(), sample_frames(WIDTH, HEIGHT)[0]
    assert recorded == untouched == [], "nothing is compiled or recorded before the first frame"
    assert psnr_db(paint(painter, frame), exact(frame)) > 40
    painter.settle()
    assert recorded == ["graphs and kernels"] * painter.depth
    assert painter.description == "pytorch cuda f16, stand-in, fused"
    compiled = len(untouched)
    assert psnr_db(paint(painter, frame), exact(frame)) > 40
    assert untouched[compiled:] == ["MainThread"]


def test_frames_in_flight_stay_apart_while_it_gets_faster(open_painter: OpenPainter, untouched: list[str]) -> None:
    painter, frames = open_painter(), sample_frames(WIDTH, HEIGHT)
    results = []
    for number, frame in enumerate(frames):
        if number >= painter.depth:
            results.append(painter.finish())
        painter.start(frame, style())
        if number == 3:
            painter.settle()
    results += [painter.finish() for _ in range(painter.depth)]
    assert all(psnr_db(one, exact(frame)) > 40 for one, frame in zip(results, frames, strict=True))


def test_a_fused_net_that_paints_something_else_is_not_used(
    open_painter: OpenPainter, recorded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def paint_nothing(net: Any, frame: torch.Tensor, vector: Any, painted: torch.Tensor) -> None:
        painted.zero_()

    monkeypatch.setattr("realtime.backends.fused_net.FusedNet", lambda net, stopped: _Fused(net, paint_nothing))
    painter, frame = open_painter(), sample_frames(WIDTH, HEIGHT)[0]
    painter.settle()
    assert "(not fused: it paints something else, " in painter.description
    assert recorded == ["graphs and kernels"] * painter.depth, "the net itself is recorded"
    assert psnr_db(paint(painter, frame), exact(frame)) > 40


def test_without_triton_the_net_is_recorded_as_it_is(
    open_painter: OpenPainter, recorded: list[str], missing: Callable[[str], None]
) -> None:
    missing("triton")
    missing("realtime.backends.triton_kernels")
    painter, frame = open_painter(), sample_frames(WIDTH, HEIGHT)[0]
    painter.settle()
    assert "(not fused: " in painter.description
    assert len(recorded) == painter.depth
    assert psnr_db(paint(painter, frame), exact(frame)) > 40


def test_where_no_graph_can_be_recorded_it_paints_call_by_call_and_says_so(
    open_painter: OpenPainter, untouched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    painter, frame = open_painter(), sample_frames(WIDTH, HEIGHT)[0]

    def refuse(_worker: object, work: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(pytorch._Worker, "recorded", refuse)
    painter.settle()
    assert painter.description.endswith("(no CUDA graph: operation not permitted when stream is capturing)")
    assert psnr_db(paint(painter, frame), exact(frame)) > 40


def test_closing_stops_what_is_still_being_compiled(
    open_painter: OpenPainter, recorded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def compile_until(net: Any, stopped: Callable[[], bool]) -> FusedNet:
        begun.set()
        while not stopped():
            threading.Event().wait(0.01)
        raise RuntimeError("stopped")

    monkeypatch.setattr("realtime.backends.fused_net.FusedNet", compile_until)
    painter = open_painter()
    paint(painter, sample_frames(WIDTH, HEIGHT)[0])
    assert begun.wait(30)
    painter.close()
    assert recorded == []


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_paintings_are_blended_by_torch_as_by_the_graph(open_painter: OpenPainter, untouched: list[str]) -> None:
    import onnxruntime

    from build_engines.onnx.options import BLEND_GRAPH

    painter, (first, second) = open_painter(), sample_frames(WIDTH, HEIGHT)[:2]
    assert painter.blender is not None
    blend = Blend(np.full((2, HEIGHT, WIDTH), 1.5, np.float32), np.zeros((HEIGHT, WIDTH), np.uint8), 0.7)
    shown = []
    for frame, how in ((first, None), (second, blend)):
        painter.start(frame, style())
        shown.append(painter.blender.finish(how))
    plain = [paint(painter, frame) for frame in (first, second)]
    np.testing.assert_array_equal(shown[0], plain[0])
    session = onnxruntime.InferenceSession(str(BLEND_GRAPH), providers=["CPUExecutionProvider"])
    inputs = {"last": plain[0][None], "painted": plain[1][None], "flow": blend.flow[None], "new": blend.new[None]}
    wanted = session.run(["shown"], {**inputs, "kept": np.array([blend.kept], np.float32)})[0][0]
    assert psnr_db(shown[1], wanted) > 50
