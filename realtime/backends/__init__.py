"""What runs the nets: one interface, a table of implementations, and the choice among them with its reasons."""

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
    """A backend that was asked for cannot run here; the text says why and what to type."""


@dataclass(frozen=True)
class Net:
    """A net as backends load it. Without `weights` (a foreign ONNX file) it cannot run on `pytorch`.

    `style_size` is the K of its style vectors, 0 for a net with one style baked in. Frames must have a width and height
    that are multiples of `size_multiple`. For the TensorRT backend `onnx` is where an engine is built from.
    """

    name: str
    onnx: Path
    weights: Path | None
    style_size: int
    size_multiple: int


class Painter(Protocol):
    """A net loaded for one frame size. `start` up to `depth` frames, then `finish` them in the same order.

    Frames and results are H x W x 3 uint8 RGB. A result is the caller's to keep: no later frame writes into it. A frame
    must not be changed between its start and its finish.
    """

    depth: int
    description: str

    def start(self, frame: Pixels, style: Vector | None) -> None:
        """Begins to paint `frame`; style is float32[K], or None for a net with one style baked in."""

    def finish(self) -> Pixels:
        """Waits for the oldest frame begun and returns it painted."""

    def close(self) -> None:
        """Gives back what the painter holds; frames in flight are lost."""


@dataclass(frozen=True)
class Backend:
    """A way to run nets. `unavailable_reason()` is None where it can, else the reason and what to type.

    `thread_safe_open`: a painter may be opened in one thread while another one paints. `open_for_rate`: opens one that
    takes longer for a frame and does more of them, where the backend has such.
    """

    name: str
    unavailable_reason: Callable[[], str | None]
    open: Callable[[Net, int, int], Painter]
    thread_safe_open: bool = False
    open_for_rate: Callable[[Net, int, int], Painter] | None = None

    def for_files(self) -> Backend:
        """Returns the backend for frames that nobody waits for."""
        return self if self.open_for_rate is None else replace(self, open=self.open_for_rate)


@dataclass(frozen=True)
class Choice:
    """The backend that was chosen and, for `auto`, why those before it were not."""

    backend: Backend
    passed_over: Sequence[str]

    @property
    def brief_reasons(self) -> str:
        """The reasons without what to type, as "tensorrt: no NVIDIA driver"."""
        return ", ".join(re.split(r" \(|;", reason)[0] for reason in self.passed_over)

    def __str__(self) -> str:
        reasons = f" ({'; '.join(self.passed_over)})" if self.passed_over else ""
        return f"{self.backend.name}{reasons}"


# In order of preference. A module here has `unavailable_reason()` and `open_painter(net, width, height)`, and
# `open_painter_for_rate` if that differs; it imports its library inside functions, so that every module can be asked.
BACKENDS = ("tensorrt", "openvino", "onnxruntime", "pytorch")
# Left out where pictures of any size are painted.
FOR_ONE_SIZE = {"tensorrt": "engines are built for one size, and pictures have many"}
# By speed on an NVIDIA card. Their modules have `finds_cuda()`.
_ALSO_ON_CUDA = ("pytorch", "onnxruntime")
# A context of CUDA belongs to one thread at a time.
_OPENS_BESIDE = ("openvino", "onnxruntime")


def load_backend(name: str) -> Backend:
    """Returns the backend of that name; raises KeyError for a name that is not in BACKENDS."""
    if name not in BACKENDS:
        raise KeyError(name)
    module = importlib.import_module(f"realtime.backends.{name}")
    for_rate = getattr(module, "open_painter_for_rate", None)
    return Backend(name, module.unavailable_reason, module.open_painter, name in _OPENS_BESIDE, for_rate)


def choose_backend(asked: str = "auto", failed: Mapping[str, str] = MappingProxyType({})) -> Choice:
    """Returns the backend asked for, or for `auto` the first that can run.

    failed: backends that are left out, and why. Raises BackendUnavailableError.
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
    """Yields the backends, the best first: on an NVIDIA card those that use it come before those of the processor."""
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
    """Says in one line what a library could not open: raises BackendUnavailableError in place of what it raises.

    What is wrong with the files of the net (ValueError, OSError) passes.
    """
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as exc:
        # these libraries tell where in their sources they failed first, and why last
        lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
        why = lines[-1] if lines else type(exc).__name__
        raise BackendUnavailableError(f"backend {backend} cannot run {net.name!r} here: {why}") from exc


def not_installed(module: str, package: str) -> str | None:
    """Returns what to type where a Python module is missing, None where it is there."""
    if importlib.util.find_spec(module) is not None:
        return None
    return f"{module} is not installed; type: pip install {package}"
