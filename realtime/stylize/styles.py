"""The style catalog: the styles that can be painted, each with the net that paints it.

A style is a file of its own, a picture whose vector is predicted, or part of a pack. Nothing of a picture is read
before it is painted with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from build_engines.onnx.cache import NoExporterError, OnnxFileError, read_onnx_inputs, read_onnx_metadata, ready_onnx
from build_engines.onnx.layout import check_weights, style_size
from build_engines.onnx.options import FRAME
from realtime.backends import Net, Vector
from realtime.media.photo import PhotoError
from realtime.stylize.loaded_style import LazyVector, LoadedStyle
from realtime.stylize.prediction import SeenPicture, StylePredictor
from styles.pack import PackEntry, StylePack
from styles.registry import (
    Style,
    StyleMismatchError,
    UnknownStyleError,
    check_belongs,
    find_style,
    is_picture,
    list_networks,
    list_pictures,
    list_styles,
    network_path,
    network_sha256,
    read_listing,
    style_from_file,
    unknown_name,
    user_folder,
    user_pack,
)
from styles.support.readers import quoted
from styles.weights import WeightsError, holds_picture, load_network, load_style, picture_bytes, read_network_config

DEFAULT_STYLE = "wreck"
# Why a style is left out; the others are painted all the same.
_NOT_PAINTABLE = (StyleMismatchError, UnknownStyleError, WeightsError, OnnxFileError, NoExporterError, OSError)
# A graph from elsewhere does not say what its sizes must be multiples of; the article's net halves the frame twice.
_FOREIGN_SIZE_MULTIPLE = 4
# What a graph takes is named as far as a person reads it.
_MOST_NAMED = 4

Report = Callable[[str], None]


def _silent(_line: str) -> None:
    """Reports nothing."""


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


def load_styles(chosen: str, network: str, report: Report = _silent) -> tuple[Sequence[LoadedStyle], int]:
    """Returns the catalog of a net, by name, and the index of the chosen style in it.

    Args:
        chosen: a style as `load_named_styles` takes it.
        network: the name of the net.
        report: called with a line for each other style that cannot be loaded and is left out.

    Raises what `load_named_styles` raises.
    """
    styles, (found,) = load_named_styles([chosen], network, report)
    return styles, styles.index(found)


def load_named_styles(
    names: Sequence[str], network: str, report: Report = _silent, zoom: float = 1.0
) -> tuple[Sequence[LoadedStyle], Sequence[LoadedStyle]]:
    """Returns the catalog of a net, by name, and those of its styles that are named, in the order of the names.

    Args:
        names: each the name of a style, or a picture, or a .safetensors or .onnx file, which is added to the catalog.
        network: the name of the net.
        report: called with a line for each other style that cannot be loaded and is left out.
        zoom: from how near pictures are looked at.

    Raises UnknownStyleError, StyleMismatchError, WeightsError, OnnxFileError, PhotoError or FileNotFoundError if a
    style that is named cannot be loaded.
    """
    loader = _Loader(network, zoom, report)
    found = {name: loader.named(name).load() for name in dict.fromkeys(names)}
    styles = sorted([*found.values(), *loader.others()], key=lambda style: style.name)
    return styles, [found[name] for name in names]


def load_all_styles(network: str, report: Report = _silent, zoom: float = 1.0) -> Sequence[LoadedStyle]:
    """Returns all styles of a net, by name.

    Args:
        network: the name of the net.
        report: called with a line for each style that cannot be loaded and is left out.
        zoom: from how near pictures are looked at.
    """
    return _Loader(network, zoom, report).others()


def load_ready_styles(names: Sequence[str], network: str, report: Report = _silent) -> Sequence[LoadedStyle]:
    """Returns named styles of a net, or all of them if none is named, with their pictures looked at.

    Args:
        names: styles as `load_named_styles` takes them; empty for all.
        network: the name of the net.
        report: called with a line for each style that is left out, if none is named.

    Raises UnknownStyleError if there are none, and what `load_named_styles` and looking at a named picture raises.
    """
    if names:
        _, styles = load_named_styles(names, network)
        for style in styles:
            style.make_ready()
        return styles
    ready = []
    for style in load_all_styles(network, report):
        try:
            style.make_ready()
            ready.append(style)
        except (PhotoError, WeightsError, OSError) as exc:
            report(f"left out: {exc}")
    if not ready:
        raise UnknownStyleError(f"the net {network!r} has no styles")
    return ready


def list_predictable_styles(network: str) -> Sequence[Style]:
    """Returns the styles of a net that have no file of their own for it, by name: the user's pictures, and a pack's.

    Args:
        network: the name of the net.

    Raises WeightsError or FileNotFoundError if the pack cannot be read.
    """
    found = {}
    if pack := user_pack():
        for entry in StylePack(pack).entries:
            artist, year, license_ = (entry.facts[fact] for fact in ("artist", "year", "license"))
            found[entry.name] = Style(entry.name, _title(entry), artist, year, license_, network, pack, "")
    with suppress(*_NOT_PAINTABLE):
        StylePredictor(network)
        for name, path in list_pictures().items():
            found.setdefault(name, Style(name, name, "", "", "", network, path, ""))
    return [found[name] for name in sorted(found)]


def _title(entry: PackEntry) -> str:
    return entry.facts["title"] or entry.name


def loaded_picture(path: Path, network: str, zoom: float = 1.0) -> LoadedStyle:
    """Returns a picture as a style of a net; it is looked at when its vector is needed.

    Args:
        path: the picture.
        network: the name of the net.
        zoom: from how near it is looked at.

    Raises StyleMismatchError if there is no encoder for the net.
    """
    return _Loader(network, zoom, _silent).picture(path, path.stem)


@dataclass(frozen=True)
class _Offer:
    """A style that may be loaded.

    Args:
        name: as it is typed.
        load: loads it; raises what is wrong with it.
        path: its file, None if it is part of one.
    """

    name: str
    load: Callable[[], LoadedStyle]
    path: Path | None = None

    def is_file(self, path: Path) -> bool:
        """Whether its file is that one."""
        return self.path is not None and self.path.name == path.name and self.path.resolve() == path.resolve()


@dataclass(frozen=True)
class _There:
    """The styles that there are, by name, and what is said of files that are none, in place of being loaded."""

    offers: Mapping[str, _Offer]
    complaints: Sequence[str]


class _Loader:
    """Loads the styles of one net.

    Args:
        network: the name of the net.
        zoom: from how near pictures are looked at.
        report: called with a line for each style that cannot be loaded and is left out.
    """

    def __init__(self, network: str, zoom: float, report: Report) -> None:
        self._network, self._zoom, self._report = network, zoom, report
        self._nets = _Nets()
        self._predictor: StylePredictor | None = None
        self._predicted_again: set[str] = set()
        # nets by name, each with a checksum that is known to be its own
        self._fitting: set[tuple[str, str]] = set()
        self._named: set[str] = set()
        self._named_files: set[Path] = set()

    def others(self) -> Sequence[LoadedStyle]:
        """Returns the styles that can be loaded, by name, without those that were named."""
        styles = []
        for complaint in self._there.complaints:
            self._report(f"left out: {complaint}")
        for offer in self._there.offers.values():
            if offer.name in self._named or any(map(offer.is_file, self._named_files)):
                continue
            try:
                styles.append(offer.load())
            except _NOT_PAINTABLE as exc:
                self._report(f"left out: {exc}")
        if again := len(self._predicted_again):
            self._report(
                f"{again} {'styles were' if again > 1 else 'style was'} made for another version of the net "
                f"{self._network!r}: predicted again from the pictures that they hold"
            )
        return sorted(styles, key=lambda style: style.name)

    def named(self, name: str) -> _Offer:
        """Returns the style of a name or a file. Raises UnknownStyleError, and WeightsError for a damaged file."""
        path = Path(name)
        if path.suffix == ".onnx":
            return _Offer(path.stem, lambda: _foreign_style(path))
        there = self._there.offers
        listed = there.get(name) or next((each for each in there.values() if each.is_file(path)), None)
        if listed is not None:
            self._named.add(listed.name)
            return listed
        self._named_files.add(path)
        if path.suffix == ".safetensors":
            return _Offer(path.stem, lambda: self._style(style_from_file(path)), path)
        if is_picture(path):
            if not path.is_file():
                raise PhotoError(f"no file {path}")
            called = path.name if path.stem in there else path.stem
            return _Offer(called, lambda: self.picture(path, called), path)
        return self._unlisted(name, there)

    def _unlisted(self, name: str, there: Iterable[str]) -> _Offer:
        """Returns a style of another net, which is painted with that net, or a picture that is not named like one."""
        try:
            style = _find(name, self._network)
        except UnknownStyleError as exc:
            path = Path(name)
            if os.path.isfile(name):  # noqa: PTH113 - false for what is too long for a name, too
                return _Offer(path.name, lambda: self.picture(path, path.name), path)
            is_folder = os.path.isdir(name)  # noqa: PTH112
            hint = f"; {name} is a folder, type --styles {name} to have its pictures as styles" if is_folder else ""
            text = unknown_name(f"style of the net {self._network!r}", name, there)
            raise UnknownStyleError(f"{text}{hint}") from exc
        return _Offer(name, lambda: self._style(style), style.path)

    def picture(self, path: Path, name: str) -> LoadedStyle:
        """Returns a picture as a style. Raises StyleMismatchError if there is no encoder for the net."""
        predictor = self._checked_predictor()
        return self._lazy(name, name, "", predictor.filed(path))

    @cached_property
    def _there(self) -> _There:
        """The styles that there are; the pack's hide the user's own of the same name, and those the shipped ones."""
        complaints: list[str] = []
        offers: dict[str, _Offer] = {}
        for offer in (*self._packed(), *self._unpacked(complaints)):
            offers.setdefault(offer.name, offer)
        return _There(offers, complaints)

    def _unpacked(self, complaints: list[str]) -> Iterator[_Offer]:
        listing = read_listing(self._network)
        complaints += map(str, listing.damaged.values())
        own = f"{user_folder()}{os.sep}"
        mine: list[_Offer] = []
        shipped: list[_Offer] = []
        for style in listing.styles:
            offer = _Offer(style.name, partial(self._style, style), style.path)
            (mine if str(style.path).startswith(own) else shipped).append(offer)
        yield from mine
        yield from self._pictures(complaints)
        yield from shipped

    def _pictures(self, complaints: list[str]) -> Iterator[_Offer]:
        pictures = list_pictures()
        try:
            if pictures:
                self._checked_predictor()
        except _NOT_PAINTABLE as exc:
            complaints.append(f"the pictures in {user_folder()}, since {exc}")
            return
        for name, path in pictures.items():
            yield _Offer(name, partial(self.picture, path, name), path)

    def _packed(self) -> Iterator[_Offer]:
        """Yields the styles of the pack that the user has named. Raises WeightsError or FileNotFoundError."""
        path = user_pack()
        if path is None:
            return
        pack = StylePack(path)
        ready = dict(pack.vectors(self._network, network_sha256(network_path(self._network))))
        for entry in pack.entries:
            yield _Offer(entry.name, partial(self._of_pack, pack, entry, ready.get(entry)))

    def _of_pack(self, pack: StylePack, entry: PackEntry, vector: Vector | WeightsError | None) -> LoadedStyle:
        if isinstance(vector, WeightsError):
            raise vector
        title, artist = _title(entry), entry.facts["artist"]
        if vector is not None:
            net = self._nets.shared(self._network)
            return LoadedStyle(entry.name, title, artist, net, _checked_length(vector, net, str(pack.path)))
        if not entry.picture:
            raise StyleMismatchError(
                f"{entry.name!r} in {pack.path} was made for another version of the net {self._network!r}, and the "
                "pack has no picture of it"
            )
        predictor = self._checked_predictor()
        self._predicted_again.add(entry.name)
        return self._lazy(entry.name, title, artist, predictor.kept(lambda: pack.picture(entry)))

    def _style(self, style: Style) -> LoadedStyle:
        """Returns the style of a file; if it was made for another version of its net, what its picture gives."""
        try:
            if (style.network, style.network_sha256) not in self._fitting:
                check_belongs(style, self._nets.path(style))
        except StyleMismatchError:
            if style.network != self._network or not holds_picture(style.path):
                raise
            predictor = self._checked_predictor()
            self._predicted_again.add(style.name)
            return self._lazy(style.name, style.title, style.artist, predictor.kept(lambda: _kept(style.path)))
        if not style.dedicated:
            self._fitting.add((style.network, style.network_sha256))
        net = self._nets.of(style)
        vector = None if style.dedicated else _checked_length(load_style(style.path).vector, net, str(style.path))
        return LoadedStyle(style.name, style.title, style.artist, net, vector)

    def _lazy(self, name: str, title: str, artist: str, seen: SeenPicture) -> LoadedStyle:
        net = self._nets.shared(self._network)
        return LoadedStyle(name, title, artist, net, LazyVector(seen.predict), picture=seen.read)

    def _checked_predictor(self) -> StylePredictor:
        if self._predictor is None:
            self._predictor = StylePredictor(self._network, self._zoom)
        return self._predictor


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
        try:
            return self._path(style.network)
        except UnknownStyleError as exc:
            raise UnknownStyleError(f"{style.path} is a style of another net: {exc}") from exc

    def of(self, style: Style) -> Net:
        """Returns a style's net.

        Raises:
            UnknownStyleError: there is none.
            WeightsError: it is damaged.
        """
        return _net(style.path, dedicated=True) if style.dedicated else self.shared(style.network)

    def shared(self, network: str) -> Net:
        """Returns a net that many styles share; raises what `of` raises."""
        weights = self._path(network)
        if weights not in self._nets:
            self._nets[weights] = _net(weights, dedicated=False)
        return self._nets[weights]

    def _path(self, network: str) -> Path:
        if network not in self._paths:
            self._paths[network] = network_path(network)
        return self._paths[network]


def _find(chosen: str, network: str) -> Style:
    try:
        return find_style(chosen, network)
    except UnknownStyleError:
        # a style of another net is painted with that net
        if any(style.name == chosen for style in list_styles()):
            return find_style(chosen)
        raise


def _kept(path: Path) -> bytes:
    data = picture_bytes(path)
    if data is None:
        raise WeightsError(f"{path} holds no picture any more")
    return data


def _checked_length(vector: Vector, net: Net, what: str) -> Vector:
    if len(vector) != net.style_size:
        raise WeightsError(
            f"{what} holds a style vector of {len(vector)} values; the net {net.name!r} expects {net.style_size}"
        )
    return vector


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
