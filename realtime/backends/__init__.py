"""The backends that run the nets: one interface, a table of implementations, and the choice with its reasons."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from build_engines.gpus import no_gpu_reason
from realtime.frames import Pixels

Vector = NDArray[np.float32]


class BackendUnavailableError(RuntimeError):
    """A backend cannot run here; the message says why and what to type."""


@dataclass(frozen=True)
class Net:
    """A net as backends load it. Without `weights` (a foreign ONNX file) it cannot run on `pytorch`.

    `style_size` is the K of its style vectors, 0 for a net with one style baked in. The width and height of frames must
    be multiples of `size_multiple`. The TensorRT backend builds its engine from `weights`, or else from `onnx`.
    """

    name: str
    onnx: Path
    weights: Path | None
    style_size: int
    size_multiple: int


class Painter(Protocol):
    """A net loaded for one frame size. `start` up to `depth` frames, then `finish` them in the same order.

    Frames and results are H x W x 3 uint8 RGB. The caller may keep a result: no later frame is written into it. A frame
    must not change between its start and its finish.
    """

    depth: int
    description: str

    def start(self, frame: Pixels, style: Vector | None) -> None:
        """Starts painting `frame`. `style` is float32[K], or None for a net with one style baked in."""

    def finish(self) -> Pixels:
        """Waits for the oldest frame in flight and returns it painted."""

    def close(self) -> None:
        """Frees what the painter holds. Frames in flight are lost."""


@dataclass(frozen=True)
class Backend:
    """A way to run nets.

    `unavailable_reason()` returns None if the backend can run here, else the reason and what to type. `open(net, width,
    height)` opens a painter. `open_for_rate` opens one with a higher frame rate and a longer latency, if there is one.
    `thread_safe_open` means that a painter can be opened in one thread while another one paints.
    """

    name: str
    unavailable_reason: Callable[[], str | None]
    open: Callable[[Net, int, int], Painter]
    thread_safe_open: bool = False
    open_for_rate: Callable[[Net, int, int], Painter] | None = None

    def for_files(self) -> Backend:
        """Returns the backend for files, where the frame rate matters and the latency does not."""
        return self if self.open_for_rate is None else replace(self, open=self.open_for_rate)


@dataclass(frozen=True)
class Choice:
    """The chosen backend and, for `auto`, why the ones before it were not chosen."""

    backend: Backend
    passed_over: Sequence[str]

    @property
    def brief_reasons(self) -> str:
        """The reasons without what to type, e.g. "tensorrt: no NVIDIA driver"."""
        return ", ".join(re.split(r" \(|;", reason)[0] for reason in self.passed_over)

    def __str__(self) -> str:
        reasons = f" ({'; '.join(self.passed_over)})" if self.passed_over else ""
        return f"{self.backend.name}{reasons}"


# In order of preference. Each module has `unavailable_reason()` and `open_painter(net, width, height)`, and also
# `open_painter_for_rate` if that differs. It imports its library inside functions, so the module always loads.
BACKENDS = ("tensorrt", "openvino", "onnxruntime", "pytorch")
# Backends that cannot paint pictures of any size, and why.
FOR_ONE_SIZE = {"tensorrt": "engines are built for one size, and pictures have many"}
# Fastest first on an NVIDIA GPU. Their modules have `finds_cuda()`.
_ALSO_ON_CUDA = ("pytorch", "onnxruntime")
# The others use CUDA, whose context belongs to one thread at a time.
_THREAD_SAFE_OPEN = ("openvino", "onnxruntime")


def load_backend(name: str) -> Backend:
    """Returns the backend of that name.

    Raises:
        KeyError: the name is not in BACKENDS.
    """
    if name not in BACKENDS:
        raise KeyError(name)
    module = importlib.import_module(f"realtime.backends.{name}")
    for_rate = getattr(module, "open_painter_for_rate", None)
    return Backend(name, module.unavailable_reason, module.open_painter, name in _THREAD_SAFE_OPEN, for_rate)


def choose_backend(asked: str = "auto", failed: Mapping[str, str] = MappingProxyType({})) -> Choice:
    """Returns the backend to run on.

    Args:
        asked: the name of a backend; `auto` means the first that can run.
        failed: backends that `auto` must leave out, and why.

    Raises:
        KeyError: the name is not in BACKENDS.
        BackendUnavailableError: the backend cannot run here, or no backend can.
    """
    if asked != "auto":
        backend = load_backend(asked)
        if reason := backend.unavailable_reason():
            raise BackendUnavailableError(f"backend {asked} cannot run here: {reason}")
        return Choice(backend, ())
    passed_over: list[str] = []
    for name in _by_preference():
        backend = load_backend(name)
        reason = failed.get(name) or backend.unavailable_reason()
        if reason is None:
            return Choice(backend, tuple(passed_over))
        passed_over.append(f"{name}: {reason}")
    raise BackendUnavailableError(f"no backend can run here: {'; '.join(passed_over)}")


def _by_preference() -> Iterator[str]:
    """Yields the backends, best first. With an NVIDIA GPU those that use it come before those that use the CPU."""
    first, *others = BACKENDS
    yield first
    with_cuda = []
    if no_gpu_reason() is None:
        modules = {name: importlib.import_module(f"realtime.backends.{name}") for name in _ALSO_ON_CUDA}
        with_cuda = [name for name, module in modules.items() if module.finds_cuda()]
    yield from with_cuda
    yield from (name for name in others if name not in with_cuda)


@contextmanager
def opening(backend: str, net: Net) -> Iterator[None]:
    """Turns the errors of a library into one line. Errors in the files of the net (ValueError, OSError) pass unchanged.

    Args:
        backend: the backend's name, for the message.
        net: the net that is opened.

    Raises:
        BackendUnavailableError: the library raised an error.
    """
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as exc:
        # these libraries report a position in their sources first, and the reason last
        lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
        why = lines[-1] if lines else type(exc).__name__
        raise BackendUnavailableError(f"backend {backend} cannot run {net.name!r} here: {why}") from exc


def not_installed(module: str, package: str) -> str | None:
    """Returns what to type if a Python module is missing, or None if it is installed."""
    if importlib.util.find_spec(module) is not None:
        return None
    return f"{module} is not installed; type: pip install {package}"
