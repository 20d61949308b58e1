"""From a trained net to an engine in the cache: the plan, the build and the accuracy report."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from build_engines.gpus import Gpu, NoGpuError, first_gpu
from build_engines.onnx.cache import check_exporter, read_onnx_metadata
from build_engines.onnx.layout import check_size, check_steps, plain_style
from build_engines.onnx.options import BLEND_GRAPH, GRAPH_VERSION, GraphOptions
from build_engines.quality import (
    AccuracyReport,
    Vector,
    fp32_reference,
    measure_quality,
    paint_with_onnxruntime,
    photographs,
    sample_frames,
    with_fp16_storage,
)
from build_engines.tensorrt.build import BuildOrder, OnProgress, engine_from_onnx
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.run import paint_with_engine
from build_engines.tensorrt.variants import Variant, known_targets
from styles.registry import NETWORK_SHA256, list_styles, network_sha256
from styles.weights import file_sha256, load_network, load_style

# (width, height) at which the graph is compared on the CPU: it takes seconds and still reveals an overflow.
_CPU_CHECK_SIZE = (256, 192)


class TargetError(ValueError):
    """No engine can be built for the given GPU."""


@dataclass(frozen=True)
class BuildSource:
    """What an engine is built from: the weights file of a net, or a foreign ONNX file that maps frame to painted."""

    name: str
    weights: Path | None
    onnx: Path | None = None

    @property
    def sha256(self) -> str:
        if self.weights is not None:
            return network_sha256(self.weights)
        assert self.onnx is not None
        return file_sha256(self.onnx)


# The blend of paintings: there is one engine for each frame size and GPU, whatever the net.
BLEND_SOURCE = BuildSource("stabilizer", None, BLEND_GRAPH)


@dataclass(frozen=True)
class BuildTarget:
    """The GPU that an engine is for: its architecture, e.g. sm86, and its name if the engine only fits that model."""

    name: str
    gpu: str = ""


def find_target(variant: Variant, asked: str | None = None) -> BuildTarget:
    """Returns the target to build for.

    Args:
        variant: the TensorRT that builds.
        asked: an architecture, e.g. sm86; by default that of this machine's GPU.

    Raises:
        TargetError: the variant cannot build for that target.
        NoGpuError: the target depends on this machine's GPU, and there is none.
    """
    if variant.name == "rtx" and asked is not None:
        if asked not in known_targets(variant):
            known = ", ".join(known_targets(variant))
            raise TargetError(f"{variant} does not build for {asked!r}; it builds for {known}")
        return BuildTarget(asked)
    try:
        gpu = first_gpu()
    except NoGpuError as exc:
        if variant.name == "rtx":
            raise NoGpuError(f"{exc}; to build for another machine, name its GPU, e.g. --target sm86") from exc
        raise NoGpuError(
            f"{exc}; tensorrt tunes engines on the GPU itself; to build without one, type: --runtime rtx"
        ) from exc
    if variant.name == "rtx":
        if gpu.target not in known_targets(variant):
            raise TargetError(f"{variant} does not support {gpu.name} ({gpu.target}); type: --runtime tensorrt")
        return BuildTarget(gpu.target)
    if asked not in (None, gpu.target):
        raise TargetError(
            f"tensorrt builds for this machine's GPU ({gpu.target}), not for {asked!r}; type: --runtime rtx"
        )
    return BuildTarget(gpu.target, gpu.name)


def plan_engine(
    source: BuildSource,
    size: tuple[int, int],
    variant: Variant,
    target: BuildTarget,
    *,
    options: GraphOptions | None = None,
    opt_level: int | None = None,
) -> EngineSpec:
    """Returns the spec of an engine.

    Args:
        source: what the engine is built from.
        size: (width, height) of the frames in pixels.
        variant: the TensorRT that builds and runs it.
        target: the GPU that it is for.
        options: the precision of the graph; by default FP16 with FP32 statistics.
        opt_level: 0..5, or None for TensorRT's own default.

    Raises:
        FrameSizeError: the net cannot paint frames of this size.
        WeightsError: the weights cannot be read.
        OnnxFileError: the source is not an ONNX model.
        FileNotFoundError: there is no such file.
    """
    options = options or GraphOptions("fp16")
    if source.weights is not None:
        check_size(load_network(source.weights).config, *size)
    elif source.onnx is not None:  # TensorRT itself accepts frames that are smaller than their padding
        metadata = read_onnx_metadata(source.onnx)
        multiple, least = (int(metadata.get(key, 1)) for key in ("size_multiple", "smallest_side"))
        check_steps(source.name, *size, multiple=multiple, least=least)
    statistics = options.statistics if options.precision == "fp16" else "fp32"
    return EngineSpec(
        network=source.name,
        source_sha256=source.sha256,
        graph_version=GRAPH_VERSION,
        width=size[0],
        height=size[1],
        precision=options.precision,
        statistics=statistics,
        runtime=variant.name,
        runtime_version=variant.version,
        target=target.name,
        gpu=target.gpu,
        opt_level=opt_level,
    )


def plan_blend(
    size: tuple[int, int], variant: Variant, target: BuildTarget, opt_level: int | None = None
) -> EngineSpec:
    """Returns the spec of the engine that blends paintings of a size; see `plan_engine`."""
    return plan_engine(BLEND_SOURCE, size, variant, target, options=GraphOptions("fp32"), opt_level=opt_level)


def build_engine(
    spec: EngineSpec,
    source: BuildSource,
    variant: Variant,
    cache: EngineCache,
    *,
    on_progress: OnProgress | None = None,
    cancel: threading.Event | None = None,
) -> StoredEngine:
    """Builds an engine and stores it in the cache.

    Args:
        spec: the engine to build.
        source: what it is built from.
        variant: the TensorRT that builds it.
        cache: where to store it.
        on_progress: called after each step, from a thread of TensorRT.
        cancel: setting this event cancels the build.

    Raises:
        EngineBuildError: TensorRT did not build an engine.
        BuildCancelledError: `cancel` was set.
        NoExporterError: the net must be exported, and onnx is not installed.
        WeightsError: the weights cannot be read or do not fit the net.
    """
    cache.sweep()
    model = _graph(source, graph_options(spec))
    order = BuildOrder(
        variant,
        spec.target,
        size=(spec.width, spec.height),
        opt_level=spec.opt_level,
        timing_cache=cache.folder / f"timing-{variant.name}-{variant.version}-{spec.target}.cache",
    )
    begin = time.monotonic()
    engine = engine_from_onnx(model, order, on_progress, cancel)
    gpu = _gpu_here()
    metadata: dict[str, object] = {
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "build_s": round(time.monotonic() - begin, 3),
        "engine_bytes": len(engine),
        "onnx_sha256": hashlib.sha256(model).hexdigest(),
        "source": str(source.weights or source.onnx),
        "built_on": None if gpu is None else asdict(gpu),
    }
    return cache.store(spec, engine, metadata)


def graph_options(spec: EngineSpec) -> GraphOptions:
    """Returns the options of the graph that an engine is built from."""
    return GraphOptions(spec.precision, spec.statistics, (spec.width, spec.height))


def find_engine(spec: EngineSpec, cache: EngineCache) -> tuple[StoredEngine | None, str]:
    """Returns the engine of that spec and "", or None and the reason why it must be built."""
    try:
        return cache.find(spec), ""
    except UnusableEngineError as exc:
        return None, str(exc)


def accuracy_report(
    stored: StoredEngine, source: BuildSource, variant: Variant, photos: Path | None = None
) -> AccuracyReport | None:
    """Measures an engine against its net in FP32.

    If the engine cannot run on this machine, its graph is measured under ONNX Runtime instead.

    Args:
        stored: the engine.
        source: what it was built from.
        variant: the TensorRT that runs it.
        photos: a folder of pictures to measure on; by default the frames are drawn.

    Returns:
        The report, or None for a foreign ONNX file, which has no net to compare with.

    Raises:
        NoAccuracyReportError: nothing that could measure the quality is installed.
        FileNotFoundError: the folder has no pictures.
    """
    if source.weights is None:
        return None
    runs_here = _unavailable_reason(stored.spec) is None
    width, height = (stored.spec.width, stored.spec.height) if runs_here else _CPU_CHECK_SIZE
    reference = fp32_reference(source.weights)
    styles = styles_of(source)
    frames = sample_frames(width, height) if photos is None else photographs(photos, width, height)
    if runs_here:
        with paint_with_engine(stored, variant) as paint:
            return measure_quality((f"the engine on {stored.spec.target}", paint), reference, frames, styles)
    model = _graph(source, replace(graph_options(stored.spec), size=None))
    name = f"the {stored.spec.precision.upper()} graph under ONNX Runtime"
    if stored.spec.precision == "fp16":
        model, name = with_fp16_storage(model), f"{name}, rounded like on a GPU"
    paint = paint_with_onnxruntime(model)
    return measure_quality((name, paint), reference, frames, styles)


def styles_of(source: BuildSource) -> Mapping[str, Vector | None]:
    """Returns the vectors of a net's styles by name. For a net with one style baked in, its own name maps to None."""
    assert source.weights is not None
    weights = load_network(source.weights)
    if weights.vector is not None:
        return {source.name: None}
    beside = source.weights.with_suffix("").glob("*.safetensors")
    files = {path.stem: path for path in beside} | {style.name: style.path for style in list_styles(source.name)}
    styles = {name: load_style(path) for name, path in sorted(files.items())}
    belonging = {
        name: style.vector for name, style in styles.items() if style.metadata.get(NETWORK_SHA256) == weights.sha256
    }
    return belonging or {"plain": plain_style(weights.config)}


def _graph(source: BuildSource, options: GraphOptions) -> bytes:
    if source.weights is None:
        assert source.onnx is not None
        return source.onnx.read_bytes()
    check_exporter()
    from build_engines.onnx.graph import onnx_from_network

    model: bytes = onnx_from_network(load_network(source.weights), options).SerializeToString()
    return model


def _gpu_here() -> Gpu | None:
    try:
        return first_gpu()
    except NoGpuError:
        return None


def _unavailable_reason(spec: EngineSpec) -> str | None:
    gpu = _gpu_here()
    if gpu is None:
        return "no GPU"
    if importlib.util.find_spec("pycuda") is None:
        return "pycuda is not installed"
    return None if gpu.target == spec.target else f"built for {spec.target}, but this GPU is {gpu.target}"
