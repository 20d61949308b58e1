"""What `nst-build` does with engines: build, measure and list them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from build_engines.onnx.options import GraphOptions, Precision, Statistics
from build_engines.quality import NoAccuracyReportError, photographs
from build_engines.tensorrt.build import BuildCancelledError, BuildProgress, OnProgress
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.engines import (
    BLEND_SOURCE,
    BuildSource,
    BuildTarget,
    accuracy_report,
    build_engine,
    find_engine,
    find_target,
    plan_blend,
    plan_engine,
)
from build_engines.tensorrt.variants import RuntimeName, Variant, load_variant
from styles.registry import UnknownStyleError, find_style, list_networks, list_styles
from styles.support.options import Kind, Option, option
from styles.support.progress import percent_bar
from styles.support.readers import parse_size
from styles.support.terminal import closable_output, print_line
from styles.weights import is_network, read_metadata

# The size that nst-live opens cameras at.
DEFAULT_SIZE = (640, 480)
# The net that nst-live runs with TensorRT if a style has several.
_USUAL_NET = "full"
_SMALLEST_PHOTO = 16
_PHASE_LENGTH = 40
_LEVELS = 6


@dataclass(frozen=True)
class EngineOptions:
    """The options of `nst-build`."""

    styles: tuple[str, ...] = option(
        Option("styles, nets, files, or all", Kind.VALUES, default=("all",), metavar="STYLE", positional=True)
    )
    net: str | None = option(Option("build only for this net", metavar="full|fast"))
    size: tuple[tuple[int, int], ...] = option(
        Option(
            "sizes of the frames",
            Kind.VALUES,
            read=parse_size,
            default=(DEFAULT_SIZE,),
            default_text="640x480, the size that cameras are opened at",
            metavar="WxH",
        )
    )
    precision: Precision = option(Option("precision of the engine", default="fp16", choices=("fp16", "fp32")))
    statistics: Statistics = option(
        Option(
            "precision of the instance norms' mean and variance in an fp16 engine",
            default="fp32",
            choices=("fp32", "fp16"),
        )
    )
    runtime: RuntimeName = option(Option("what runs the engine", default="auto", choices=("auto", "tensorrt", "rtx")))
    target: tuple[str, ...] = option(
        Option(
            "rtx only: build for GPUs other than the one here, e.g. sm86",
            Kind.VALUES,
            default=(),
            metavar="smNN",
        )
    )
    opt_level: int | None = option(
        Option("a higher level takes longer and may run faster", read=int, choices=tuple(range(_LEVELS)))
    )
    engine_dir: Path | None = option(
        Option("folder of the engines", read=Path, default_text="in your cache folder", metavar="DIR")
    )
    onnx: Path | None = option(Option("build from an ONNX file instead of a net", read=Path, metavar="FILE"))
    rebuild: bool = option(Option("build also what exists already", Kind.FLAG, default=False))
    check: bool = option(Option("build nothing; measure existing engines again", Kind.FLAG, default=False))
    photos: Path | None = option(
        Option("measure on 20 of these pictures instead of drawn ones", read=Path, metavar="DIR")
    )
    list: bool = option(Option("list the engines that exist", Kind.FLAG, default=False))
    no_receipt: bool = option(Option("do not measure the quality of a new engine", Kind.FLAG, default=False))
    json_progress: bool = option(Option("print the progress as JSON", Kind.FLAG, default=False, hidden=True))
    debug: bool = option(Option("show the traceback of an error", Kind.FLAG, default=False))


@dataclass(frozen=True)
class _Engine:
    """One of the engines to build or to measure."""

    spec: EngineSpec
    source: BuildSource
    variant: Variant
    cache: EngineCache


def run_engines(options: EngineOptions) -> int:
    """Builds, measures or lists engines; returns the exit code, 1 if one is missing or not good enough.

    Raises:
        UnknownStyleError: there is no such style or net.
        FileNotFoundError: there is no such file.
        EngineBuildError: an engine cannot be built.
    """
    cache = EngineCache(options.engine_dir)
    if options.list:
        with closable_output():
            _list(cache)
        return 0
    if options.photos is not None:
        # finds a wrong folder before a long build
        photographs(options.photos, _SMALLEST_PHOTO, _SMALLEST_PHOTO, count=1)
    work: Callable[[EngineOptions, _Engine], bool] = _check if options.check else _build
    try:
        results = [work(options, engine) for engine in _plan(options, cache)]
    except BuildCancelledError as exc:
        raise KeyboardInterrupt from exc
    return 0 if all(results) else 1


def sources(options: EngineOptions) -> list[BuildSource]:
    """Returns the nets that the options name, each once.

    Raises:
        UnknownStyleError: there is no such style or net.
        FileNotFoundError: there is no such file.
    """
    if options.onnx is not None:
        if not options.onnx.is_file():
            raise FileNotFoundError(f"no ONNX file at {options.onnx}")
        return [BuildSource(options.onnx.stem, None, options.onnx)]
    files = [path for name in options.styles for path in _weights_files(name, options.net)]
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no weights file at {path}")
    return [BuildSource(path.stem, path) for path in dict.fromkeys(files)]


def _plan(options: EngineOptions, cache: EngineCache) -> Sequence[_Engine]:
    variant = _variant(options)
    graph = GraphOptions(options.precision, options.statistics)
    targets: Sequence[BuildTarget] = [find_target(variant, name) for name in options.target or (None,)]
    places = [(size, target) for size in dict.fromkeys(options.size) for target in targets]
    nets = [
        _Engine(
            plan_engine(source, size, variant, target, options=graph, opt_level=options.opt_level),
            source,
            variant,
            cache,
        )
        for source in sources(options)
        for size, target in places
    ]
    blends = [
        _Engine(plan_blend(size, variant, target, options.opt_level), BLEND_SOURCE, variant, cache)
        for size, target in places
    ]
    return [*nets, *blends]


def _variant(options: EngineOptions) -> Variant:
    """Returns the variant to build with. --target implies TensorRT for RTX: the other one only builds for this GPU."""
    return load_variant("rtx" if options.target and options.runtime == "auto" else options.runtime)


def _weights_files(name: str, net: str | None) -> Sequence[Path]:
    """Returns the weights files that a name stands for: all nets, a net, a file, or the net of a style."""
    networks = list_networks()
    if name == "all":
        chosen = [path for network, path in networks.items() if net in (None, network)]
        if not chosen:
            raise UnknownStyleError(f"there is no net{f' {net!r}' if net else ''} to build")
        return chosen
    if name in networks:
        return [networks[name]]
    if Path(name).suffix == ".safetensors" and not _holds_style_alone(Path(name)):
        return [Path(name)]
    return [find_style(name, net or _usual_net_of(name)).network_path]


def _usual_net_of(style: str) -> str | None:
    return _USUAL_NET if any(each.name == style for each in list_styles(_USUAL_NET)) else None


def _holds_style_alone(path: Path) -> bool:
    return path.is_file() and not is_network(read_metadata(path))


def _build(options: EngineOptions, engine: _Engine) -> bool:
    stored, reason = find_engine(engine.spec, engine.cache)
    if stored is not None and not options.rebuild:
        _report(options, stored, "exists")
        return True
    with _progress(options, reason or f"{engine.spec.file_name} exists") as on_progress:
        stored = build_engine(engine.spec, engine.source, engine.variant, engine.cache, on_progress=on_progress)
    _report(options, stored, f"built in {stored.metadata['build_s']} s")
    if not options.no_receipt:
        _measure(options, stored, engine)
    return True


def _check(options: EngineOptions, engine: _Engine) -> bool:
    stored, reason = find_engine(engine.spec, engine.cache)
    if stored is None:
        print_line(reason, sys.stdout)
        return False
    _report(options, stored, "can be used")
    return _measure(options, stored, engine)


def _measure(options: EngineOptions, stored: StoredEngine, engine: _Engine) -> bool:
    """Measures the quality and adds it to the side file. Returns False if it is below the floor."""
    try:
        quality = accuracy_report(stored, engine.source, engine.variant, options.photos)
    except NoAccuracyReportError as exc:
        print_line(f"  {exc}")
        return True
    if quality is None:
        return True
    engine.cache.amend(stored, {"quality": asdict(quality)})
    print_line(f"  {quality}", sys.stdout if quality.good else sys.stderr)
    return quality.good


def _report(options: EngineOptions, stored: StoredEngine, state: str) -> None:
    if options.json_progress:
        print_line(json.dumps({"event": "done", "engine": str(stored.path)}), sys.stdout)
    else:
        print_line(f"{stored.path}  {stored.path.stat().st_size / 1e6:.1f} MB, {state}", sys.stdout)


def _list(cache: EngineCache) -> None:
    engines = list(cache.list())
    for engine in engines:
        if isinstance(engine, UnusableEngineError):
            print_line(str(engine), sys.stdout)
            continue
        quality = engine.metadata.get("quality")
        measured = f", {quality['psnr_db']:.1f} dB" if isinstance(quality, dict) else ""
        made_with = f"{engine.spec.runtime} {engine.spec.runtime_version}"
        print_line(f"{engine.path.name}  {made_with}, {engine.spec.gpu or engine.spec.target}{measured}", sys.stdout)
    if not engines:
        print_line(f"no engines in {cache.folder}", sys.stdout)


@contextmanager
def _progress(options: EngineOptions, reason: str) -> Iterator[OnProgress]:
    if options.json_progress:
        yield lambda progress: print_line(json.dumps({"event": "progress", **asdict(progress)}), sys.stdout)
        return
    print_line(f"{reason}; building it")
    with percent_bar("starting") as show:

        def report(progress: BuildProgress) -> None:
            show(progress.fraction, progress.phase[:_PHASE_LENGTH])

        yield report
