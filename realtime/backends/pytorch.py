"""PyTorch: the reference that the other backends are compared with; on CUDA a fallback for want of TensorRT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from build_engines.onnx.blend import FLOW, KEPT, LAST, MIXED, NEW, NEW_PAINTING, SHOWN
from realtime.backends import BackendUnavailableError, Net, Painter, Vector, not_installed, opening
from realtime.backends.gpu import Launch
from realtime.backends.slots import SlotPainter
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels

if TYPE_CHECKING:
    import torch

    from realtime.backends.fused_net import FusedNet

# Recording a graph begins with waiting for the whole device, which no other recording of this process outlives.
_RECORDING = threading.Lock()


def unavailable_reason() -> str | None:
    return not_installed("torch", '"nst-live[train]"')


def finds_cuda() -> bool:
    """Returns whether PyTorch is here and can use an NVIDIA card."""
    if unavailable_reason() is not None:
        return False
    import torch

    return torch.cuda.is_available()


def open_painter(net: Net, width: int, height: int) -> Painter:
    """Returns a painter: on CUDA in FP16 with frames in flight, else in FP32 on the CPU."""
    if net.weights is None:
        raise BackendUnavailableError(f"backend pytorch needs the weights of a net, and {net.onnx} is only its graph")
    if not finds_cuda():
        return _cpu_painter(net.weights)
    with opening("pytorch", net):
        device = TorchDevice()
        with device.current():
            painting, blend = TorchNet(net.weights), TorchBlend()
        return SlotPainter(device, painting, width, height, blend=blend)


def _cpu_painter(weights: Path) -> Painter:
    """Returns a painter in float32 on the CPU: the truth for the others, and slow."""
    import torch

    from build_engines.onnx.pixel_net import pixel_net_from_weights

    net = pixel_net_from_weights(weights)

    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(frame))[None]
            painted: Pixels = net(pixels, None if style is None else torch.from_numpy(style))[0].numpy()
        return painted

    return WorkerPainter("pytorch cpu f32", paint)


class TorchDevice:
    """The current CUDA device through PyTorch, as the `GpuDevice` of slots.py."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._pinned: list[torch.Tensor] = []

    def current(self) -> AbstractContextManager[object]:
        return self._torch.cuda.device(0)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        tensor = self._torch.from_numpy(np.empty(shape, dtype)).pin_memory()
        self._pinned.append(tensor)
        return tensor.numpy()

    def buffer(self, shape: tuple[int, ...], dtype: Any) -> torch.Tensor:
        return self._torch.from_numpy(np.zeros(shape, dtype)).cuda()

    def queue(self) -> torch.cuda.Stream:
        return self._torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def event(self) -> torch.cuda.Event:
        return self._torch.cuda.Event()  # type: ignore[no-untyped-call]

    def upload(self, target: torch.Tensor, source: NDArray[Any], queue: torch.cuda.Stream) -> None:
        with self._torch.cuda.stream(queue):
            target.copy_(self._torch.from_numpy(source), non_blocking=True)

    def download(self, target: NDArray[Any], source: torch.Tensor, queue: torch.cuda.Stream) -> None:
        with self._torch.cuda.stream(queue):
            self._torch.from_numpy(target).copy_(source, non_blocking=True)

    def copy(self, target: torch.Tensor, source: torch.Tensor, size: int, queue: torch.cuda.Stream) -> None:  # noqa: ARG002 - tensors know their size
        with self._torch.cuda.stream(queue):
            target.copy_(source, non_blocking=True)

    def record(self, event: torch.cuda.Event, queue: torch.cuda.Stream) -> None:
        event.record(queue)

    def queue_waits(self, queue: torch.cuda.Stream, event: torch.cuda.Event) -> None:
        queue.wait_event(event)

    def wait(self, event: torch.cuda.Event) -> None:
        event.synchronize()

    def drain(self, queue: torch.cuda.Stream) -> None:
        queue.synchronize()

    def close(self) -> None:
        self._pinned.clear()


