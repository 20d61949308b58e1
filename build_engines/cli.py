"""`nst-build`: builds TensorRT engines and ONNX files from trained nets, imports other people's, and reports what this
machine can run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_engines.doctor import print_report
from build_engines.exit_codes import EXIT_CODES
from build_engines.imports.files import read_foreign_net
from build_engines.onnx.cache import check_exporter, write_onnx
from build_engines.tensorrt.command import EngineOptions, run_engines
from styles.registry import ENCODER_NAME, encoder_path, network_path
from styles.support.atomic_file import write_atomically
from styles.support.errors import UsageError, run_command
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.terminal import closable_output, print_line

_DEBUG = Option("show the traceback of an error", Kind.FLAG, default=False)


@dataclass(frozen=True)
class OnnxOptions:
    """The options of `nst-build onnx`."""

    nets: tuple[str, ...] = option(
        Option(
            "nets, the style encoder, or files",
            Kind.VALUES,
            default=("fast",),
            metavar="NET|encoder|FILE.safetensors",
            positional=True,
        )
    )
    output: Path | None = option(
        Option("the file to write", read=Path, default_text="beside the weights", metavar="FILE", short="-o")
    )
    debug: bool = option(_DEBUG)


@dataclass(frozen=True)
class ImportOptions:
    """The options of `nst-build import`."""

    model: Path = option(
        Option(
            "a net of pytorch/examples, rrmina/fast-neural-style-pytorch (.pth), jcjohnson/fast-neural-style (.t7) or "
            "fast-style-transfer (its variables as .safetensors)",
            read=Path,
            metavar="MODEL",
            positional=True,
            required=True,
        )
    )
    output: Path | None = option(
        Option(
            "the ONNX file to write, which nst-live --style paints with",
            read=Path,
            default_text="beside the model",
            metavar="FILE",
            short="-o",
        )
    )
    overwrite: bool = option(Option("overwrite the output if it exists", Kind.FLAG, default=False, short="-y"))
    debug: bool = option(_DEBUG)


@dataclass(frozen=True)
class DoctorOptions:
    """The options of `nst-build doctor`."""

    json: bool = option(Option("print the report for programs", Kind.FLAG, default=False))
    debug: bool = option(_DEBUG)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-build` and returns its exit code.

    Args:
        argv: the arguments without the program's name; by default those of this process.

    Returns:
        0 on success, 2 for a usage error, 3 for unreadable input, 4 for missing software, 130 after Ctrl-C, else 1.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    name = argv[0] if argv and argv[0] in _COMMANDS else ""
    run = _COMMANDS[name](argv[1:] if name else argv)
    return run_command("nst-build", run, EXIT_CODES, debug="--debug" in argv)


def engines_parser() -> CommandParser:
    """Returns the parser of the command line of `nst-build`."""
    return build_parser(
        {"": EngineOptions},
        prog="nst-build",
        description="Builds TensorRT engines from trained nets. One engine serves every style of its net.",
        epilog="also: nst-build onnx [NET …] writes ONNX files; nst-build import MODEL makes an ONNX file of somebody "
        "else's net; nst-build doctor reports what this machine can run",
    )


def onnx_parser() -> CommandParser:
    """Returns the parser of the command line of `nst-build onnx`."""
    return build_parser(
        {"": OnnxOptions}, prog="nst-build onnx", description="Writes the ONNX file of a net or of the style encoder."
    )


def import_parser() -> CommandParser:
    """Returns the parser of the command line of `nst-build import`."""
    return build_parser(
        {"": ImportOptions},
        prog="nst-build import",
        description="Makes an ONNX file of a net that somebody else has trained. Nothing in its file is executed.",
    )


def doctor_parser() -> CommandParser:
    """Returns the parser of the command line of `nst-build doctor`."""
    return build_parser(
        {"": DoctorOptions},
        prog="nst-build doctor",
        description="Reports what this machine can run, and why it cannot run the rest.",
    )


def weights_file(net: str) -> Path:
    """Returns the weights file of a net or of the style encoder.

    Args:
        net: the name of a net, "encoder", or the path of a .safetensors file.

    Raises:
        UnknownStyleError: there is no net of that name.
    """
    if Path(net).suffix == ".safetensors":
        return Path(net)
    encoder = encoder_path() if net == ENCODER_NAME else None
    return encoder or network_path(net)


def _write_onnx(options: OnnxOptions) -> int:
    files = [weights_file(net) for net in options.nets]
    if options.output and len(files) > 1:
        raise UsageError("--output takes one net")
    for file in files:
        output = options.output or file.with_suffix(".onnx")
        write_onnx(file, output)
        print_line(f"{output}  {output.stat().st_size / 1e6:.2f} MB", sys.stdout)
    return 0


def _import(options: ImportOptions) -> int:
    output = options.output or options.model.with_suffix(".onnx")
    if output.suffix != ".onnx":
        raise UsageError(f"{output} is not named like an ONNX file; expected NAME.onnx")
    if output.exists() and not options.overwrite:
        raise UsageError(f"{output} exists already; -y overwrites it")
    check_exporter()
    from build_engines.imports.graph import onnx_from_foreign

    net = read_foreign_net(options.model)
    write_atomically(output, onnx_from_foreign(net).SerializeToString())
    size = output.stat().st_size / 1e6
    print_line(f"{output}  {size:.2f} MB, a net of {net.family}; type: nst-live --style {output}", sys.stdout)
    return 0


def _diagnose(options: DoctorOptions) -> int:
    with closable_output():
        return print_report(as_json=options.json)
    return 0


def _engines(argv: Sequence[str]) -> Callable[[], int]:
    options = read_options(EngineOptions, engines_parser().typed(argv))
    return lambda: run_engines(options)


def _onnx(argv: Sequence[str]) -> Callable[[], int]:
    options = read_options(OnnxOptions, onnx_parser().typed(argv))
    return lambda: _write_onnx(options)


def _imported(argv: Sequence[str]) -> Callable[[], int]:
    options = read_options(ImportOptions, import_parser().typed(argv))
    return lambda: _import(options)


def _doctor(argv: Sequence[str]) -> Callable[[], int]:
    options = read_options(DoctorOptions, doctor_parser().typed(argv))
    return lambda: _diagnose(options)


# Keyed by the first argument; "" stands for anything else. Each entry reads its options and returns the action.
_COMMANDS: Mapping[str, Callable[[Sequence[str]], Callable[[], int]]] = {
    "": _engines,
    "onnx": _onnx,
    "import": _imported,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())
