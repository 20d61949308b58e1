"""`nst-build`: writes ONNX files and TensorRT engines from trained nets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from build_engines.net_layout import FrameSizeError
from build_engines.onnx_cache import NoExporterError, OnnxFileError, write_onnx
from styles.registry import StyleMismatchError, UnknownStyleError, network_path
from styles.weights import WeightsError

# What each error means to a shell. In this order: the first class that fits decides.
EXIT_CODES: Mapping[type[Exception], int] = {
    UnknownStyleError: 2,
    FrameSizeError: 2,
    WeightsError: 3,
    StyleMismatchError: 3,
    OnnxFileError: 3,
    FileNotFoundError: 3,
    NoExporterError: 4,
    OSError: 1,
}
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-build`; returns the exit code (2 usage, 3 unreadable input, 4 missing software, 130 Ctrl-C)."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("nst-build: interrupted", file=sys.stderr)
        return INTERRUPTED
    except tuple(EXIT_CODES) as exc:
        if arguments.debug:
            raise
        print(f"nst-build: {exc}", file=sys.stderr)
        return next(code for kind, code in EXIT_CODES.items() if isinstance(exc, kind))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nst-build", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    onnx = commands.add_parser(
        "onnx", help="write the ONNX file of a net", description="Writes the ONNX file of a net."
    )
    onnx.add_argument("nets", nargs="*", default=["fast"], metavar="NET|FILE.safetensors", help="default: fast")
    onnx.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: beside the weights")
    onnx.add_argument("--debug", action="store_true", help="show the traceback of an error")
    onnx.set_defaults(run=_write_onnx, parser=onnx)
    return parser


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


if __name__ == "__main__":
    sys.exit(main())
