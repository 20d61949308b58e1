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
# Runs a graph: its inputs by name, and its outputs by name.
Graph = Callable[[Mapping[str, NDArray[np.generic]]], Mapping[str, NDArray[np.float32]]]


class BackendUnavailableError(RuntimeError):
    """A backend that was asked for cannot run here; the message says why and what to type."""


@dataclass(frozen=True)
class Net:
    """A net as backends load it.

    Args:
        name: of the net.
        onnx: its graph; TensorRT engines are built from it.
        weights: its weights; None for a graph from elsewhere, which cannot run on `pytorch`.
        style_size: the K of its style vectors, 0 for a net with one style baked in.
        size_multiple: the width and height of frames must be multiples of it.
    """

    name: str
    onnx: Path
    weights: Path | None
    style_size: int
    size_multiple: int


@dataclass(frozen=True, eq=False)
class Blend:
    """How much of the last painting goes into the next one. The frame in which motion is looked for is h x w.

    Args:
        flow: where each of its pixels was, as an offset in pixels of the painting, x and y: 2 x h x w float32.
        new: 255 where nothing of the last painting stays, else 0; h x w uint8.
        kept: how much of the last painting stays elsewhere, 0..1.
    """

    flow: NDArray[np.float32]
    new: NDArray[np.uint8]
    kept: float


class Blender(Protocol):
    """Keeps the last painting on the device that paints, and blends it into the next one there."""

    def finish(self, blend: Blend | None) -> Pixels:
        """Waits for the painter's oldest frame in flight, and returns it blended; that is also what is kept of it.

        Args:
            blend: how; None to keep nothing of the last painting.
        """

    def kept(self) -> Pixels | None:
        """Returns what is kept of the last painting, H x W x 3 uint8 RGB; None if there is nothing."""

    def keep(self, painted: Pixels) -> None:
        """Keeps a painting, H x W x 3 uint8 RGB, in place of the last one."""


class Painter(Protocol):
    """A net that is loaded for one frame size. `start` up to `depth` frames, then `finish` them in the same order.

    Frames and results are H x W x 3 uint8 RGB. The caller may keep a result: no later frame writes into it. A frame
    must not be changed between its start and its finish. `blender` finishes frames in place of `finish` if paintings
    are to be blended; it is None if that is left to the processor.
    """

    depth: int
    blender: Blender | None

    @property
    def description(self) -> str:
        """What paints, in a few words; more of it may be known later."""

    def start(self, frame: Pixels, style: Vector | None) -> None:
        """Starts to paint a frame.

        Args:
            frame: H x W x 3 uint8 RGB.
            style: float32[K], or None for a net with one style baked in.
        """

    def finish(self) -> Pixels:
        """Waits for the oldest frame in flight and returns it painted."""

    def close(self) -> None:
        """Gives back what the painter holds; frames in flight are lost."""


@dataclass(frozen=True)
class Backend:
    """A way to run nets.

    Args:
        name: as it is typed.
        unavailable_reason: returns why it cannot run here and what to type, None if it can.
        open: opens a painter for a net and a width and height. Raises BackendUnavailableError.
        thread_safe_open: whether a painter may be opened in one thread while another one paints.
        open_for_rate: opens a painter that takes longer for each frame and paints more of them, if there is one.
    """

    name: str
    unavailable_reason: Callable[[], str | None]
    open: Callable[[Net, int, int], Painter]
    thread_safe_open: bool = False
    open_for_rate: Callable[[Net, int, int], Painter] | None = None

    def for_files(self) -> Backend:
        """Returns the backend for frames that nobody watches as they are painted."""
        return self if self.open_for_rate is None else replace(self, open=self.open_for_rate)


