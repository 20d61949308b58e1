"""Other ways to run a net, to be measured beside ours in `nst-live bench --against`.

`article-…` is the net of the article (Johnson et al. 2016: 9x9x32, 3x3x64/2, 3x3x128/2, five residual blocks, then
transposed convolutions; zero padding) with random weights, since its speed does not depend on them.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realtime.backends import BackendUnavailableError, Net, Painter, Vector, load_backend, not_installed
from realtime.backends.worker import WorkerPainter
from realtime.frames import Pixels
from realtime.stylize.pipeline import padded_size
from styles.support.silent_imports import import_onnxruntime

Size = tuple[int, int]


class PeerUnavailableError(RuntimeError):
    """What the peer runs on is not installed, or it cannot run the net."""


Peer = Callable[[Net, Size], AbstractContextManager[Painter]]


@contextmanager
def _backend(name: str, net: Net, size: Size) -> Iterator[Painter]:
    """Our own net on another backend of ours."""
    backend = load_backend(name)
    if reason := backend.unavailable_reason():
        raise PeerUnavailableError(reason)
    try:
        painter = backend.open(net, *padded_size(net, size))
    except BackendUnavailableError as exc:
        raise PeerUnavailableError(str(exc)) from exc
    yield painter
    painter.close()


@contextmanager
def _compiled(net: Net, size: Size) -> Iterator[Painter]:
    """Our own net through torch.compile."""
    _need_torch()
    if net.weights is None:
        raise PeerUnavailableError(f"torch.compile needs the weights of a net, and {net.onnx} is only its graph")
    import torch

    from build_engines.onnx.pixel_net import pixel_net_from_weights

    compiled = torch.compile(pixel_net_from_weights(net.weights))

    def paint(frame: Pixels, style: Vector | None) -> Pixels:
        with torch.inference_mode():
            painted: Pixels = compiled(
                torch.from_numpy(frame)[None], None if style is None else torch.from_numpy(style)
            )[0].numpy()
        return painted

    width, height = padded_size(net, size)
    paint(np.zeros((height, width, 3), np.uint8), np.ones(net.style_size, np.float32) if net.style_size else None)
    yield WorkerPainter("torch.compile", paint)


@contextmanager
def _article_opencv(_net: Net, size: Size) -> Iterator[Painter]:
    with _article_onnx(size) as path:
        net = cv2.dnn.readNetFromONNX(str(path))

    def paint(frame: Pixels, _style: Vector | None) -> Pixels:
        net.setInput(cv2.dnn.blobFromImage(np.ascontiguousarray(frame)))
        return _pixels(net.forward())

    yield WorkerPainter("OpenCV DNN, the article's net", paint)


@contextmanager
def _article_onnxruntime(_net: Net, size: Size) -> Iterator[Painter]:
    _need("onnxruntime", "onnxruntime")
    onnxruntime = import_onnxruntime()

    with _article_onnx(size) as path:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def paint(frame: Pixels, _style: Vector | None) -> Pixels:
        return _pixels(session.run(None, {"photo": _blob(frame)})[0])

    yield WorkerPainter("ONNX Runtime, the article's net", paint)


@contextmanager
def _article_pytorch(_net: Net, _size: Size) -> Iterator[Painter]:
    _need_torch()
    import torch

    net = _article_net()

    def paint(frame: Pixels, _style: Vector | None) -> Pixels:
        with torch.inference_mode():
            return _pixels(net(torch.from_numpy(_blob(frame))).numpy())

    yield WorkerPainter("PyTorch, the article's net", paint)


PEERS: Mapping[str, Peer] = {
    "onnxruntime": partial(_backend, "onnxruntime"),
    "pytorch": partial(_backend, "pytorch"),
    "torch-compile": _compiled,
    "article-opencv": _article_opencv,
    "article-onnxruntime": _article_onnxruntime,
    "article-pytorch": _article_pytorch,
}


def _blob(frame: Pixels) -> Any:
    """Returns 1 x 3 x H x W float32 in 0..255."""
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None], dtype=np.float32)


def _pixels(blob: Any) -> Pixels:
    return np.ascontiguousarray(np.clip(blob[0], 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _need_torch() -> None:
    _need("torch", '"nst-live[train]"')


def _need(module: str, package: str) -> None:
    if reason := not_installed(module, package):
        raise PeerUnavailableError(reason)


@contextmanager
def _article_onnx(size: Size) -> Iterator[Path]:
    _need_torch()
    _need("onnxscript", "onnxscript")
    import torch

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports that torchvision is absent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside torch's own exporter
        program = torch.onnx.export(
            _article_net(), (torch.zeros(1, 3, size[1], size[0]),), input_names=["photo"], dynamo=True, verbose=False
        )
    assert program is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "article.onnx"
        program.save(path)
        yield path


def _article_net() -> Any:
    """Returns the article's net in PyTorch: N x 3 x H x W in 0..255 to the same."""
    from torch import nn

    def block(conv: nn.Module, width: int, *after: nn.Module) -> list[nn.Module]:
        return [conv, nn.InstanceNorm2d(width, affine=True, eps=1e-3), *after]

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first = block(nn.Conv2d(128, 128, 3, padding=1, bias=False), 128, nn.ReLU())
            self.body = nn.Sequential(*first, *block(nn.Conv2d(128, 128, 3, padding=1, bias=False), 128))

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    class Range(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.tanh() * 150 + 127.5

    return nn.Sequential(
        *block(nn.Conv2d(3, 32, 9, padding=4, bias=False), 32, nn.ReLU()),
        *block(nn.Conv2d(32, 64, 3, 2, padding=1, bias=False), 64, nn.ReLU()),
        *block(nn.Conv2d(64, 128, 3, 2, padding=1, bias=False), 128, nn.ReLU()),
        *(Residual() for _ in range(5)),
        *block(nn.ConvTranspose2d(128, 64, 3, 2, padding=1, output_padding=1, bias=False), 64, nn.ReLU()),
        *block(nn.ConvTranspose2d(64, 32, 3, 2, padding=1, output_padding=1, bias=False), 32, nn.ReLU()),
        *block(nn.Conv2d(32, 3, 9, padding=4, bias=False), 3),
        Range(),
    ).eval()
