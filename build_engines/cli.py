"""`nst-build`: makes TensorRT engines and ONNX files from trained nets, and says what this machine can run."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from build_engines.doctor import print_report
from build_engines.gpus import NoGpuError
from build_engines.onnx.cache import NoExporterError, OnnxFileError, write_onnx
from build_engines.onnx.layout import FrameSizeError
from build_engines.onnx.options import GraphOptions
from build_engines.quality import NoReceiptError, photographs
from build_engines.tensorrt.build import BuildCancelledError, BuildProgress, EngineBuildError, OnProgress
from build_engines.tensorrt.cache import EngineCache, EngineSpec, StoredEngine, UnusableEngineError
from build_engines.tensorrt.engines import (
    BuildSource,
    TargetError,
    build_engine,
    find_engine,
    find_target,
    plan_engine,
    quality_receipt,
)
from build_engines.tensorrt.run import NoPycudaError
from build_engines.tensorrt.variants import NoTensorRTError, RuntimeName, Variant, load_flavour
from styles.registry import (
    StyleMismatchError,
    UnknownStyleError,
    find_style,
    list_networks,
    list_styles,
    network_path,
)
from styles.weights import WeightsError, is_network, read_metadata

# What each error means to a shell. In this order: the first class that fits decides.
EXIT_CODES: Mapping[type[Exception], int] = {
    UnknownStyleError: 2,
    FrameSizeError: 2,
    TargetError: 2,
    WeightsError: 3,
    StyleMismatchError: 3,
    OnnxFileError: 3,
    FileNotFoundError: 3,
    NoExporterError: 4,
    NoTensorRTError: 4,
    NoGpuError: 4,
    NoPycudaError: 4,
    EngineBuildError: 1,
    UnusableEngineError: 1,
    OSError: 1,
}
INTERRUPTED = 130
# As nst-live opens cameras.
DEFAULT_SIZE = (640, 480)
# The net that nst-live runs with TensorRT, where a style has several.
_USUAL_NET = "full"

_error_console = Console(stderr=True, highlight=False, soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-build`; returns the exit code (2 usage, 3 unreadable input, 4 missing software, 130 Ctrl-C)."""
    arguments = _parse(list(sys.argv[1:] if argv is None else argv))
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        done = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever reads what is listed has seen enough, as head has; Python flushes once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # a build whose progress nobody reads any more has built nothing
        return 0 if getattr(arguments, "list", False) else 1
    except (KeyboardInterrupt, BuildCancelledError):
        print("nst-build: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as exc:
        if arguments.debug:
            traceback.print_exc()
        code = next((code for kind, code in EXIT_CODES.items() if isinstance(exc, kind)), None)
        text = str(exc) if code is not None else f"unexpected {type(exc).__name__}: {exc} (--debug shows where)"
        print(f"nst-build: {text}", file=sys.stderr)
        return 1 if code is None else code
    return done


def _parse(argv: list[str]) -> argparse.Namespace:
    """`onnx` and `doctor` are commands; everything else are engines to build."""
    commands = {"onnx": _onnx_parser, "doctor": _doctor_parser}
    if argv and argv[0] in commands:
        return commands[argv[0]]().parse_args(argv[1:])
    return _engines_parser().parse_args(argv)


def _engines_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-build",
        description="Builds TensorRT engines from trained nets. One engine serves every style of its net.",
        epilog="also: nst-build onnx [NET …] writes ONNX files; nst-build doctor says what this machine can run",
    )
    parser.add_argument("styles", nargs="*", default=["all"], metavar="STYLE", help="styles, nets, files, or all")
    parser.add_argument("--net", metavar="full|fast", help="only this net")
    parser.add_argument(
        "--size",
        nargs="+",
        type=_size,
        default=[DEFAULT_SIZE],
        metavar="WxH",
        help="default: 640x480, as cameras are opened",
    )
    parser.add_argument("--precision", choices=("fp16", "fp32"), default="fp16", help="default: fp16")
    parser.add_argument(
        "--statistics",
        choices=("fp32", "fp16"),
        default="fp32",
        help="precision of the instance norms' mean and variance in an fp16 engine (default: fp32)",
    )
    parser.add_argument("--runtime", choices=("auto", "tensorrt", "rtx"), default="auto", help="default: auto")
    parser.add_argument("--target", nargs="+", metavar="smNN", help="rtx: for other GPUs than the one here, as sm86")
    parser.add_argument("--opt-level", type=int, choices=range(6), help="more takes longer and may run faster")
    parser.add_argument("--engine-dir", type=Path, metavar="DIR", help="default: the user's cache")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="build from an ONNX file instead of a net")
    parser.add_argument("--rebuild", action="store_true", help="build what is there already, too")
    parser.add_argument("--check", action="store_true", help="build nothing; measure the engines that are there again")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="measure on 20 of these pictures, not on drawn ones")
    parser.add_argument("--list", action="store_true", help="list the engines that are there")
    parser.add_argument("--no-receipt", action="store_true", help="do not measure the quality of a new engine")
    parser.add_argument("--json-progress", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=_engines, parser=parser)
    return parser


