"""The styles that a show can switch among, each with the net that paints it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_engines.onnx.cache import NoExporterError, OnnxFileError, read_onnx_inputs, read_onnx_metadata, ready_onnx
from build_engines.onnx.layout import check_weights, style_size
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
from styles.weights import WeightsError, load_network, load_style, read_network_config

DEFAULT_STYLE = "wreck"
# Why a style is left out; the others are painted all the same.
_NOT_PAINTABLE = (StyleMismatchError, UnknownStyleError, WeightsError, OnnxFileError, NoExporterError, OSError)
# A foreign graph does not say what its sizes must be multiples of; the article's net halves the picture twice.
_FOREIGN_SIZE_MULTIPLE = 4


@dataclass(frozen=True, eq=False)
class LoadedStyle:
    """A style ready to be painted: `vector` is float32[K], or None where the net has the style baked in."""

    name: str
    title: str
    artist: str
    net: Net
    vector: Vector | None

    @property
    def caption(self) -> str:
        return f"{self.title}, {self.artist}" if self.artist else self.title


def network_for(asked: str, backend: str) -> str:
    """Returns the net to paint with: the one asked for, or for `auto` the one that suits the backend and is there.

    Raises UnknownStyleError where there is none of the name asked for.
    """
    if asked != "auto":
        network_path(asked)
        return asked
    wanted = ("full", "fast") if backend == "tensorrt" else ("fast", "full")
    there = list_networks()
    return next((name for name in wanted if name in there), wanted[0])


def load_styles(
    chosen: str, network: str, tell: Callable[[str], None] = lambda _line: None
) -> tuple[Sequence[LoadedStyle], int]:
    """Returns all paintings of the net, by name, and the index of the chosen one.

    chosen: the name of a style, or a .safetensors or .onnx file, which is then added. Raises UnknownStyleError,
    StyleMismatchError, WeightsError, OnnxFileError, FileNotFoundError for it; of the others those that cannot be
    painted are left out, and `tell` is told why.
    """
    if Path(chosen).suffix == ".onnx":
        found, others = _foreign_painting(Path(chosen)), load_paintings(network, tell)
    else:
        style = _find(chosen, network)
        found, others = _painting(style), load_paintings(network, tell, without=style.path)
    paintings = sorted([found, *others], key=lambda painting: painting.name)
    return paintings, paintings.index(found)


def load_paintings(
    network: str, tell: Callable[[str], None] = lambda _line: None, without: Path | None = None
) -> Sequence[LoadedStyle]:
    """Returns the paintings of the net, by name, but for the style file `without`; `tell` is told what is left out."""
    paintings = []
    nets = _Nets()
    for style in list_styles(network, lambda _path, error: tell(f"left out: {error}")):
        if style.path == without:
            continue
        try:
            check_belongs(style, nets.path(style))
            paintings.append(_painting(style, nets))
        except _NOT_PAINTABLE as exc:
            tell(f"left out: {exc}")
    return paintings


class _Nets:
    """The nets of many styles, each looked at once."""

    def __init__(self) -> None:
        self._paths: dict[str, Path] = {}
        self._nets: dict[Path, Net] = {}

    def path(self, style: Style) -> Path:
        """Returns the weights file of a style's net.

        Raises:
            UnknownStyleError: there is none.
        """
        if style.dedicated:
            return style.path
        if style.network not in self._paths:
            self._paths[style.network] = style.network_path
        return self._paths[style.network]

    def net(self, style: Style) -> Net:
        """Returns a style's net.

        Raises:
            UnknownStyleError: there is none.
            WeightsError: it is damaged.
        """
        weights = self.path(style)
        if style.dedicated:
            return _net(weights, dedicated=True)
        if weights not in self._nets:
            self._nets[weights] = _net(weights, dedicated=False)
        return self._nets[weights]


def _find(chosen: str, network: str) -> Style:
    try:
        return find_style(chosen, network)
    except UnknownStyleError:
        # a style of another net is painted with that net
        if any(style.name == chosen for style in list_styles()):
            return find_style(chosen)
        raise


def _painting(style: Style, nets: _Nets | None = None) -> LoadedStyle:
    net = (nets or _Nets()).net(style)
    vector = None
    if not style.dedicated:
        vector = load_style(style.path).vector
        if len(vector) != net.style_size:
            raise WeightsError(
                f"{style.path} holds a style vector of {len(vector)} values; the net {style.network!r} expects "
                f"{net.style_size}"
            )
    return LoadedStyle(style.name, style.title, style.artist, net, vector)


def _net(weights: Path, dedicated: bool) -> Net:
    try:
        config = read_network_config(weights)
        size = style_size(config)
        if dedicated:
            check_weights(load_network(weights))
        return Net(weights.stem, ready_onnx(weights), weights, 0 if dedicated else size, config.size_multiple)
    except WeightsError as exc:
        if str(weights) in str(exc):
            raise
        raise WeightsError(f"{weights}: {exc}") from exc
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as exc:
        raise WeightsError(f"{weights} is no transform net: {exc}") from exc


def _foreign_painting(onnx: Path) -> LoadedStyle:
    if not onnx.is_file():
        raise FileNotFoundError(f"no ONNX file at {onnx}")
    metadata, inputs = read_onnx_metadata(onnx), read_onnx_inputs(onnx)
    if metadata.get("baked") == "false":
        raise OnnxFileError(f"{onnx} has no style of its own; choose one of its styles by name")
    if inputs != [FRAME]:
        raise OnnxFileError(
            f"{onnx} takes {', '.join(map(repr, inputs)) or 'nothing'}; "
            f"wanted one input {FRAME!r}, 1 x height x width x 3 uint8"
        )
    net = Net(onnx.stem, onnx, None, 0, int(metadata.get("size_multiple", _FOREIGN_SIZE_MULTIPLE)))
    return LoadedStyle(onnx.stem, onnx.stem, "", net, None)