@dataclass(frozen=True)
class Choice:
    """The backend that was chosen and, for `auto`, why those before it cannot run."""

    backend: Backend
    passed_over: Sequence[str]

    @property
    def brief_reasons(self) -> str:
        """The reasons without what to type, e.g. "tensorrt: no NVIDIA driver"."""
        return ", ".join(re.split(r" \(|;", reason)[0] for reason in self.passed_over)

    def __str__(self) -> str:
        reasons = f" ({'; '.join(self.passed_over)})" if self.passed_over else ""
        return f"{self.backend.name}{reasons}"


# In order of preference. A module here has `unavailable_reason()` and `open_painter(net, width, height)`, and
# `open_painter_for_rate` if that differs; it imports its library inside functions, so that every module can be asked.
BACKENDS = ("tensorrt", "openvino", "onnxruntime", "pytorch")
# Left out for pictures, which come in all sizes.
FOR_ONE_SIZE = {"tensorrt": "engines are built for one size, and pictures have many"}
# Where paintings are blended by the graph of build_engines/onnx/blend.py, on the device that paints them. On processors
# OpenCV does it, with bytes: by a measurement (docs/lab/stabilizer.md, `python -m tools.measure_blend`) it takes a
# fraction of the time of that graph in OpenVINO or ONNX Runtime.
BLENDS_BY_GRAPH = ("cuda",)
# What also runs graphs that are not nets: their modules have `open_graph(onnx)`.
_WITH_GRAPHS = ("openvino", "onnxruntime")
# By speed on an NVIDIA card. Their modules have `finds_cuda()`.
_ALSO_ON_CUDA = ("pytorch", "onnxruntime")
# A CUDA context belongs to one thread at a time.
_THREAD_SAFE = ("openvino", "onnxruntime")


def open_graph(onnx: Path) -> Graph:
    """Returns a small graph that is run once in a while, on the processor.

    Raises BackendUnavailableError if nothing here can run it.
    """
    reasons = []
    for name in _WITH_GRAPHS:
        module = importlib.import_module(f"realtime.backends.{name}")
        reason = module.unavailable_reason()
        if reason is None:
            try:
                graph: Graph = module.open_graph(onnx)
                return graph
            except Exception as exc:  # whatever its library raises: the next one may do
                reason = reason_in(exc)
        reasons.append(f"{name}: {reason}")
    raise BackendUnavailableError(f"{onnx} cannot be run here: {'; '.join(reasons)}")


def load_backend(name: str) -> Backend:
    """Returns the backend of that name. Raises KeyError for a name that is not in BACKENDS."""
    if name not in BACKENDS:
        raise KeyError(name)
    module = importlib.import_module(f"realtime.backends.{name}")
    return Backend(
        name,
        module.unavailable_reason,
        module.open_painter,
        name in _THREAD_SAFE,
        getattr(module, "open_painter_for_rate", None),
    )


def choose_backend(asked: str = "auto", failed: Mapping[str, str] = MappingProxyType({})) -> Choice:
    """Returns the backend asked for, or for `auto` the first that can run.

    Args:
        asked: one of BACKENDS or "auto".
        failed: the backends that `auto` leaves out, each with the reason.

    Raises BackendUnavailableError.
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
    """Yields the backends, the best first: on an NVIDIA card those that use it come before those on the processor."""
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
    """Turns what a library raises when it opens a net into a BackendUnavailableError of one line.

    Errors in the files of the net (ValueError, OSError) pass.

    Args:
        backend: the name of the backend.
        net: what is opened.
    """
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as exc:
        raise BackendUnavailableError(f"backend {backend} cannot run {net.name!r} here: {reason_in(exc)}") from exc


def reason_in(exc: Exception) -> str:
    """Returns the line of a library's error that says why: they print first where in their sources they failed."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[-1] if lines else type(exc).__name__


def not_installed(module: str, package: str) -> str | None:
    """Returns what to type if a Python module is not installed, None if it is."""
    if importlib.util.find_spec(module) is not None:
        return None
    return f"{module} is not installed; type: pip install {package}"