def _onnx_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nst-build onnx", description="Writes the ONNX file of a net.")
    parser.add_argument("nets", nargs="*", default=["fast"], metavar="NET|FILE.safetensors", help="default: fast")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: beside the weights")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=_write_onnx, parser=parser)
    return parser


def _doctor_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nst-build doctor", description="Says what this machine can run, and why not."
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=lambda arguments: print_report(as_json=arguments.json))
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; wanted something like 1280x720")
    return int(match[1]), int(match[2])


def _write_onnx(arguments: argparse.Namespace) -> int:
    files = [weights_file(net) for net in arguments.nets]
    if arguments.output and len(files) > 1:
        arguments.parser.error("--output takes one net")
    for file in files:
        output = arguments.output or file.with_suffix(".onnx")
        write_onnx(file, output)
        print(f"{output}  {output.stat().st_size / 1e6:.2f} MB")
    return 0


def weights_file(net: str) -> Path:
    """Returns the weights file that `net` is or names. Raises UnknownStyleError."""
    return Path(net) if Path(net).suffix == ".safetensors" else network_path(net)


def _engines(arguments: argparse.Namespace) -> int:
    cache = EngineCache(arguments.engine_dir)
    if arguments.list:
        return _list(cache)
    if arguments.photos is not None:
        photographs(arguments.photos, 16, 16, count=1)
    variant = _flavour(arguments)
    options = GraphOptions(arguments.precision, arguments.statistics)
    targets = [find_target(variant, name) for name in arguments.target or [None]]
    planned = [
        (plan_engine(source, size, variant, target, options=options, opt_level=arguments.opt_level), source)
        for source in sources(arguments)
        for size in dict.fromkeys(arguments.size)
        for target in targets
    ]
    work = _check if arguments.check else _build
    results = [work(arguments, spec, source, variant, cache) for spec, source in planned]
    return 0 if all(results) else 1


def _flavour(arguments: argparse.Namespace) -> Variant:
    """A target named on the command line means TensorRT for RTX: the other builds for the GPU at hand alone."""
    asked: RuntimeName = "rtx" if arguments.target and arguments.runtime == "auto" else arguments.runtime
    return load_flavour(asked)