class TorchNet:
    """The net in FP16, channels last, but for its first convolution and norm statistics; a CUDA graph if it can be.

    With the first frame it begins to compile what is between the convolutions into a few kernels, and goes on with
    them once they are ready.

    Args:
        weights: of the net.
        fuses: whether it does that.
    """

    def __init__(self, weights: Path, *, fuses: bool = True) -> None:
        import torch

        from build_engines.onnx.pixel_net import pixel_net_from_weights

        self._torch = torch
        net = pixel_net_from_weights(weights)
        self.style_size = 0 if net.style is not None else net.net.style_size
        net.halve()
        net.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net.cuda()
        self._recorder = _Recorder()
        self._slots: list[_TorchSlot] = []
        self._fuses, self._fusing = fuses, threading.Thread(target=self._fuse, name="fusing", daemon=True)
        self._closing = threading.Event()
        self.queue = self._recorder.queue
        self.description = f"pytorch cuda f16, {torch.cuda.get_device_name()}"

    def prepare(self, frame: torch.Tensor, style: torch.Tensor | None, painted: torch.Tensor) -> Launch:
        def paint() -> None:
            painted.copy_(self._net(frame[None], style)[0])

        self._recorder.warm_up(paint)
        launch, failure = self._recorder.record(paint)
        if failure and "no CUDA graph" not in self.description:
            self.description += f" (no CUDA graph: {failure})"
        slot = _TorchSlot(frame, style, painted, launch)
        self._slots.append(slot)

        def launch_slot() -> None:
            slot.launch()
            self._begin_fusing()

        return launch_slot

    def settle(self) -> None:
        """Waits until the kernels are compiled and used, or not to be used."""
        self._begin_fusing()
        if self._fusing.ident is not None:
            self._fusing.join()

    def close(self) -> None:
        self._closing.set()
        if self._fusing.ident is not None:
            self._fusing.join()
        self._slots.clear()
        del self._net

    def _begin_fusing(self) -> None:
        if self._fuses and self._fusing.ident is None:
            self._fusing.start()

    def _fuse(self) -> None:
        """Replaces what the slots launch by the fused net, if it can be compiled here and paints the same."""
        torch = self._torch
        try:
            from realtime.backends.fused_net import FusedNet

            with torch.cuda.device(0), torch.inference_mode():
                fused, recorder = FusedNet(self._net, self._closing.is_set), _Recorder()
                self._compare(fused, recorder)
                launches = [recorder.record(slot.painting_by(fused)) for slot in self._slots]
            if any(failure for _, failure in launches):
                raise RuntimeError(next(failure for _, failure in launches if failure))
        except Exception as exc:  # whatever a compiler raises: the net paints on as it does
            self.description += f" (not fused: {_first_line(exc)})"
            return
        for slot, (launch, _) in zip(self._slots, launches, strict=True):
            # they go on the queue of the net, behind the frames that are in flight
            slot.launch = self._recorder.on_queue(launch)
        self.description += ", fused"

    def _compare(self, fused: FusedNet, recorder: _Recorder) -> None:
        """Compiles the fused net by painting a drawn frame; raises RuntimeError if it paints something else."""
        from build_engines.quality import FLOOR_DB, psnr_db, sample_frames

        torch, slot = self._torch, self._slots[0]
        height, width, _ = slot.frame.shape
        frame = torch.from_numpy(sample_frames(width, height)[0]).cuda()
        style = None if slot.style is None else self._net.net.plain_style().cuda()
        painted = torch.empty_like(frame)
        recorder.warm_up(lambda: fused.paint(frame, style, painted))
        quality = psnr_db(painted.cpu().numpy(), self._net(frame[None], style)[0].cpu().numpy())
        if quality < FLOOR_DB:
            raise RuntimeError(f"it paints something else, {quality:.0f} dB")


@dataclass
class _TorchSlot:
    """The buffers of a slot, and what paints from and into them."""

    frame: torch.Tensor
    style: torch.Tensor | None
    painted: torch.Tensor
    launch: Launch

    def painting_by(self, fused: FusedNet) -> Callable[[], None]:
        return lambda: fused.paint(self.frame, self.style, self.painted)


class TorchBlend:
    """The blend of paintings, as the `GpuBlend` of gpu.py."""

    def __init__(self) -> None:
        # before the net that paints the next frame: its result is waited for
        self._recorder = _Recorder(priority=-1)
        self.queue = self._recorder.queue

    def prepare(self, buffers: Mapping[str, torch.Tensor]) -> Launch:
        from build_engines.onnx.blend_net import blend_in_torch

        def blend() -> None:
            last, painted, flow, new = (buffers[name][None] for name in (LAST, NEW_PAINTING, FLOW, NEW))
            shown, mixed = blend_in_torch(last, painted, flow, new, buffers[KEPT])
            buffers[SHOWN].copy_(shown[0])
            buffers[MIXED].copy_(mixed[0])

        self._recorder.warm_up(blend)
        return self._recorder.record(blend)[0]

    def close(self) -> None:
        """Nothing to do: its graphs go with its slots."""


class _Recorder:
    """Records work as CUDA graphs on a stream of its own; all of them share their memory: one runs after the other.

    Args:
        priority: of the stream; work on one with a lower number comes first.
    """

    def __init__(self, priority: int = 0) -> None:
        import torch

        self._torch = torch
        self.queue = torch.cuda.Stream(priority=priority)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Callable[[], object]) -> None:
        """Does the work a few times, and waits for it."""
        for _ in range(3):  # cuDNN chooses its kernels in the first runs
            self._enqueue(work)
        self.queue.synchronize()

    def record(self, work: Callable[[], object]) -> tuple[Launch, str]:
        """Returns a call that enqueues work that was done before, and why it is not a graph, '' if it is."""
        torch = self._torch
        graph = torch.cuda.CUDAGraph()
        try:
            with (
                _RECORDING,
                torch.cuda.graph(graph, pool=self._pool, stream=self.queue, capture_error_mode="thread_local"),
                torch.inference_mode(),
            ):
                work()
        except RuntimeError as exc:
            return lambda: self._enqueue(work), _first_line(exc)
        return self.on_queue(graph.replay), ""

    def on_queue(self, launch: Launch) -> Launch:
        """Returns a call that launches on this queue."""

        def launch_here() -> None:
            with self._torch.cuda.stream(self.queue):
                launch()

        return launch_here

    def _enqueue(self, work: Callable[[], object]) -> None:
        with self._torch.cuda.stream(self.queue), self._torch.inference_mode():
            work()


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]
