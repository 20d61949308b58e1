"""The command `nst-live pack`: pictures and styles in one file, to keep or to give away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.app.options.settings import export_folders
from realtime.app.options.table import OVERWRITE, STYLES, FolderOptions
from realtime.media.encoders import OutputError
from realtime.media.photo import PhotoError, laid_on_white, read_photo
from realtime.stylize.prediction import StylePredictor
from styles.kept_picture import small_copy
from styles.pack import PackedStyle, check_style_name, packed_style, write_pack
from styles.registry import (
    PACK_SUFFIX,
    Style,
    StyleMismatchError,
    UnknownStyleError,
    is_pack,
    is_picture,
    list_networks,
    list_pictures,
    list_styles,
    network_sha256,
    style_from_file,
    unknown_name,
)
from styles.support.errors import UsageError
from styles.support.options import CommandParser, Kind, Option, build_parser, option, read_options
from styles.support.progress import progress_bar
from styles.support.terminal import print_line


@dataclass(frozen=True)
class PackOptions:
    """The options of `nst-live pack`."""

    inputs: tuple[str, ...] = option(
        Option(
            "pictures, folders of pictures, .safetensors files, or names of styles",
            Kind.VALUES,
            metavar="FILE|FOLDER|NAME",
            positional=True,
            required=True,
        )
    )
    output: Path = option(
        Option(f"the pack; its name ends in {PACK_SUFFIX}", read=Path, metavar="FILE", short="-o", required=True)
    )
    overwrite: bool = option(OVERWRITE)
    styles: Path | None = option(STYLES)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code; errors pass to `realtime.app.main`."""
    options = read_options(PackOptions, pack_parser().typed(argv))
    export_folders(FolderOptions(options.styles))
    _check_output(options.output, options.overwrite)
    files = [file for text in options.inputs for file in _files(text)]
    packed: dict[str, PackedStyle] = {}
    with progress_bar(options.output.name, len(files), "styles") as report:
        predictors = _predictors()
        for number, file in enumerate(files, start=1):
            _add(packed, _of_picture(file, predictors) if isinstance(file, Path) else packed_style(file))
            if report is not None:
                report(number)
    try:
        write_pack(options.output, list(packed.values()))
    except OSError as exc:
        raise OutputError(f"cannot write {options.output}: {exc.strerror or exc}") from exc
    count = f"{len(packed)} style{'' if len(packed) == 1 else 's'}"
    print_line(f"packed {count} into {options.output} ({options.output.stat().st_size / 1e6:.2f} MB)")
    return 0


def pack_parser() -> CommandParser:
    """Returns what parses the command line of `nst-live pack`."""
    return build_parser(
        {"": PackOptions},
        prog="nst-live pack",
        description="Put pictures and styles into one file, which --styles opens anywhere.",
    )


def _check_output(path: Path, overwrite: bool) -> None:
    if not is_pack(path):
        raise OutputError(f"cannot write {path}: expected a name ending in {PACK_SUFFIX}")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}; type: mkdir -p {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, add -y")


def _files(text: str) -> Iterator[Path | Style]:
    """Yields the pictures and the style files that a word means."""
    path = Path(text)
    if path.suffix == ".safetensors":
        yield _with_vector(style_from_file(path))
    elif path.is_dir():
        pictures = sorted(file for file in path.iterdir() if is_picture(file) and not file.name.startswith("."))
        if not pictures:
            raise PhotoError(f"no pictures in {path}")
        yield from pictures
    elif path.is_file() or is_picture(path):
        yield path
    else:
        yield from _named(text)


def _named(name: str) -> Iterator[Path | Style]:
    found = [style for style in list_styles() if style.name == name]
    pictures = list_pictures()
    if not found and name not in pictures:
        raise UnknownStyleError(unknown_name("style", name, {*pictures, *(style.name for style in list_styles())}))
    if found:
        yield from map(_with_vector, found)
    else:
        yield pictures[name]


def _with_vector(style: Style) -> Style:
    if style.dedicated:
        raise UsageError(f"{style.path} has a net of its own and cannot be packed; give away the file itself")
    return style


def _predictors() -> Mapping[str, StylePredictor]:
    """Returns what predicts vectors, for each net that the encoder knows, by name."""
    found = {}
    for network in list_networks():
        try:
            found[network] = StylePredictor(network)
        except StyleMismatchError:
            continue
    return found


def _of_picture(path: Path, predictors: Mapping[str, StylePredictor]) -> PackedStyle:
    copy = small_copy(laid_on_white(read_photo(path)).pixels)
    nets = list_networks()
    vectors = {net: (network_sha256(nets[net]), predictor.of_file(path)) for net, predictor in predictors.items()}
    return PackedStyle(path.stem, {"title": path.stem}, copy, vectors)


def _add(packed: dict[str, PackedStyle], style: PackedStyle) -> None:
    """Adds a style to those of a pack; of one that is there already it adds vectors for other nets."""
    try:
        check_style_name(style.name)
    except ValueError as exc:
        raise UsageError(f"{exc}; rename the file") from exc
    before = packed.get(style.name)
    if before is None:
        packed[style.name] = style
    elif before.vectors.keys() & style.vectors.keys() or not style.vectors:
        raise UsageError(f"two styles are called {style.name!r}; rename one of the files")
    else:
        vectors = {**before.vectors, **style.vectors}
        packed[style.name] = replace(before, picture=before.picture or style.picture, vectors=vectors)
