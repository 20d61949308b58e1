"""The style catalog: the styles that can be painted, each with the net that paints it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_engines.onnx.cache import NoExporterError, OnnxFileError, read_onnx_inputs, read_onnx_metadata, ready_onnx
from build_engines.onnx.layout import check_weights, style_size
from build_engines.onnx.options import FRAME
from realtime.backends import Net, Vector
from styles.registry import (
    Listing,
    Style,
    StyleMismatchError,
    UnknownStyleError,
    check_belongs,
    find_style,
    list_networks,
    list_styles,
    network_path,
    read_listing,
)
from styles.support.readers import quoted
from styles.weights import WeightsError, load_network, load_style, read_network_config

DEFAULT_STYLE = "wreck"
# Why a style is left out; the others are painted all the same.
_NOT_PAINTABLE = (StyleMismatchError, UnknownStyleError, WeightsError, OnnxFileError, NoExporterError, OSError)
# A graph from elsewhere does not say what its sizes must be multiples of; the article's net halves the frame twice.
_FOREIGN_SIZE_MULTIPLE = 4
# What a graph takes is named as far as a person reads it.
_MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class LoadedStyle:
    """A style that is ready to paint.

    Args:
        name: as it is typed.
        title: of the style's picture.
        artist: of the picture, '' if nobody is named.
        net: what paints it.
        vector: float32[K], or None if the net has the style baked in.
    """

    name: str
    title: str
    artist: str
    net: Net
    vector: Vector | None

    @property
    def caption(self) -> str:
        """Title and artist, as the HUD shows them."""
        return f"{self.title}, {self.artist}" if self.artist else self.title


def network_for(asked: str, backend: str) -> str:
    """Returns the name of the net to paint with.

    Args:
        asked: a net by name, or "auto" for the one that suits the backend and is installed.
        backend: the name of the backend.

    Raises UnknownStyleError if there is no net of that name.
    """
    if asked != "auto":
        network_path(asked)
        return asked
    by_preference = ("full", "fast") if backend == "tensorrt" else ("fast", "full")
    installed = list_networks()
    return next((name for name in by_preference if name in installed), by_preference[0])


def load_styles(
    chosen: str, network: str, report: Callable[[str], None] = lambda _line: None
) -> tuple[Sequence[LoadedStyle], int]:
    """Returns the catalog of a net, by name, and the index of the chosen style in it.

    Args:
        chosen: the name of a style, or a .safetensors or .onnx file, which is then added to the catalog.
        network: the name of the net.
        report: called with a line for each other style that cannot be loaded and is left out.

    Raises UnknownStyleError, StyleMismatchError, WeightsError, OnnxFileError or FileNotFoundError if the chosen style
    cannot be loaded.
    """
    listing = read_listing(network)
    if Path(chosen).suffix == ".onnx":
        found, others = _foreign_style(Path(chosen)), _load_listed(listing, report)
    else:
        style = _find(chosen, network, listing)
        found, others = _loaded(style), _load_listed(listing, report, without=style.path)
    styles = sorted([found, *others], key=lambda style: style.name)
    return styles, styles.index(found)


def load_all_styles(network: str, report: Callable[[str], None] = lambda _line: None) -> Sequence[LoadedStyle]:
    """Returns all styles of a net, by name.

    Args:
        network: the name of the net.
        report: called with a line for each style that cannot be loaded and is left out.
    """
    return _load_listed(read_listing(network), report)


def _load_listed(listing: Listing, report: Callable[[str], None], without: Path | None = None) -> Sequence[LoadedStyle]:
    """Returns all styles of a list but that of one file."""
    for error in listing.damaged.values():
        report(f"left out: {error}")
    styles, nets = [], _Nets()
    for style in listing.styles:
        if style.path == without:
            continue
        try:
            check_belongs(style, nets.path(style))
            styles.append(_loaded(style, nets))
        except _NOT_PAINTABLE as exc:
            report(f"left out: {exc}")
    return styles


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


def _find(chosen: str, network: str, listing: Listing) -> Style:
    try:
        return find_style(chosen, network, listing)
    except UnknownStyleError:
        # a style of another net is painted with that net
        if any(style.name == chosen for style in list_styles()):
            return find_style(chosen)
        raise


def _loaded(style: Style, nets: _Nets | None = None) -> LoadedStyle:
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


def _foreign_style(onnx: Path) -> LoadedStyle:
    """Returns an ONNX file that was made elsewhere as a style with a net of its own."""
    if not onnx.is_file():
        raise FileNotFoundError(f"no ONNX file at {onnx}")
    metadata, inputs = read_onnx_metadata(onnx), read_onnx_inputs(onnx)
    if metadata.get("baked") == "false":
        raise OnnxFileError(f"{onnx} has no style of its own; choose one of its styles by name")
    if inputs != [FRAME]:
        raise OnnxFileError(
            f"{onnx} takes {', '.join(map(quoted, inputs[:_MOST_NAMED])) or 'nothing'}; "
            f"expected one input {FRAME!r}, 1 x height x width x 3 uint8"
        )
    net = Net(onnx.stem, onnx, None, 0, int(metadata.get("size_multiple", _FOREIGN_SIZE_MULTIPLE)))
    return LoadedStyle(onnx.stem, onnx.stem, "", net, None)
