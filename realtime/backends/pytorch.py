"""PyTorch: the reference for the other backends, and on CUDA the fallback if TensorRT is missing."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from realtime.backends import BackendUnavailableError, Net, Painter, Vector, not_installed, opening
from realtime.backends.slots import Launch, SlotPainter
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels

if TYPE_CHECKING:
    import torch

# A recording starts with a wait for the whole device, which would break any other recording of this process.
_RECORDING = threading.Lock()


def unavailable_reason() -> str | None:
    return not_installed("torch", '"nst-live[train]"')


def finds_cuda() -> bool:
    """Returns whether PyTorch is installed and can use an NVIDIA GPU."""
    if unavailable_reason() is not None:
        return False
    import torch

    return torch.cuda.is_available()


def open_painter(net: Net, width: int, height: int) -> Painter:
    """Returns a painter: in FP16 on CUDA with several frames in flight, or else in FP32 on the CPU.

    Raises:
        BackendUnavailableError: the net has no weights, or PyTorch cannot run it.
    """
    if net.weights is None:
        raise BackendUnavailableError(f"backend pytorch needs the weights of a net, but {net.onnx} is only its graph")
    if not finds_cuda():
        return _cpu_painter(net.weights)
    with opening("pytorch", net):
        device = TorchDevice()
        with device.current():
            torch_net = TorchNet(net.weights)
        return SlotPainter(device, torch_net, width, height)


def _cpu_painter(weights: Path) -> Painter:
    """Returns a painter in float32 on the CPU: slow, and the reference for the others."""
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
    """The net in FP16 and channels last, run as a CUDA graph if possible.

    Its first convolution and the statistics of its norms are in FP32.
    """

    def __init__(self, weights: Path) -> None:
        import torch

        from build_engines.onnx.pixel_net import pixel_net_from_weights

        self._torch = torch
        net = pixel_net_from_weights(weights)
        self.style_size = 0 if net.style is not None else net.net.style_size
        net.halve()
        net.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._net = net.cuda()
        self.queue = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()  # shared by all slots: they run one after the other
        self.description = f"pytorch cuda f16, {torch.cuda.get_device_name()}"

    def prepare(self, frame: torch.Tensor, style: torch.Tensor | None, painted: torch.Tensor) -> Launch:
        torch = self._torch

        def paint() -> None:
            with torch.inference_mode():
                painted.copy_(self._net(frame[None], style)[0])

        def enqueue() -> None:
            with torch.cuda.stream(self.queue):
                paint()

        for _ in range(3):  # cuDNN chooses its kernels in the first runs
            enqueue()
        self.queue.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with (
                _RECORDING,
                torch.cuda.graph(graph, pool=self._pool, stream=self.queue, capture_error_mode="thread_local"),
            ):
                paint()
        except RuntimeError as exc:
            if "no CUDA graph" not in self.description:
                self.description += f" (no CUDA graph: {str(exc).splitlines()[0]})"
            return enqueue

        def replay() -> None:
            with torch.cuda.stream(self.queue):
                graph.replay()

        return replay

    def close(self) -> None:
        del self._net
