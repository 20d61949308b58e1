"""Builds a TensorRT engine from an ONNX graph: parses, checks and builds, reports progress and can be cancelled."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from build_engines.onnx.blend import BLEND_TENSORS, FLOW, KEPT, LAST, NEW, NEW_PAINTING, view_size
from build_engines.onnx.options import FRAME, PAINTED, STYLE
from build_engines.tensorrt.variants import Variant, known_targets, last_errors, logger_of
from styles.support.atomic_file import write_atomically


class EngineBuildError(RuntimeError):
    """TensorRT did not build an engine; the message ends with its own error."""


class BuildCancelledError(RuntimeError):
    """The build was cancelled before it finished."""


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: TensorRT's name of the current phase, and the finished fraction of the whole, 0..1."""

    phase: str
    fraction: float


@dataclass(frozen=True)
class BuildOrder:
    """How to build an engine.

    Args:
        variant: the TensorRT that builds it.
        target: the architecture to build for, e.g. sm86; only TensorRT for RTX reads it.
        size: (width, height) in pixels, for graphs that leave them free.
        opt_level: 0..5, or None for TensorRT's own default.
        tf32: whether FP32 layers may compute in TF32.
        timing_cache: a file with timings of kernels, shared by all builds for one GPU.
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
    """Returns the serialized engine.

    TensorRT works in a thread of its own, so that Ctrl-C reaches this one: KeyboardInterrupt cancels the build and is
    raised again.

    Args:
        model: the serialized ONNX model.
        order: how to build the engine.
        on_progress: called after each step, from a thread of TensorRT. An error that it raises ends the build.
        cancel: setting this event cancels the build.

    Raises:
        EngineBuildError: TensorRT did not build an engine.
        BuildCancelledError: `cancel` was set.
    """
    cancel = cancel or threading.Event()
    outcome: list[bytes | Exception] = []
    finished = threading.Event()

    def work() -> None:
        try:
            outcome.append(_build(model, order, on_progress or (lambda _: None), cancel))
        except Exception as exc:  # raised again below, in the calling thread
            traceback.clear_frames(exc.__traceback__)  # the traceback must not keep TensorRT's objects alive
            outcome.append(exc)
        finally:
            finished.set()

    thread = threading.Thread(target=work, name="engine build")
    thread.start()
    try:
        # not thread.join: if KeyboardInterrupt hits it, Python 3.11 believes that the thread has ended (bpo-45274)
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
        raise EngineBuildError(f"{order.variant} built no engine: {last_errors(order.variant)}")
    if cache is not None and order.timing_cache is not None:
        write_atomically(order.timing_cache, bytes(cache.serialize()))
    on_progress(BuildProgress("built", 1.0))
    return bytes(engine)


def _network_flags(variant: Variant) -> int:
    """Returns the flag for a strongly typed network: TensorRT 10 needs it, later ones and RTX have no other kind."""
    if variant.name == "tensorrt" and int(variant.version.split(".")[0]) <= 10:
        return 1 << int(variant.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return 0


def _parse(model: bytes, variant: Variant, network: Any) -> Any:
    """Fills the network from the graph; returns the parser."""
    parser = variant.trt.OnnxParser(network, logger_of(variant))
    parsed = parser.parse(model)
    errors = " | ".join(parser.get_error(i).desc().strip() for i in range(parser.num_errors))
    if not parsed:
        raise EngineBuildError(f"{variant} does not accept this ONNX graph: {errors or last_errors(variant)}")
    if not network.num_outputs:  # parse() returns True for empty bytes and for garbage
        raise EngineBuildError("the file holds no ONNX graph")
    inputs, outputs = _inputs(network), _outputs(network)
    if {*inputs, *outputs} == BLEND_TENSORS:
        return parser
    names = sorted(inputs), sorted(outputs)
    if names not in ((([FRAME]), [PAINTED]), ([FRAME, STYLE], [PAINTED])):
        raise EngineBuildError(
            f"the graph has inputs {names[0]} and outputs {names[1]}, expected frame [and style] and painted"
        )
    for tensor in (inputs[FRAME], outputs[PAINTED]):
        shape = tuple(tensor.shape)
        if tensor.dtype != variant.trt.uint8 or len(shape) != 4 or (shape[0], shape[3]) != (1, 3):
            raise EngineBuildError(f"{tensor.name} is {tensor.dtype} {shape}, expected uint8 (1, height, width, 3)")
    return parser


def _inputs(network: Any) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in map(network.get_input, range(network.num_inputs))}


def _outputs(network: Any) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in map(network.get_output, range(network.num_outputs))}


def _aim(config: Any, order: BuildOrder) -> None:
    if order.variant.name != "rtx":
        return
    if order.target not in known_targets(order.variant):
        known = ", ".join(known_targets(order.variant))
        raise EngineBuildError(f"{order.variant} does not build for {order.target}; it builds for {known}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(order.variant.trt.ComputeCapability, order.target.upper()), 0)


def _fix_size(network: Any, order: BuildOrder) -> None:
    """Fixes the height and width of a graph that leaves them free: static engines are the fastest."""
    inputs = _inputs(network)
    if FRAME not in inputs:
        _fix_blend(inputs, order)
        return
    frame = inputs[FRAME]
    if -1 not in tuple(frame.shape):
        _, height, width, _ = frame.shape
        if order.size not in (None, (width, height)):
            raise EngineBuildError(f"the graph only takes {width}x{height}")
        return
    frame.shape = _picture_shape(order)


def _fix_blend(inputs: Mapping[str, Any], order: BuildOrder) -> None:
    picture = _picture_shape(order)
    width, height = view_size((picture[2], picture[1]))
    shapes = {LAST: picture, NEW_PAINTING: picture, FLOW: (1, 2, height, width), NEW: (1, height, width), KEPT: (1,)}
    for name, tensor in inputs.items():
        tensor.shape = shapes[name]


def _picture_shape(order: BuildOrder) -> tuple[int, int, int, int]:
    if order.size is None:
        raise EngineBuildError("the graph leaves height and width free; give them with --size, e.g. --size 640x480")
    width, height = order.size
    return 1, height, width, 3


def _load_timing_cache(config: Any, order: BuildOrder) -> Any:
    """Loads the timings of earlier builds into the builder. TensorRT for RTX has none: it measures nothing."""
    if order.timing_cache is None or order.variant.name == "rtx":
        return None
    known = order.timing_cache.read_bytes() if order.timing_cache.is_file() else b""
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b"")  # the file is from another GPU or version
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
    """Turns the nested phases that TensorRT reports into one fraction that never falls."""

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
    """Returns a monitor that reports each step. An error in `on_progress` ends the build and is added to `failures`."""
    tree, lock = PhaseTree(), threading.Lock()  # TensorRT 11 builds with several threads

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
                except Exception as exc:  # TensorRT would end the process
                    failures.append(exc)
            return not (failures or cancel.is_set())

    return Monitor()