def sources(arguments: argparse.Namespace) -> list[BuildSource]:
    """Returns the nets that the command line names, each once. Raises UnknownStyleError or FileNotFoundError."""
    if arguments.onnx is not None:
        if not arguments.onnx.is_file():
            raise FileNotFoundError(f"no ONNX file at {arguments.onnx}")
        return [BuildSource(arguments.onnx.stem, None, arguments.onnx)]
    networks = list_networks()
    files: list[Path] = []
    for name in arguments.styles:
        if name == "all":
            wanted = [path for net, path in networks.items() if arguments.net in (None, net)]
            if not wanted:
                raise UnknownStyleError(f"there is no net{f' {arguments.net!r}' if arguments.net else ''} to build")
            files += wanted
        elif name in networks:
            files.append(networks[name])
        elif Path(name).suffix == ".safetensors" and not _holds_style_alone(Path(name)):
            files.append(Path(name))
        else:
            files.append(find_style(name, arguments.net or _usual_net_of(name)).network_path)
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no weights file at {path}")
    return [BuildSource(path.stem, path) for path in dict.fromkeys(files)]


def _usual_net_of(style: str) -> str | None:
    return _USUAL_NET if any(each.name == style for each in list_styles(_USUAL_NET)) else None


def _holds_style_alone(path: Path) -> bool:
    return path.is_file() and not is_network(read_metadata(path))


def _build(
    arguments: argparse.Namespace, spec: EngineSpec, source: BuildSource, variant: Variant, cache: EngineCache
) -> bool:
    stored, reason = find_engine(spec, cache)
    if stored is not None and not arguments.rebuild:
        _report(arguments, stored, "is there")
        return True
    with _progress(arguments, reason or f"{spec.file_name} is there already") as on_progress:
        stored = build_engine(spec, source, variant, cache, on_progress=on_progress)
    _report(arguments, stored, f"built in {stored.facts['build_s']} s")
    if not arguments.no_receipt:
        _measure(arguments, stored, source, variant, cache)
    return True


def _check(
    arguments: argparse.Namespace, spec: EngineSpec, source: BuildSource, variant: Variant, cache: EngineCache
) -> bool:
    stored, reason = find_engine(spec, cache)
    if stored is None:
        print(reason)
        return False
    _report(arguments, stored, "may be used")
    return _measure(arguments, stored, source, variant, cache)


def _measure(
    arguments: argparse.Namespace, stored: StoredEngine, source: BuildSource, variant: Variant, cache: EngineCache
) -> bool:
    """Measures the quality and writes it into the side file. Returns whether it is above the floor."""
    try:
        quality = quality_receipt(stored, source, variant, arguments.photos)
    except NoReceiptError as exc:
        print(f"  {exc}", file=sys.stderr)
        return True
    if quality is None:
        return True
    cache.amend(stored, {"quality": asdict(quality)})
    print(f"  {quality}", file=sys.stdout if quality.good else sys.stderr)
    return quality.good


def _report(arguments: argparse.Namespace, stored: StoredEngine, what: str) -> None:
    size = stored.path.stat().st_size / 1e6
    if arguments.json_progress:
        print(json.dumps({"event": "done", "engine": str(stored.path)}), flush=True)
    else:
        print(f"{stored.path}  {size:.1f} MB, {what}")


def _list(cache: EngineCache) -> int:
    engines = list(cache.list())
    for engine in engines:
        if isinstance(engine, UnusableEngineError):
            print(engine)
            continue
        quality = engine.facts.get("quality")
        measured = f", {quality['psnr_db']:.1f} dB" if isinstance(quality, dict) else ""
        made_with = f"{engine.spec.runtime} {engine.spec.runtime_version}"
        print(f"{engine.path.name}  {made_with}, {engine.spec.gpu or engine.spec.target}{measured}")
    if not engines:
        print(f"no engines in {cache.folder}")
    return 0


@contextmanager
def _progress(arguments: argparse.Namespace, reason: str) -> Iterator[OnProgress]:
    if arguments.json_progress:
        yield lambda progress: print(json.dumps({"event": "progress", **asdict(progress)}), flush=True)
        return
    _error_console.print(f"{reason}; building it", markup=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_error_console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("starting", total=1.0)

        def show(progress: BuildProgress) -> None:
            bar.update(task, completed=progress.fraction, description=progress.phase[:40])

        yield show


if __name__ == "__main__":
    sys.exit(main())
