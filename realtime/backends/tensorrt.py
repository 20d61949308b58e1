"""TensorRT on NVIDIA GPUs: engines that `nst-build` made, run with pycuda."""

from __future__ import annotations

from build_engines.doctor import no_tensorrt_reason
from build_engines.gpus import NoGpuError, first_gpu
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.engines import BuildSource, BuildTarget, TargetError, find_target, plan_blend, plan_engine
from build_engines.tensorrt.run import NoPycudaError, load_pycuda
from build_engines.tensorrt.variants import NoTensorRTError, Variant, load_variant
from realtime.backends import BackendUnavailableError, Net, Painter
from realtime.backends.pycuda_device import PycudaDevice
from realtime.backends.slots import SlotPainter
from realtime.backends.tensorrt_nets import TensorRTBlend, TensorRTNet


class EngineMissingError(BackendUnavailableError):
    """The engine is not built, or out of date.

    Args:
        message: what is missing and what to type.
        argv: the arguments with which nst-build builds the engine.
    """

    def __init__(self, message: str, argv: tuple[str, ...]) -> None:
        super().__init__(message)
        self.argv = argv


def unavailable_reason() -> str | None:
    """Returns why TensorRT cannot run here and what to type, None if it can."""
    return no_tensorrt_reason()


def open_painter(net: Net, width: int, height: int) -> Painter:
    """Returns a painter with the engine of `net` at this size.

    Args:
        net: the net.
        width: of the frames.
        height: of the frames.

    Raises EngineMissingError if nst-build has to be run first, BackendUnavailableError if that would not help.
    """
    if reason := unavailable_reason():
        raise BackendUnavailableError(f"backend tensorrt cannot run here: {reason}")
    variant = load_variant(gpu=first_gpu())
    stored = find_engine(net, width, height, variant)
    try:
        driver = load_pycuda()
    except (NoGpuError, NoPycudaError) as exc:
        raise BackendUnavailableError(f"backend tensorrt cannot run here: {exc}") from exc
    try:
        device = PycudaDevice(driver)
        with device.current():
            engine = TensorRTNet(device, stored, variant)
            blend = _open_blend(device, engine, stored.spec, variant)
        return SlotPainter(device, engine, width, height, blend=blend)
    except UnusableEngineError as exc:
        # by what is written beside it, it is the right engine: nst-build would not build it again by itself
        raise _missing(net, stored.spec, exc, "--rebuild") from exc
    except (MemoryError, RuntimeError, driver.Error) as exc:  # a full GPU memory, an engine that does not run
        raise BackendUnavailableError(f"backend tensorrt cannot run {net.name!r} here: {exc}") from exc


def find_engine(net: Net, width: int, height: int, variant: Variant) -> StoredEngine:
    """Returns the engine that fits this GPU. Raises EngineMissingError or BackendUnavailableError."""
    source = BuildSource(net.name, net.weights, net.onnx)
    try:
        spec = plan_engine(source, (width, height), variant, find_target(variant))
        return EngineCache().find(spec)
    except UnusableEngineError as exc:
        raise _missing(net, spec, exc) from exc
    except (TargetError, NoGpuError, NoTensorRTError, ValueError) as exc:
        raise BackendUnavailableError(f"backend tensorrt cannot run {net.name!r} here: {exc}") from exc


def _open_blend(device: PycudaDevice, net: TensorRTNet, spec: EngineSpec, variant: Variant) -> TensorRTBlend | None:
    """Returns the blend of paintings of a net; without an engine for it, None, and the net's description says so."""
    wanted = plan_blend((spec.width, spec.height), variant, BuildTarget(spec.target, spec.gpu))
    try:
        return TensorRTBlend(device, EngineCache().find(wanted), variant)
    except UnusableEngineError as exc:
        net.description += f" (blending on the processor: {exc}; nst-build builds it)"
        return None


def _missing(net: Net, spec: EngineSpec, exc: UnusableEngineError, *more: str) -> EngineMissingError:
    what = (str(net.weights),) if net.weights is not None else ("--onnx", str(net.onnx))
    argv = (*what, "--size", f"{spec.width}x{spec.height}", "--runtime", spec.runtime, *more)
    return EngineMissingError(
        f"no engine for {net.name!r} at {spec.width}x{spec.height} on this GPU ({exc}); "
        f"build it with: nst-build {' '.join(argv)}",
        argv,
    )
