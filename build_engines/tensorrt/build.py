"""ONNX → TensorRT engine: parses, checks and builds, with progress, and can be cancelled."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build_engines.onnx.options import FRAME, PAINTED, STYLE
from build_engines.tensorrt.variants import Variant, known_targets, last_words, logger_of
from styles.support.atomic_file import write_atomically


class EngineBuildError(RuntimeError):
    """TensorRT would not build an engine; the text ends with what it said itself."""


class BuildCancelledError(RuntimeError):
    """The build was cancelled before its end."""


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: TensorRT's name of what it does, and the done part of the whole, 0..1."""

    phase: str
    fraction: float


@dataclass(frozen=True)
class BuildOrder:
    """What to build with: `target` (sm86) for TensorRT for RTX, `opt_level` 0..5 or None for TensorRT's own default.

    `size` (width, height) is for graphs that leave them free. `timing_cache` is a file shared by the builds of a GPU.
    """

    variant: Variant
    target: str
    size: tuple[int, int] | None = None
    opt_level: int | None = None
    tf32: bool = False
    timing_cache: Path | None = None


OnProgress = Callable[[BuildProgress], None]


def engine_from_onnx(
    model: bytes, order: BuildOrder, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
) -> bytes:
    """Returns the serialized engine. Raises EngineBuildError, or BuildCancelledError where `cancel` was set.

    TensorRT works in a thread of its own, so that Ctrl-C reaches this one: KeyboardInterrupt cancels and is passed on.
    """
    cancel = cancel or threading.Event()
    outcome: list[bytes | Exception] = []
    finished = threading.Event()

    def work() -> None:
        try:
            outcome.append(_build(model, order, on_progress or (lambda _: None), cancel))
        except Exception as exc:  # crosses the thread below
            traceback.clear_frames(exc.__traceback__)  # TensorRT's objects must not live on in it until the end
            outcome.append(exc)
        finally:
            finished.set()

    thread = threading.Thread(target=work, name="engine build")
    thread.start()
    try:
        # not thread.join: a KeyboardInterrupt in it makes Python 3.11 take the running thread for ended (bpo-45274)
        while not finished.wait(0.1):
            pass
    except BaseException:
        cancel.set()
        finished.wait()
        raise
    finally:
        thread.join()
    result = outcome[0]
    if isinstance(result, Exception):
        raise result
    return result


def _build(model: bytes, order: BuildOrder, on_progress: OnProgress, cancel: threading.Event) -> bytes:
    trt, logger = order.variant.trt, logger_of(order.variant)
    logger.lines.clear()
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(order.variant))
    parser = _parse(model, order.variant, network)  # owns the weights until the engine is built
    config = builder.create_builder_config()
    _aim(config, order)
    _fix_size(network, order)
    if order.opt_level is not None:
        config.builder_optimization_level = order.opt_level
    if not order.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    failures: list[Exception] = []
    config.progress_monitor = _progress_monitor(trt, on_progress, cancel, failures)
    cache = _load_timing_cache(config, order)
    engine = builder.build_serialized_network(network, config)
    del parser
    if failures:
        raise failures[0]
    if cancel.is_set():
        raise BuildCancelledError("the build was cancelled")
    if engine is None:
        raise EngineBuildError(f"{order.variant} built no engine: {last_words(order.variant)}")
    if cache is not None and order.timing_cache is not None:
        write_atomically(order.timing_cache, bytes(cache.serialize()))
    on_progress(BuildProgress("built", 1.0))
    return bytes(engine)


