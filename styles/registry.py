"""Which styles there are and where their files lie: the shipped ones and the user's own. Needs no torch.

Both folders have the same layout, and the user's comes first:

    <network>.safetensors            a net that many styles share, or a net with a style of its own inside
    <network>.onnx                   the same net for the backends
    <network>/<style>.safetensors    a style of that net
    encoder.safetensors              what predicts styles of these nets from pictures
    encoder.onnx                     the same encoder for the backends
    <style>.jpg, .png …              a picture, which is a style of every net that the encoder knows

In place of a folder, the user may name a pack (`styles.pack`).
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from styles.encoder_weights import is_encoder
from styles.support.readers import shortened
from styles.support.user_folders import data_folder
from styles.weights import FileState, WeightsError, file_sha256, file_state, holds_style, is_network, read_metadata

SHIPPED_FOLDER = Path(__file__).parent / "trained"
USER_FOLDER_VARIABLE = "NST_LIVE_STYLES"
# The name of the encoder's file, which no net can have.
ENCODER_NAME = "encoder"
# The metadata key by which a style vector names the net that it was trained with.
NETWORK_SHA256 = "network_sha256"
# What a picture's file is called, if it is to be a style by lying in the user's folder.
PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif"}
    | {".jp2", ".ppm", ".pgm", ".tga"}
)
PACK_SUFFIX = ".nstyle"
# No picture is called more than that; it would fill the screen.
_LONGEST_FACT = 1000
# Lists of this many files are quick to make again.
_MOST_LISTED = 2**15
# Of thousands of names, an error lists no more than these.
_MOST_NAMES = 30
# Nobody reads more of a command that does not work.
_LONGEST_COMMAND = 300


class UnknownStyleError(LookupError):
    """There is no style, or no net, of that name."""


class StyleMismatchError(ValueError):
    """A style vector was made for another training of the net."""


@dataclass(frozen=True)
class StylePicture:
    """What the metadata of a style say about the painting it was trained from. `year` is "" if it is uncertain."""

    name: str
    title: str
    artist: str
    year: str
    license: str


PICTURES: Mapping[str, StylePicture] = {
    picture.name: picture
    for picture in (
        StylePicture("la_muse", "La Muse", "Pablo Picasso", "1935", "in copyright"),
        StylePicture("rain_princess", "Rain Princess", "Leonid Afremov", "", "in copyright"),
        StylePicture("scream", "The Scream", "Edvard Munch", "1893", "public domain"),
        StylePicture("udnie", "Udnie", "Francis Picabia", "1913", "public domain"),
        StylePicture("wave", "The Great Wave off Kanagawa", "Katsushika Hokusai", "c. 1831", "public domain"),
        StylePicture("wreck", "The Wreck of a Transport Ship", "J. M. W. Turner", "c. 1810", "public domain"),
    )
}
# Of the files that the shipped nets were trained from. Another picture of that name may show something else.
_PICTURE_SHA256: Mapping[str, str] = {
    "la_muse": "5963aa54ebdb00ee6cc4a89d2e0218d5cc50e7a9cce7d2347937540d77596957",
    "rain_princess": "edc860681275f663ff23b28ade7436b34bf8ea28ae60be773f3e1c39b938e5d3",
    "scream": "45d763b132ba2075f4ff3dd26bce7db155bb1a5574be8d1bfb7d412dae260d04",
    "udnie": "45e510d2a53b4167a22bae12a191eea3018f82d74a2fa17b1573adc1e9dfc7f6",
    "wave": "54f19686bea5117c0bb68ce4425dbed4efafa3e8d7cafe35f0fae80b8223f4be",
    "wreck": "05e6d80cee6b2df5c3425f8f59105e62804d8a7ffe688aa69739c1f787a09dd9",
}


@dataclass(frozen=True)
class Style:
    """A trained style: what was painted from (`license` is the picture's), its net, its file, the command that made it.

    `path` is the file with the style vector; a `dedicated` style has a net of its own, in the same file. Otherwise
    `network_sha256` is the checksum of the weights that it was trained with.
    """

    name: str
    title: str
    artist: str
    year: str
    license: str
    network: str
    path: Path
    command: str
    dedicated: bool = False
    network_sha256: str = ""

    @property
    def network_path(self) -> Path:
        """The weights file of the style's net. Raises UnknownStyleError if there is none."""
        return self.path if self.dedicated else network_path(self.network)


# What was listed, by path, with the state that the file had: of ten thousand, `Path`s as keys would be felt.
_LISTED: dict[str, tuple[FileState, Style | None]] = {}


def known_picture(path: Path) -> StylePicture | None:
    """Returns what is known of a picture's file, by its name and content. Raises OSError."""
    known = path.stem in PICTURES and file_sha256(path) == _PICTURE_SHA256[path.stem]
    return PICTURES[path.stem] if known else None


def user_folder() -> Path:
    """Returns the folder of the user's own styles, which need not exist; a folder in $NST_LIVE_STYLES overrides it."""
    override = os.environ.get(USER_FOLDER_VARIABLE)
    if override and not is_pack(Path(override)):
        return Path(override)
    return data_folder() / "styles"


def user_pack() -> Path | None:
    """Returns the pack of styles that $NST_LIVE_STYLES names in place of a folder, None if it names none."""
    override = Path(os.environ.get(USER_FOLDER_VARIABLE, ""))
    return override if is_pack(override) else None


def is_pack(path: Path) -> bool:
    """Returns whether a file is named like a pack of styles."""
    return path.suffix.lower() == PACK_SUFFIX


def is_picture(path: Path) -> bool:
    """Returns whether a file is named like a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def list_pictures() -> dict[str, Path]:
    """Returns the pictures in the user's folder by the names of their styles. Nothing is read of them.

    A picture's style is called like its file, without the suffix unless another one is called so already.
    """
    paths: list[Path] = []
    with suppress(OSError), os.scandir(user_folder()) as entries:
        paths = [Path(entry.path) for entry in entries if is_picture(Path(entry.name)) and entry.is_file()]
    found: dict[str, Path] = {}
    for path in sorted(paths, key=str):
        if not path.name.startswith("."):
            found[printable(path.name if path.stem in found else path.stem)] = path
    return found


def list_networks() -> dict[str, Path]:
    """Returns the weights file of each net, by name; a net of the user's own hides a shipped one of that name."""
    found: dict[str, Path] = {}
    for folder in (user_folder(), SHIPPED_FOLDER):
        for path in _weights_in(folder):
            if path.stem != ENCODER_NAME and _may_be_network(path):
                found.setdefault(path.stem, path)
    return found


def _may_be_network(path: Path) -> bool:
    try:
        return is_network(read_metadata(path))
    except WeightsError:  # whoever wants to paint with it finds out why it cannot be read
        return True


def encoder_path() -> Path | None:
    """Returns the file of the style encoder, the user's own before the shipped one; None if there is neither."""
    paths = (folder / f"{ENCODER_NAME}.safetensors" for folder in (user_folder(), SHIPPED_FOLDER))
    return next((path for path in paths if path.is_file()), None)


@dataclass(frozen=True)
class Listing:
    """The styles of a net, or of all nets, by network and name, and what is wrong with each file that is damaged."""

    styles: Sequence[Style]
    damaged: Mapping[Path, WeightsError]


def read_listing(network: str | None = None) -> Listing:
    """Returns the styles of a net, or of all nets; the user's own hide shipped ones.

    A style that no longer belongs to its net is listed too; `find_style` refuses it.
    """
    found: dict[tuple[str, str], Style] = {}
    damaged: dict[Path, WeightsError] = {}
    for path in _files():
        try:
            style = _listed(path, file_state(path))
        except WeightsError as exc:
            damaged[path] = exc
            continue
        if style is not None and network in (None, style.network):
            found.setdefault((style.network, style.name), style)
    return Listing([found[key] for key in sorted(found)], damaged)


def list_styles(network: str | None = None) -> Sequence[Style]:
    """Returns the styles of a net, or of all nets, by network and name, without files that cannot be read."""
    return read_listing(network).styles


def find_style(name: str, network: str | None = None) -> Style:
    """Returns the style of that name, of the given net or else of the first net that has it; or that of a file.

    `name` may also be the path of a .safetensors file. Raises UnknownStyleError, naming the nearest, WeightsError, and
    StyleMismatchError if the style belongs to another training of its net.
    """
    if Path(name).suffix == ".safetensors":
        found = style_from_file(Path(name))
    else:
        listing = read_listing(network)
        matches = [style for style in listing.styles if style.name == name]
        damaged = next((error for path, error in listing.damaged.items() if path.stem == name), None)
        if not matches and damaged is not None:
            raise damaged
        if not matches:
            what = "style" if network is None else f"style of the net {network!r}"
            raise UnknownStyleError(unknown_name(what, name, {style.name for style in listing.styles}))
        found = matches[0]
    check_belongs(found)
    return found


def style_from_file(path: Path) -> Style:
    """Returns what the metadata of a style file say. Raises WeightsError or FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(f"no style file at {path}")
    return _style_from_metadata(path, read_metadata(path))


def _listed(path: Path, state: FileState) -> Style | None:
    """Returns the style in a file, None for a net without one. Raises WeightsError."""
    before = _LISTED.get(str(path))
    if before is not None and before[0] == state:
        return before[1]
    metadata = read_metadata(path, state)
    style = _style_from_metadata(path, metadata) if _is_style(metadata) else None
    if len(_LISTED) >= _MOST_LISTED:
        _LISTED.clear()
    _LISTED[str(path)] = state, style
    return style


def _style_from_metadata(path: Path, metadata: Mapping[str, str]) -> Style:
    facts = {key: printable(metadata.get(key, "")) for key in ("title", "artist", "year", "license", "command")}
    for key in ("title", "artist", "year", "license"):
        if len(facts[key]) > _LONGEST_FACT:
            raise WeightsError(f"{path} has a {key} of {len(facts[key])} characters; expected {_LONGEST_FACT} at most")
    facts["title"] = facts["title"] or path.stem
    if is_encoder(metadata):
        raise WeightsError(f"{path} is a style encoder, not a style")
    if not holds_style(metadata):
        raise WeightsError(f"{path} is a net without a style of its own; its styles lie in {path.with_suffix('')}")
    dedicated = is_network(metadata)
    network = path.stem if dedicated else metadata.get("network") or path.parent.name
    if not network:
        raise WeightsError(f"{path} does not name the net that it is a style of")
    checksum = metadata.get(NETWORK_SHA256, "")
    return Style(name=path.stem, network=network, path=path, dedicated=dedicated, network_sha256=checksum, **facts)


def network_path(name: str) -> Path:
    """Returns the weights file of a net. Raises UnknownStyleError, naming the nearest."""
    if name == Path(name).name and name != ENCODER_NAME:
        for folder in (user_folder(), SHIPPED_FOLDER):
            path = folder / f"{name}.safetensors"
            if path.is_file() and _may_be_network(path):
                return path
    raise UnknownStyleError(unknown_name("net", name, list_networks()))


def onnx_path(name: str) -> Path:
    """Returns the path of a net's ONNX file, which need not exist: beside its weights. Raises UnknownStyleError."""
    return network_path(name).with_suffix(".onnx")


def check_belongs(style: Style, net: Path | None = None) -> None:
    """Checks that a style vector was trained with the weights that its net has now.

    Args:
        style: the style.
        net: the weights file of its net; by default that of the registry.

    Raises:
        StyleMismatchError: the net was trained again since.
    """
    if style.dedicated:
        return
    try:
        net = net or style.network_path
    except UnknownStyleError as exc:
        raise UnknownStyleError(f"{style.path} is a style of another net: {exc}") from exc
    if style.network_sha256 != network_sha256(net):
        before = f" (it was made by: {style.command[:_LONGEST_COMMAND]})" if style.command else ""
        raise StyleMismatchError(
            f"{style.path} was trained with another version of the net {style.network!r} than {net}; train it again: "
            f"nst-train PICTURE --photos DIR --net {style.network} --name {style.name} -y{before}"
        )


def network_sha256(path: Path) -> str:
    """Returns the checksum of a weights file, computed once for each state of the file."""
    stat = path.stat()
    return _sha256(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _mtime_ns: int, _size: int) -> str:
    return file_sha256(path)


def _files() -> Iterable[Path]:
    """Yields the files of nets, some of which hold a style, and of styles."""
    for folder in (user_folder(), SHIPPED_FOLDER):
        yield from _weights_in(folder)
        with suppress(OSError), os.scandir(folder) as entries:
            for inner in sorted(entry.path for entry in entries if entry.is_dir()):
                yield from _weights_in(Path(inner))


def _weights_in(folder: Path) -> Sequence[Path]:
    """Returns the weights files in a folder, by name; none if there is no such folder."""
    with suppress(OSError):
        return [folder / name for name in sorted(os.listdir(folder)) if name.endswith(".safetensors")]  # noqa: PTH208
    return []


def _is_style(metadata: Mapping[str, str]) -> bool:
    return holds_style(metadata) and not is_encoder(metadata)


def printable(text: str) -> str:
    """Returns a text on one line, without what terminals take for commands."""
    return text if text.isprintable() else "".join(ch for ch in " ".join(text.split()) if ch.isprintable())


def unknown_name(what: str, name: str, there: Iterable[str]) -> str:
    """Returns what an error says of a name that does not exist: the nearest one, and which names there are.

    Args:
        what: has the name, e.g. "style".
        name: as it was typed.
        there: the names that exist.
    """
    names = sorted(there)
    near = difflib.get_close_matches(shortened(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (
        f"no {what} called {shortened(name)!r}{hint} (there are: {', '.join(names[:_MOST_NAMES]) or 'none yet'}{more})"
    )
