"""PyTorch: the reference that the other backends are compared with; on CUDA a fallback for want of TensorRT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
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
    """The net in FP16, channels last, but for its first convolution and norm statistics.

    The first frames are painted call by call. Meanwhile a thread compiles what is between the convolutions into a few
    kernels, and records all of it as CUDA graphs, with which the next frames are painted.

    Args:
        weights: of the net.
        fuses: whether it is compiled, too.
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
        self._worker = _Worker(torch)
        self._slots: list[_TorchSlot] = []
        self._fuses, self._closing = fuses, threading.Event()
        self._background = threading.Thread(target=self._run_background, name="graphs and kernels", daemon=True)
        self.queue = self._worker.queue
        self.description = f"pytorch cuda f16, {torch.cuda.get_device_name()}"

    def prepare(self, frame: torch.Tensor, style: torch.Tensor | None, painted: torch.Tensor) -> Launch:
        slot = self._slot(frame, style, painted)
        self._slots.append(slot)

        def launch() -> None:
            slot.launch()
            self._begin()

        return launch

    def _slot(self, frame: torch.Tensor, style: torch.Tensor | None, painted: torch.Tensor) -> _TorchSlot:
        def paint() -> None:
            painted.copy_(self._net(frame[None], style)[0])

        return _TorchSlot(frame, style, painted, paint, partial(self._worker.enqueue, paint))

    def settle(self) -> None:
        """Waits until graphs and kernels are ready and used, or not to be used."""
        self._begin()
        self._background.join()

    def close(self) -> None:
        self._closing.set()
        if self._background.ident is not None:
            self._background.join()
        self._slots.clear()
        del self._net

    def _begin(self) -> None:
        if self._background.ident is None:
            self._background.start()

    def _run_background(self) -> None:
        try:
            self._speed_up()
        except Exception as exc:  # whatever CUDA raises: the net paints on call by call
            self.description += f" (no CUDA graph: {_first_line(exc)})"

    def _speed_up(self) -> None:
        """Replaces what the slots launch by graphs of the fused net, or else by graphs of the net as it is."""
        torch = self._torch
        with torch.cuda.device(0), torch.inference_mode():
            # on a stream and in memory of its own: those of the slots hold frames
            worker, trial = _Worker(torch), self._trial()
            worker.run(trial.paint)
            try:
                fused = self._fused(worker, trial)
                self._record(worker, [slot.painting_by(fused) for slot in self._slots])
                self.description += ", fused"
            except Exception as exc:  # whatever a compiler raises
                self.description += f" (not fused: {_first_line(exc)})" if self._fuses else ""
                self._record(worker, [slot.paint for slot in self._slots])

    def _record(self, worker: _Worker, works: Sequence[Callable[[], None]]) -> None:
        """Records work for each slot, and has the slots launch that, on the net's queue."""
        if self._closing.is_set():
            raise RuntimeError("closed")
        for slot, graph in zip(self._slots, [worker.recorded(work) for work in works], strict=True):
            slot.launch = partial(self._worker.enqueue, graph)

    def _trial(self) -> _TorchSlot:
        """Returns a slot with a drawn frame, into which no other frame comes."""
        from build_engines.quality import sample_frames

        torch, like = self._torch, self._slots[0]
        height, width, _ = like.frame.shape
        frame = torch.from_numpy(sample_frames(width, height)[0]).cuda()
        style = None if like.style is None else self._net.net.plain_style().cuda()
        return self._slot(frame, style, torch.empty_like(frame))

    def _fused(self, worker: _Worker, trial: _TorchSlot) -> FusedNet:
        """Returns the fused net, compiled by painting a frame; raises RuntimeError if the net paints another."""
        from build_engines.quality import FLOOR_DB, psnr_db
        from realtime.backends.fused_net import FusedNet

        if not self._fuses:
            raise RuntimeError("not asked for")
        wanted = trial.painted.cpu().numpy()
        fused = FusedNet(self._net, self._closing.is_set)
        worker.run(trial.painting_by(fused))
        quality = psnr_db(trial.painted.cpu().numpy(), wanted)
        if quality < FLOOR_DB:
            raise RuntimeError(f"it paints something else, {quality:.0f} dB")
        return fused


@dataclass
class _TorchSlot:
    """The buffers of a slot, what paints from and into them, and what is launched for that."""

    frame: torch.Tensor
    style: torch.Tensor | None
    painted: torch.Tensor
    paint: Callable[[], None]
    launch: Launch

    def painting_by(self, fused: FusedNet) -> Callable[[], None]:
        return lambda: fused.paint(self.frame, self.style, self.painted)


class TorchBlend:
    """The blend of paintings, as the `GpuBlend` of gpu.py; a CUDA graph if it can be."""

    def __init__(self) -> None:
        import torch

        # before the net that paints the next frame: its result is waited for
        self._worker = _Worker(torch, priority=-1)
        self.queue = self._worker.queue

    def prepare(self, buffers: Mapping[str, torch.Tensor]) -> Launch:
        from build_engines.onnx.blend_net import blend_in_torch

        def blend() -> None:
            last, painted, flow, new = (buffers[name][None] for name in (LAST, NEW_PAINTING, FLOW, NEW))
            shown, mixed = blend_in_torch(last, painted, flow, new, buffers[KEPT])
            buffers[SHOWN].copy_(shown[0])
            buffers[MIXED].copy_(mixed[0])

        launch: Launch = blend
        self._worker.run(blend)
        with suppress(RuntimeError):
            launch = self._worker.recorded(blend)
        return partial(self._worker.enqueue, launch)

    def close(self) -> None:
        """Nothing to do: its graphs go with its slots."""


class _Worker:
    """A stream, and graphs that are recorded on it. They share their memory: one runs after the other.

    Args:
        torch: the module.
        priority: of the stream; work on one with a lower number comes first.
    """

    def __init__(self, torch: Any, priority: int = 0) -> None:
        self._torch = torch
        self.queue: torch.cuda.Stream = torch.cuda.Stream(priority=priority)
        self._pool = torch.cuda.graph_pool_handle()

    def enqueue(self, work: Callable[[], object]) -> None:
        """Puts work on the stream."""
        with self._torch.cuda.stream(self.queue), self._torch.inference_mode():
            work()

    def run(self, work: Callable[[], object]) -> None:
        """Does work and waits for it."""
        self.enqueue(work)
        self.queue.synchronize()

    def recorded(self, work: Callable[[], object]) -> Launch:
        """Returns a call that does work on whichever stream is current. Raises RuntimeError.

        The like of it must have been done once: first runs allocate memory and choose kernels.
        """
        graph = self._torch.cuda.CUDAGraph()
        with (
            _RECORDING,
            self._torch.cuda.graph(graph, pool=self._pool, stream=self.queue, capture_error_mode="thread_local"),
            self._torch.inference_mode(),
        ):
            work()
        replay: Launch = graph.replay
        return replay


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]
