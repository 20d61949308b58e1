"""The TensorRT backend keeps frames in order and apart, on a stand-in for the GPU that is as strict as CUDA.

What a real GPU makes of it is in tests/gpu.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from build_engines.gpus import Gpu, no_gpu_reason
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.engines import BuildTarget, plan_blend
from build_engines.tensorrt.variants import Variant
from realtime.backends import BackendUnavailableError, Blend, Blender, Net, Vector, tensorrt
from realtime.backends.cuda_graph import CudaGraph, CudaGraphError
from realtime.backends.pycuda_device import PycudaDevice, PycudaDriver, PycudaEvent, PycudaMemory, PycudaStream
from realtime.backends.slots import SlotPainter
from realtime.backends.tensorrt_nets import TensorRTBlend, TensorRTNet
from realtime.frames import Pixels
from tests.conftest import ROOT
from tests.gpu.copy_net import CopyNet
from tests.realtime.cuda_stand_in import BLENDING, StandInGpu, StandInLibcuda, StandInStream, StandInTensorRT

WIDTH, HEIGHT = 6, 4
SPEC = EngineSpec("fast", "a" * 64, 1, WIDTH, HEIGHT, "fp16", "fp32", "tensorrt", "11.4", "sm90", "stand-in")
LoadedStyle = SlotPainter[PycudaMemory, PycudaStream, PycudaEvent]
OpenPainter = Callable[..., "LoadedStyle"]


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> StandInGpu:
    return StandInGpu(seed=getattr(request, "param", 0))


@pytest.fixture
def libcuda(gpu: StandInGpu) -> StandInLibcuda:
    return StandInLibcuda(gpu)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredEngine:
    monkeypatch.setattr("build_engines.tensorrt.run.first_gpu", lambda: None)
    cache = EngineCache(tmp_path)
    cache.store(SPEC, b"engine", {})
    return cache.find(SPEC)


def stored_blend(folder: Path) -> StoredEngine:
    """Returns the engine that blends, in a folder."""
    spec = replace(SPEC, network="stabilizer")
    EngineCache(folder).store(spec, BLENDING, {})
    return EngineCache(folder).find(spec)


def stand_in_painter(trt: StandInTensorRT, stored: StoredEngine, depth: int = 3, blends: bool = False) -> LoadedStyle:
    driver: PycudaDriver = trt.gpu  # the stand-in fits the protocol: mypy checks it
    device = PycudaDevice(driver)
    with device.current():
        variant = Variant("tensorrt", "11.4", trt)
        net = TensorRTNet(device, stored, variant)
        blend = TensorRTBlend(device, stored_blend(stored.path.parent), variant) if blends else None
    return SlotPainter(device, net, WIDTH, HEIGHT, depth, blend=blend)


@pytest.fixture
def open_painter(
    gpu: StandInGpu, libcuda: StandInLibcuda, stored: StoredEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenPainter]:
    """Returns `open_painter(trt)`, which paints with an engine on the stand-in; closes what was opened."""
    monkeypatch.setattr("realtime.backends.tensorrt_nets.driver_library", lambda: libcuda)
    opened: list[LoadedStyle] = []

    def open_one(trt: StandInTensorRT | None = None, depth: int = 3, blends: bool = False) -> LoadedStyle:
        opened.append(stand_in_painter(trt or StandInTensorRT(gpu), stored, depth, blends))
        return opened[-1]

    yield open_one
    for painter in opened:
        painter.close()


def picture(number: int) -> Pixels:
    return np.full((HEIGHT, WIDTH, 3), number % 200, np.uint8)


def style(number: int) -> Vector:
    return np.array([number, 0, 0, 0], np.float32)


def paint_all(painter: LoadedStyle, styles: list[int], ahead: int) -> list[int]:
    """Paints pictures 0, 1, 2 … in the given styles with `ahead` frames in flight; returns what was added to each."""
    added = []
    numbers = iter(range(len(styles)))

    def finish() -> None:
        painted = painter.finish().astype(int)
        difference = set((painted - picture(next(numbers)).astype(int)).ravel().tolist())
        assert len(difference) == 1, "pixels of two frames in one"
        added.append(difference.pop())

    for number, kind in enumerate(styles):
        if number >= ahead:
            finish()
        painter.start(picture(number), style(kind))
    for _ in range(min(ahead, len(styles))):
        finish()
    return added


@pytest.mark.parametrize("gpu", range(20), indirect=True)
@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_frames_come_back_in_order_each_in_its_own_style(ahead: int, open_painter: OpenPainter) -> None:
    styles = [1, 1, 2, 3, 3, 3, 4, 1, 1, 5, 6, 7]
    assert paint_all(open_painter(), styles, ahead) == styles


@pytest.mark.parametrize("gpu", range(10), indirect=True)
@pytest.mark.parametrize("call", ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"])
def test_without_a_cuda_graph_it_paints_the_same_and_says_why(
    call: str, open_painter: OpenPainter, libcuda: StandInLibcuda
) -> None:
    libcuda.refuse = call
    painter = open_painter()
    assert "the CUDA graph cannot be" in painter.description
    assert paint_all(painter, [1, 2, 3, 3, 4], 3) == [1, 2, 3, 3, 4]
    assert libcuda.launches == 0


def test_with_a_cuda_graph_every_frame_is_one_launch(open_painter: OpenPainter, libcuda: StandInLibcuda) -> None:
    painter = open_painter()
    assert painter.description == "tensorrt 11.4 fp16"
    paint_all(painter, [1] * 7, 3)
    assert libcuda.launches == 7


def test_only_bytes_cross_the_bus_and_a_style_only_when_it_changes(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter()
    assert gpu.copied == 0
    frame, vector = picture(0).nbytes, style(0).nbytes
    paint_all(painter, [1] * 10, 3)
    assert gpu.copied == 10 * 2 * frame + vector
    paint_all(painter, [1, 2, 2, 3], 3)
    assert gpu.copied == 14 * 2 * frame + 3 * vector


def test_frames_are_uploaded_while_an_earlier_one_is_not_painted_yet(
    open_painter: OpenPainter, gpu: StandInGpu
) -> None:
    painter = open_painter()
    painter.start(picture(0), style(1))
    painter.finish()
    sent, uploads, compute = gpu.copied, *painter._queues[:2]
    for number in range(3):
        painter.start(picture(number), style(1))
    assert isinstance(uploads, StandInStream)
    assert isinstance(compute, StandInStream)
    assert gpu.copied - sent == 3 * 2 * picture(0).nbytes, "all is on its way, and nothing was waited for"
    untouched = len(compute.waiting)
    while uploads.can_go_on():
        uploads.go_on()
    assert not uploads.waiting, "no upload waits for a painting"
    assert len(compute.waiting) == untouched > 0
    assert [int(painter.finish()[0, 0, 0]) for _ in range(3)] == [1, 2, 3]


def test_memory_is_allocated_once(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter()
    before = set(gpu.memory)
    paint_all(painter, list(range(20)), 3)
    assert set(gpu.memory) == before


def test_a_result_is_the_callers_to_keep(open_painter: OpenPainter) -> None:
    painter = open_painter(depth=1)
    painter.start(picture(1), style(5))
    kept = painter.finish()
    painter.start(picture(50), style(5))
    painter.finish()
    assert set(kept.ravel()) == {6}


def test_a_frame_may_be_changed_once_start_has_returned(open_painter: OpenPainter) -> None:
    painter = open_painter()
    frame, vector = picture(1), style(5)
    painter.start(frame, vector)
    frame[:], vector[:] = 99, 77
    assert set(painter.finish().ravel()) == {6}
    painter.start(picture(1), style(5))
    assert set(painter.finish().ravel()) == {6}


def test_a_net_with_one_style_inside_takes_none(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter(StandInTensorRT(gpu, style_size=0))
    for number in range(5):
        painter.start(picture(number), None)
        assert set(painter.finish().ravel()) == {number + 1}


def test_what_does_not_fit_is_refused_and_the_next_frame_is_painted(open_painter: OpenPainter) -> None:
    painter = open_painter()
    with pytest.raises(ValueError, match=r"frame is uint8 \(4, 7, 3\), expected uint8 \(4, 6, 3\)"):
        painter.start(np.zeros((4, 7, 3), np.uint8), style(1))
    with pytest.raises(ValueError, match="frame is float32"):
        painter.start(np.zeros((4, 6, 3), np.float32), style(1))
    with pytest.raises(ValueError, match=r"style is none, expected float32\[4\]"):
        painter.start(picture(1), None)
    with pytest.raises(RuntimeError, match="no frame is in flight"):
        painter.finish()
    assert paint_all(painter, [1, 2, 3], 3) == [1, 2, 3]


def test_no_more_frames_are_taken_than_there_are_slots(open_painter: OpenPainter) -> None:
    painter = open_painter(depth=2)
    painter.start(picture(0), style(1))
    painter.start(picture(1), style(2))
    with pytest.raises(RuntimeError, match="2 frames are in flight already; finish one first"):
        painter.start(picture(2), style(3))
    assert [int(painter.finish()[0, 0, 0]) for _ in range(2)] == [1, 3]


@pytest.mark.parametrize("gpu", range(10), indirect=True)
@pytest.mark.parametrize("call", ["copy", "execute"])
def test_an_error_in_the_middle_is_raised_and_spoils_no_other_frame(
    call: str, open_painter: OpenPainter, gpu: StandInGpu, libcuda: StandInLibcuda
) -> None:
    libcuda.refuse = "cuStreamBeginCapture_v2"  # so that every frame is a call of the engine
    painter = open_painter()
    painter.start(picture(0), style(1))
    gpu.fail = call
    with pytest.raises(RuntimeError, match=r"copy failed|the engine does not run"):
        painter.start(picture(90), style(2))
    assert set(painter.finish().ravel()) == {1}
    assert paint_all(painter, [2, 2, 3, 1], 3) == [2, 2, 3, 1]


@pytest.mark.parametrize("gpu", range(10), indirect=True)
def test_closing_with_frames_in_flight_waits_for_them_and_frees_everything(
    gpu: StandInGpu, open_painter: OpenPainter, libcuda: StandInLibcuda
) -> None:
    trt = StandInTensorRT(gpu)
    painter = open_painter(trt)
    painter.start(picture(0), style(1))
    painter.start(picture(1), style(2))
    painter.close()
    painter.close()
    gc.collect()
    assert not any(stream.waiting for stream in gpu.streams)
    assert gpu.memory == {}
    assert libcuda.graphs == {}
    assert trt.alive == []  # context, engine, runtime ended in this order
    assert gpu.pushed == 0


def test_the_context_is_current_only_inside_the_calls(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter()
    assert gpu.pushed == 0
    painter.start(picture(0), style(1))
    assert gpu.pushed == 0
    painter.finish()
    assert gpu.pushed == 0


# blending where the net runs -----------------------------------------------------------------------------------------


def blend_of(number: int) -> Blend:
    """Returns a blend for frames of 6 x 4: their own size is that of the frame in which motion is looked for."""
    flow, new = np.full((2, HEIGHT, WIDTH), number, np.float32), np.full((HEIGHT, WIDTH), 2 * number, np.uint8)
    return Blend(flow, new, float(3 * number))


def blender_of(painter: LoadedStyle) -> Blender:
    assert painter.blender is not None
    return painter.blender


def blend_all(painter: LoadedStyle, blends: list[Blend | None], ahead: int) -> list[int]:
    """Blends pictures 0, 1, 2 …, each painted one lighter, with `ahead` frames in flight; returns what is shown."""
    shown, waiting = [], deque(blends)

    def finish() -> None:
        values = set(blender_of(painter).finish(waiting.popleft()).ravel().tolist())
        assert len(values) == 1, "pixels of two frames in one"
        shown.append(values.pop())

    for number in range(len(blends)):
        if number >= ahead:
            finish()
        painter.start(picture(number), style(1))
    while waiting:
        finish()
    return shown


def blended(blends: list[Blend | None]) -> list[int]:
    """Returns what the stand-in shows of pictures 0, 1, 2 … that are blended without any GPU."""
    last, shown = 0, []
    for number, blend in enumerate(blends):
        painted = number + 1
        if blend is None:
            last = painted
            shown.append(painted)
        else:
            last = (last + painted + int(blend.flow[0, 0, 0]) + int(blend.new[0, 0])) % 256
            shown.append((last + int(blend.kept)) % 256)
    return shown


BLENDS = [None, *map(blend_of, (1, 2, 3)), None, *map(blend_of, (4, 5, 6, 7))]


@pytest.mark.parametrize("gpu", range(20), indirect=True)
@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_each_painting_is_blended_with_the_one_before(ahead: int, open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter(blends=True)
    assert blend_all(painter, BLENDS, ahead) == blended(BLENDS)


@pytest.mark.parametrize("gpu", range(10), indirect=True)
def test_without_a_cuda_graph_the_same_is_blended(
    open_painter: OpenPainter, gpu: StandInGpu, libcuda: StandInLibcuda
) -> None:
    libcuda.refuse = "cuStreamBeginCapture_v2"
    painter = open_painter(blends=True)
    assert blend_all(painter, BLENDS, 2) == blended(BLENDS)


def test_the_blend_waits_for_its_own_painting_and_for_no_later_one(
    open_painter: OpenPainter, gpu: StandInGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = open_painter(blends=True)
    compute = painter._queues[1]
    assert isinstance(compute, StandInStream)
    blend_all(painter, [None, blend_of(1)], 1)
    for number in range(3):
        painter.start(picture(number), style(1))
    later = len(compute.waiting) * 2 // 3
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "run_until", partial(run_without, gpu, compute, later))
        blender_of(painter).finish(blend_of(2))
    assert len(compute.waiting) == later, "the net has not painted the later frames"


def run_without(gpu: StandInGpu, stream: StandInStream, rest: int, done: Callable[[], bool]) -> None:
    """Runs the GPU, but leaves the last `rest` pieces of work of a stream alone."""
    while not done():
        able = [each for each in gpu.streams if each.can_go_on() and (each is not stream or len(each.waiting) > rest)]
        assert able, "waits for ever"
        able[0].go_on()


def test_the_last_painting_stays_on_the_gpu(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    painter = open_painter(blends=True)
    blend_all(painter, [None] * 4, 3)
    before, count = gpu.copied, 6
    blend_all(painter, [blend_of(1)] * count, 3)
    blend, frame = blend_of(1), picture(0).nbytes
    assert gpu.copied - before == count * (2 * frame + blend.flow.nbytes + blend.new.nbytes + 4)


def test_what_is_kept_can_be_taken_to_another_painter(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    one, other = (open_painter(blends=True) for _ in range(2))
    assert blender_of(one).kept() is None
    blend_all(one, BLENDS[:4], 2)
    kept = blender_of(one).kept()
    assert kept is not None
    assert set(kept.ravel()) == {(blended(BLENDS[:4])[-1] - 9) % 256}
    blender_of(other).keep(kept)
    for painter in (one, other):
        painter.start(picture(4), style(1))
    blend = blend_of(8)
    np.testing.assert_array_equal(blender_of(one).finish(blend), blender_of(other).finish(blend))


@pytest.mark.parametrize("gpu", range(10), indirect=True)
def test_frames_may_be_finished_blended_and_as_they_are_in_any_order(
    open_painter: OpenPainter, gpu: StandInGpu
) -> None:
    painter = open_painter(blends=True)
    choices = [False, True, True, False, False, True, False, True]
    waiting, shown, last, wanted = deque(enumerate(choices)), [], 0, []
    for number in range(len(choices) + 2):
        if number < len(choices):
            painter.start(picture(number), style(1))
        if number < 2:
            continue
        index, blends = waiting.popleft()
        result = blender_of(painter).finish(blend_of(index)) if blends else painter.finish()
        shown.append(int(result[0, 0, 0]))
        painted = index + 1
        if blends:
            # without anything kept yet the painting is shown as it is
            last, more = (last + painted + 3 * index, 3 * index) if last else (painted, 0)
            wanted.append((last + more) % 256)
        else:
            wanted.append(painted)
    assert shown == wanted


@pytest.mark.parametrize("gpu", range(10), indirect=True)
@pytest.mark.parametrize("call", ["copy", "execute"])
def test_a_blend_that_fails_spoils_no_other_frame(
    call: str, open_painter: OpenPainter, gpu: StandInGpu, libcuda: StandInLibcuda
) -> None:
    libcuda.refuse = "cuStreamBeginCapture_v2"
    painter = open_painter(blends=True)
    blend_all(painter, [None, blend_of(1)], 1)
    painter.start(picture(0), style(1))
    painter.start(picture(7), style(1))
    gpu.fail = call
    with pytest.raises(RuntimeError, match=r"copy failed|the engine does not run"):
        blender_of(painter).finish(blend_of(1))
    # nothing is kept of a painting that was not blended
    assert set(blender_of(painter).finish(blend_of(1)).ravel()) == {8}
    assert blend_all(painter, BLENDS, 3) == blended(BLENDS)


def test_closing_frees_the_blend_too(open_painter: OpenPainter, gpu: StandInGpu, libcuda: StandInLibcuda) -> None:
    trt = StandInTensorRT(gpu)
    painter = open_painter(trt, blends=True)
    blend_all(painter, BLENDS, 2)
    painter.start(picture(0), style(1))
    painter.close()
    gc.collect()
    assert gpu.memory == {}
    assert libcuda.graphs == {}
    assert trt.alive == []


@pytest.mark.parametrize("forgotten", ["queue_waits", "wait"])
def test_the_stand_in_notices_a_wait_that_the_blend_forgets(
    forgotten: str, monkeypatch: pytest.MonkeyPatch, stored: StoredEngine
) -> None:
    monkeypatch.setattr(PycudaDevice, forgotten, lambda *_: None)
    troubles = 0
    for seed in range(20):
        gpu = StandInGpu(seed=seed)
        monkeypatch.setattr("realtime.backends.tensorrt_nets.driver_library", partial(StandInLibcuda, gpu))
        painter = stand_in_painter(StandInTensorRT(gpu), stored, blends=True)
        try:
            troubles += blend_all(painter, BLENDS, 3) != blended(BLENDS)
            painter.close()
        except (AssertionError, KeyError):
            troubles += 1
    assert troubles > 0


# several at once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gpu", range(20), indirect=True)
def test_two_nets_at_once_share_their_memory_and_do_not_disturb_each_other(
    gpu: StandInGpu, open_painter: OpenPainter, libcuda: StandInLibcuda
) -> None:
    one = open_painter(StandInTensorRT(gpu, workspace=1000))
    one.start(picture(0), style(1))
    other = open_painter(StandInTensorRT(gpu, workspace=5000))  # the shared memory moves under a frame in flight
    workspaces = [memory.size for memory in gpu.memory.values() if memory.size >= 1000]
    assert workspaces == [5000]
    for number, (painter, kind) in enumerate([(other, 9), (one, 2), (other, 8), (one, 3)]):
        painter.start(picture(number + 1), style(kind))
    assert [int(one.finish()[0, 0, 0]) for _ in range(3)] == [0 + 1, 2 + 2, 4 + 3]
    assert [int(other.finish()[0, 0, 0]) for _ in range(2)] == [1 + 9, 3 + 8]
    other.close()
    assert paint_all(one, [4, 5, 6], 3) == [4, 5, 6]


def test_a_net_that_does_not_fit_beside_another_leaves_that_one_painting(
    open_painter: OpenPainter, gpu: StandInGpu
) -> None:
    one = open_painter(StandInTensorRT(gpu, workspace=1000))
    assert paint_all(one, [1, 2], 2) == [1, 2]
    gpu.fail = "mem_alloc"
    with pytest.raises(RuntimeError, match="mem_alloc failed"):
        open_painter(StandInTensorRT(gpu, workspace=5000))
    assert paint_all(one, [3, 4, 5], 3) == [3, 4, 5]


def test_engines_of_two_threads_have_nothing_in_common(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    one = open_painter(StandInTensorRT(gpu, workspace=1000))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(open_painter, StandInTensorRT(gpu, workspace=1000)).result()
    assert one._net.queue is not other._net.queue
    assert [memory.size for memory in gpu.memory.values() if memory.size == 1000] == [1000, 1000]


@pytest.mark.parametrize("gpu", range(5), indirect=True)
@pytest.mark.parametrize("recorded", [False, True])
def test_the_net_with_which_pycuda_is_tried_on_a_gpu_copies_frames(
    recorded: bool, gpu: StandInGpu, libcuda: StandInLibcuda
) -> None:
    driver: PycudaDriver = gpu
    device = PycudaDevice(driver)
    with device.current():
        net = CopyNet(device, (HEIGHT, WIDTH, 3), libcuda if recorded else None)
    painter = SlotPainter(device, net, WIDTH, HEIGHT)
    for number in range(3):
        painter.start(picture(number), None)
    assert [int(painter.finish()[0, 0, 0]) for _ in range(3)] == [0, 1, 2]
    assert libcuda.launches == (3 if recorded else 0)
    painter.close()
    assert libcuda.graphs == {}


def test_opening_that_fails_leaves_nothing_behind(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    trt = StandInTensorRT(gpu)
    open_painter(trt).close()
    gpu.fail = "mem_alloc"
    with pytest.raises(RuntimeError, match="mem_alloc failed"):
        open_painter(trt)
    gc.collect()
    assert gpu.memory == {}
    assert trt.alive == []


def test_an_engine_that_tensorrt_refuses_is_named_with_its_reason(open_painter: OpenPainter, gpu: StandInGpu) -> None:
    with pytest.raises(
        UnusableEngineError, match=r"does not accept fast-.*engine: expecting library version 11\.4 got"
    ):
        open_painter(StandInTensorRT(gpu, refuse="expecting library version 11.4 got 10.9"))


@pytest.mark.parametrize("forgotten", ["queue_waits", "wait", "drain"])
def test_the_stand_in_notices_a_forgotten_wait(
    forgotten: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: StoredEngine
) -> None:
    """So the tests above can fail: without this call some frame comes out wrong, or something is freed too early."""
    monkeypatch.setattr(PycudaDevice, forgotten, lambda *_: None)
    troubles = 0
    for seed in range(20):
        gpu = StandInGpu(seed=seed)
        monkeypatch.setattr("realtime.backends.tensorrt_nets.driver_library", partial(StandInLibcuda, gpu))
        painter = stand_in_painter(StandInTensorRT(gpu), stored)
        try:
            assert paint_all(painter, [1, 2, 3, 4, 5], 3) == [1, 2, 3, 4, 5]
            painter.start(picture(0), style(1))
            painter.close()
            assert not any(stream.waiting for stream in gpu.streams)
        except (AssertionError, KeyError):
            troubles += 1
    assert troubles > 0


def test_a_graph_whose_recording_fails_leaves_the_stream_as_it_was(gpu: StandInGpu, libcuda: StandInLibcuda) -> None:
    gpu.pushed = 1
    stream = gpu.Stream()

    def fail() -> None:
        raise RuntimeError("not while recording")

    with pytest.raises(CudaGraphError, match="cannot be recorded: not while recording"):
        CudaGraph(libcuda, stream.handle, fail)
    assert stream.recording is None
    assert libcuda.graphs == {}


@pytest.mark.skipif(no_gpu_reason() is None, reason="there is a GPU here")
def test_without_a_driver_the_process_lives_and_says_why() -> None:
    """In a process of its own: TensorRT's answer to a missing driver is a segmentation fault."""
    program = """
from pathlib import Path
from realtime.backends import BackendUnavailableError, Net, tensorrt
print(tensorrt.unavailable_reason())
try:
    tensorrt.open_painter(Net("fast", Path("fast.onnx"), None, 0, 8), 640, 480)
except BackendUnavailableError as exc:
    print(exc)
from build_engines.gpus import NoGpuError
from realtime.backends.pycuda_device import PycudaDevice
try:
    PycudaDevice()
except NoGpuError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    reason, refused, device = done.stdout.splitlines()
    assert "NVIDIA" in reason
    assert refused == f"backend tensorrt cannot run here: {reason}"
    assert device == reason


@pytest.fixture
def on_this_gpu(
    gpu: StandInGpu, libcuda: StandInLibcuda, stored: StoredEngine, monkeypatch: pytest.MonkeyPatch
) -> Callable[[StandInTensorRT], None]:
    """Returns a function that has `tensorrt.open_painter` find the stand-in and its engine."""

    def set_up(trt: StandInTensorRT) -> None:
        here = {
            "unavailable_reason": lambda: None,
            "first_gpu": lambda: None,
            "load_variant": lambda gpu: Variant("tensorrt", "11.4", trt),
            "find_engine": lambda *_: stored,
            "load_pycuda": lambda: gpu,
        }
        for name, value in here.items():
            monkeypatch.setattr(f"realtime.backends.tensorrt.{name}", value)
        monkeypatch.setattr("realtime.backends.tensorrt_nets.driver_library", lambda: libcuda)
        monkeypatch.setenv("NST_LIVE_ENGINES", str(stored.path.parent))
        monkeypatch.setattr(StandInGpu, "Error", CudaFailedError, raising=False)

    return set_up


class CudaFailedError(Exception):
    """As pycuda raises."""


@pytest.mark.parametrize("call", ["execute", "mem_alloc"])
def test_an_engine_that_does_not_run_is_a_backend_that_cannot(
    call: str, gpu: StandInGpu, on_this_gpu: Callable[[StandInTensorRT], None]
) -> None:
    on_this_gpu(StandInTensorRT(gpu))
    gpu.fail = call
    with pytest.raises(BackendUnavailableError, match=r"cannot run 'fast' here: (the engine does not run|mem_alloc)"):
        tensorrt.open_painter(Net("fast", Path("fast.onnx"), None, 4, 1), WIDTH, HEIGHT)


def test_an_engine_that_tensorrt_refuses_is_to_be_built_again(
    gpu: StandInGpu, on_this_gpu: Callable[[StandInTensorRT], None]
) -> None:
    on_this_gpu(StandInTensorRT(gpu, refuse="expecting library version 11.4 got 10.9"))
    with pytest.raises(tensorrt.EngineMissingError, match=r"got 10\.9\); build it with: nst-build .* --rebuild$"):
        tensorrt.open_painter(Net("fast", Path("fast.onnx"), None, 4, 1), WIDTH, HEIGHT)


def test_an_engine_that_is_not_built_is_missed_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NST_LIVE_ENGINES", str(tmp_path))
    monkeypatch.setattr("build_engines.tensorrt.engines.first_gpu", lambda: Gpu(0, "RTX 3090", (8, 6), (13, 0), 2**34))
    onnx = tmp_path / "foreign.onnx"
    onnx.write_bytes(b"")
    net = Net("foreign", onnx, None, 0, 8)
    variant = Variant("tensorrt", "11.4", None)
    with pytest.raises(tensorrt.EngineMissingError) as caught:
        tensorrt.find_engine(net, 640, 480, variant)
    assert str(caught.value) == (
        "no engine for 'foreign' at 640x480 on this GPU (foreign-640x480-fp16-tensorrt-sm86.engine is not built); "
        f"build it with: nst-build --onnx {onnx} --size 640x480 --runtime tensorrt"
    )
    assert caught.value.argv == ("--onnx", str(onnx), "--size", "640x480", "--runtime", "tensorrt")
    with pytest.raises(BackendUnavailableError, match="RTX 3090"):
        tensorrt.find_engine(net, 640, 480, Variant("rtx", "1.7", StandInTensorRT(StandInGpu())))


FAST = Net("fast", Path("fast.onnx"), None, 4, 1)


def test_the_engine_that_blends_is_opened_with_the_net(
    gpu: StandInGpu, stored: StoredEngine, on_this_gpu: Callable[[StandInTensorRT], None]
) -> None:
    on_this_gpu(StandInTensorRT(gpu))
    variant = Variant("tensorrt", "11.4", None)
    spec = plan_blend((WIDTH, HEIGHT), variant, BuildTarget(SPEC.target, SPEC.gpu))
    EngineCache(stored.path.parent).store(spec, BLENDING, {})
    painter = tensorrt.open_painter(FAST, WIDTH, HEIGHT)
    assert painter.blender is not None
    assert painter.description == "tensorrt 11.4 fp16"
    painter.close()


def test_without_the_engine_that_blends_the_processor_does_and_the_painter_says_so(
    gpu: StandInGpu, on_this_gpu: Callable[[StandInTensorRT], None]
) -> None:
    on_this_gpu(StandInTensorRT(gpu))
    painter = tensorrt.open_painter(FAST, WIDTH, HEIGHT)
    assert painter.blender is None
    assert "blending on the processor: stabilizer-6x4-fp32-tensorrt-sm90.engine is not built" in painter.description
    painter.close()
