"""On a real GPU, without TensorRT: pycuda's memory, streams and events, and graphs by the driver's library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from build_engines.gpus import driver_library
from build_engines.tensorrt.run import pycuda_unavailable_reason
from realtime.backends.pycuda_device import PycudaDevice
from realtime.backends.slots import SlotPainter
from realtime.frames import Pixels
from tests.gpu.conftest import need
from tests.gpu.copy_net import CopyNet

pytestmark = pytest.mark.needs_gpu
SHAPE = (720, 1280, 3)
OpenPainter = Callable[[], SlotPainter[Any, Any, Any]]


@pytest.fixture(params=["enqueued", "as a graph"])
def open_painter(request: pytest.FixtureRequest) -> Iterator[OpenPainter]:
    need("pycuda", pycuda_unavailable_reason())
    opened: list[SlotPainter[Any, Any, Any]] = []

    def open_one() -> SlotPainter[Any, Any, Any]:
        device = PycudaDevice()
        with device.current():
            net = CopyNet(device, SHAPE, driver_library() if request.param == "as a graph" else None)
        opened.append(SlotPainter(device, net, SHAPE[1], SHAPE[0]))
        return opened[-1]

    yield open_one
    for painter in opened:
        painter.close()


def frames(count: int) -> list[Pixels]:
    return list(np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8))


def test_frames_in_flight_come_back_in_order(open_painter: OpenPainter) -> None:
    painter, sent = open_painter(), frames(12)
    back = []
    for number, frame in enumerate(sent):
        if number >= painter.depth:
            back.append(painter.finish())
        painter.start(frame, None)
    back += [painter.finish() for _ in range(painter.depth)]
    assert all(np.array_equal(one, other) for one, other in zip(sent, back, strict=True))


def test_two_at_once_and_one_closed_with_frames_in_flight(open_painter: OpenPainter) -> None:
    one, other, sent = open_painter(), open_painter(), frames(3)
    for frame in sent:
        one.start(frame, None)
        other.start(255 - frame, None)
    one.close()
    for frame in sent:
        assert np.array_equal(other.finish(), 255 - frame)


def test_opening_and_closing_again_and_again_keeps_no_memory(open_painter: OpenPainter) -> None:
    import pycuda.driver  # type: ignore[import-not-found, unused-ignore]

    device, free = PycudaDevice(), []
    for _ in range(5):
        open_painter().close()
        with device.current():
            free.append(pycuda.driver.mem_get_info()[0])
    device.close()
    assert free[1] - free[-1] < 16 * 2**20
