"""PyTorch: the reference that the other backends are compared with; on CUDA a fallback for want of TensorRT."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from realtime.backends import BackendUnavailableError, Net, Vector, not_installed
from realtime.frames import Pixels


def why_not() -> str | None:
    return not_installed("torch", '"nst-live[train]"')


def open_painter(net: Net, width: int, height: int) -> PyTorchPainter:  # noqa: ARG001 - torch takes every size
    if net.weights is None:
        raise BackendUnavailableError(f"backend pytorch needs the weights of a net, and {net.onnx} is only its graph")
    return PyTorchPainter(net.weights)


class PyTorchPainter:
    """Runs one frame at a time, in float32, in a thread of its own."""

    depth = 2

    def __init__(self, weights: Path) -> None:
        import torch

        from build_engines.pixel_net import pixel_net_from_weights

        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._net = pixel_net_from_weights(weights).to(self._device)
        self.description = f"pytorch {self._device.type} f32"
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pytorch")
        self._busy: deque[Future[Pixels]] = deque()

    def start(self, frame: Pixels, style: Vector | None) -> None:
        self._busy.append(self._worker.submit(self._paint, frame, style))

    def finish(self) -> Pixels:
        return self._busy.popleft().result()

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def _paint(self, frame: Pixels, style: Vector | None) -> Pixels:
        torch = self._torch
        with torch.inference_mode():
            pixels = torch.from_numpy(frame)[None].to(self._device)
            vector = None if style is None else torch.from_numpy(style).to(self._device)
            painted: Pixels = self._net(pixels, vector)[0].cpu().numpy()
        return painted
