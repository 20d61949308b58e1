"""The style catalog: the styles that can be chosen while painting, each with the net that paints it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_engines.onnx.cache import OnnxFileError, read_onnx_inputs, read_onnx_metadata, ready_onnx
from build_engines.onnx.options import FRAME
from realtime.backends import Net, Vector
from styles.registry import (
    Style,
    StyleMismatchError,
    UnknownStyleError,
    check_belongs,
    find_style,
    list_networks,
    list_styles,
    network_path,
)
from styles.weights import WeightsError, load_style, read_network_config

DEFAULT_STYLE = "wreck"
# A foreign graph does not say what its sizes must be multiples of. The net of the article halves the picture twice.
_FOREIGN_SIZE_MULTIPLE = 4


@dataclass(frozen=True, eq=False)
class LoadedStyle:
    """A style ready to paint with. `vector` is float32[K], or None if the style is baked into the net."""

    name: str
    title: str
    artist: str
    net: Net
    vector: Vector | None

    @property
    def caption(self) -> str:
        return f"{self.title}, {self.artist}" if self.artist else self.title


def network_for(asked: str, backend: str) -> str:
    """Returns the name of the net to paint with.

    Args:
        asked: the name of a net; `auto` means the installed net that suits the backend best.
        backend: the name of the backend.

    Raises:
        UnknownStyleError: there is no net of that name.
    """
    if asked != "auto":
        network_path(asked)
        return asked
    preferred = ("full", "fast") if backend == "tensorrt" else ("fast", "full")
    installed = list_networks()
    return next((name for name in preferred if name in installed), preferred[0])


def load_styles(
    chosen: str, network: str, report: Callable[[str], None] = lambda _line: None
) -> tuple[Sequence[LoadedStyle], int]:
    """Returns all styles of a net, sorted by name, and the index of the chosen one.

    Args:
        chosen: the name of a style, or a .safetensors or .onnx file, which is added to the styles.
        network: the name of the net.
        report: called with one line for each other style that cannot be used; it is left out.

    Raises:
        UnknownStyleError: there is no style of that name.
        StyleMismatchError: the chosen style belongs to another net.
        WeightsError: the chosen file cannot be used.
        OnnxFileError: the chosen .onnx file cannot be used.
        FileNotFoundError: the chosen file does not exist.
    """
    if Path(chosen).suffix == ".onnx":
        found, others = _foreign_style(Path(chosen)), load_all_styles(network, report)
    else:
        style = _find(chosen, network)
        found, others = _loaded_style(style), load_all_styles(network, report, without=style.path)
    styles = sorted([found, *others], key=lambda style: style.name)
    return styles, styles.index(found)


def load_all_styles(
    network: str, report: Callable[[str], None] = lambda _line: None, without: Path | None = None
) -> Sequence[LoadedStyle]:
    """Returns all usable styles of a net, sorted by name.

    Args:
        network: the name of the net.
        report: called with one line for each style that cannot be used; it is left out.
        without: a style file to skip.
    """
    styles = []
    for style in list_styles(network, lambda _path, error: report(f"left out: {error}")):
        if style.path == without:
            continue
        try:
            check_belongs(style)
            styles.append(_loaded_style(style))
        except (StyleMismatchError, WeightsError) as exc:
            report(f"left out: {exc}")
    return styles


def _find(chosen: str, network: str) -> Style:
    try:
        return find_style(chosen, network)
    except UnknownStyleError:
        # a style of another net is painted with its own net
        if any(style.name == chosen for style in list_styles()):
            return find_style(chosen)
        raise


def _loaded_style(style: Style) -> LoadedStyle:
    vector = None if style.dedicated else load_style(style.path).vector
    return LoadedStyle(style.name, style.title, style.artist, _net(style.network_path, vector), vector)


def _net(weights: Path, vector: Vector | None) -> Net:
    config = read_network_config(weights)
    style_size = 0 if vector is None else len(vector)
    return Net(weights.stem, ready_onnx(weights), weights, style_size, config.size_multiple)


def _foreign_style(onnx: Path) -> LoadedStyle:
    if not onnx.is_file():
        raise FileNotFoundError(f"no ONNX file at {onnx}")
    metadata, inputs = read_onnx_metadata(onnx), read_onnx_inputs(onnx)
    if metadata.get("baked") == "false":
        raise OnnxFileError(f"{onnx} has no style baked in; choose one of its styles by name")
    if inputs != [FRAME]:
        raise OnnxFileError(
            f"{onnx} takes {', '.join(map(repr, inputs)) or 'no input'}; "
            f"expected one input {FRAME!r}, 1 x height x width x 3 uint8"
        )
    net = Net(onnx.stem, onnx, None, 0, int(metadata.get("size_multiple", _FOREIGN_SIZE_MULTIPLE)))
    return LoadedStyle(onnx.stem, onnx.stem, "", net, None)