def _network_flags(variant: Variant) -> int:
    """Strongly typed networks: an option of TensorRT 10, the only kind of TensorRT 11 and of TensorRT for RTX."""
    if variant.name == "tensorrt" and int(variant.version.split(".")[0]) <= 10:
        return 1 << int(variant.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 0


def _parse(model: bytes, variant: Variant, network: Any) -> Any:
    """Fills the network from the graph; returns the parser."""
    parser = variant.trt.OnnxParser(network, logger_of(variant))
    parsed = parser.parse(model)
    errors = " | ".join(parser.get_error(i).desc().strip() for i in range(parser.num_errors))
    if not parsed:
        raise EngineBuildError(f"{variant} does not take this ONNX graph: {errors or last_words(variant)}")
    if not network.num_outputs:  # parse() returns True for empty bytes and for garbage
        raise EngineBuildError("this file holds no ONNX graph")
    inputs = {tensor.name: tensor for tensor in map(network.get_input, range(network.num_inputs))}
    outputs = {tensor.name: tensor for tensor in map(network.get_output, range(network.num_outputs))}
    names = sorted(inputs), sorted(outputs)
    if names not in ((([FRAME]), [PAINTED]), ([FRAME, STYLE], [PAINTED])):
        raise EngineBuildError(f"the graph goes from {names[0]} to {names[1]}, expected frame [and style] to painted")
    for tensor in (inputs[FRAME], outputs[PAINTED]):
        shape = tuple(tensor.shape)
        if tensor.dtype != variant.trt.uint8 or len(shape) != 4 or (shape[0], shape[3]) != (1, 3):
            raise EngineBuildError(f"{tensor.name} is {tensor.dtype} {shape}, expected uint8 (1, height, width, 3)")
    return parser


def _aim(config: Any, order: BuildOrder) -> None:
    if order.variant.name != "rtx":
        return
    if order.target not in known_targets(order.variant):
        known = ", ".join(known_targets(order.variant))
        raise EngineBuildError(f"{order.variant} does not build for {order.target}; it knows {known}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(order.variant.trt.ComputeCapability, order.target.upper()), 0)


def _fix_size(network: Any, order: BuildOrder) -> None:
    """Fixes the height and width of a graph that leaves them free: static engines are the fastest."""
    frame = next(tensor for tensor in map(network.get_input, range(network.num_inputs)) if tensor.name == FRAME)
    if -1 not in tuple(frame.shape):
        _, height, width, _ = frame.shape
        if order.size not in (None, (width, height)):
            raise EngineBuildError(f"the graph is for {width}x{height} alone")
        return
    if order.size is None:
        raise EngineBuildError("the graph leaves height and width free: say which with --size")
    width, height = order.size
    frame.shape = (1, height, width, 3)


def _load_timing_cache(config: Any, order: BuildOrder) -> Any:
    """Gives the builder the timings of earlier builds. TensorRT for RTX measures nothing while it builds."""
    if order.timing_cache is None or order.variant.name == "rtx":
        return None
    known = order.timing_cache.read_bytes() if order.timing_cache.is_file() else b""
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")  # of another GPU or version
        config.set_timing_cache(cache, False)
    return cache


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0
    inside: float = 0.0


@dataclass
class PhaseTree:
    """The nested phases that TensorRT reports, as one fraction that never falls."""

    phases: dict[str, _Phase] = field(default_factory=dict)
    fraction: float = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        self.phases[name] = _Phase(parent, max(1, steps))

    def step(self, name: str, step: int) -> BuildProgress:
        phase = self.phases[name]
        phase.done, phase.inside = step + 1, 0.0
        while True:
            part = min(1.0, (phase.done + phase.inside) / phase.steps)
            if phase.parent is None or phase.parent not in self.phases:
                break
            phase = self.phases[phase.parent]
            phase.inside = part
        self.fraction = max(self.fraction, part)
        return BuildProgress(name, self.fraction)

    def finish(self, name: str) -> None:
        phase = self.phases.pop(name)
        if phase.parent in self.phases:
            self.phases[phase.parent].inside = 0.0


def _progress_monitor(trt: Any, on_progress: OnProgress, cancel: threading.Event, failures: list[Exception]) -> Any:
    """Returns a monitor that passes on each step; an error in `on_progress` ends the build and goes to `failures`."""
    tree, lock = PhaseTree(), threading.Lock()  # TensorRT 11 builds in several threads

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with lock:
                tree.start(phase_name, parent_phase, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            with lock:
                tree.finish(phase_name)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with lock:
                progress = tree.step(phase_name, step)
                try:
                    on_progress(progress)
                except Exception as exc:  # TensorRT would end the process with it
                    failures.append(exc)
            return not (failures or cancel.is_set())

    return Monitor()
