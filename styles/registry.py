"""Which styles there are and where their files lie: the shipped ones and the user's own. Needs no torch.

Both folders have the same layout, and the user's comes first:

    <network>.safetensors            a net that many styles share, or a net with a style of its own inside
    <network>.onnx                   the same net for the backends
    <network>/<style>.safetensors    a style of that net
"""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from styles.support.user_folders import data_folder
from styles.weights import FileState, WeightsError, file_sha256, file_state, holds_style, is_network, read_metadata

SHIPPED_FOLDER = Path(__file__).parent / "trained"
USER_FOLDER_VARIABLE = "NST_LIVE_STYLES"
# The metadata key by which a style vector names the net that it was trained with.
NETWORK_SHA256 = "network_sha256"
# No picture is called more than that; it would fill the screen.
_LONGEST_FACT = 1000
# Nobody reads more of a command that does not work.
_LONGEST_COMMAND = 300
# Lists of so many files are made again at once.
_MOST_LISTED = 2**15


class UnknownStyleError(LookupError):
    """There is no style, or no net, of that name."""


class StyleMismatchError(ValueError):
    """A style vector was made for another training of the net."""


@dataclass(frozen=True)
class StylePicture:
    """A painting: what the metadata of a style trained from it say. `year` is '' where it is not surely known."""

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
        """The weights file of the style's net. Raises UnknownStyleError where there is none."""
        return self.path if self.dedicated else network_path(self.network)


def known_picture(path: Path) -> StylePicture | None:
    """Returns what is known of a picture's file, by its name and content. Raises OSError."""
    known = path.stem in PICTURES and file_sha256(path) == _PICTURE_SHA256[path.stem]
    return PICTURES[path.stem] if known else None


def user_folder() -> Path:
    """Returns the folder of the user's own styles, which need not exist; $NST_LIVE_STYLES overrides it."""
    override = os.environ.get(USER_FOLDER_VARIABLE)
    return Path(override) if override else data_folder() / "styles"


def list_networks() -> dict[str, Path]:
    """Returns the weights file of each net, by name; a net of the user's own hides a shipped one of that name."""
    found: dict[str, Path] = {}
    for folder in (user_folder(), SHIPPED_FOLDER):
        for path in sorted(folder.glob("*.safetensors")):
            found.setdefault(path.stem, path)
    return found


@dataclass(frozen=True)
class Listing:
    """The styles of a net, or of all nets, by network and name, and why each damaged file is none of them."""

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


def find_style(name: str, network: str | None = None, listing: Listing | None = None) -> Style:
    """Returns the style of that name, of the given net or else of the first net that has it; or that of a file.

    `name` may also be the path of a .safetensors file. `listing`: that of the net, if it was just read.

    Raises UnknownStyleError, naming the nearest, WeightsError, and StyleMismatchError where the style belongs to
    another training of its net.
    """
    if Path(name).suffix == ".safetensors":
        found = style_from_file(Path(name))
    else:
        listing = listing or read_listing(network)
        matches = [style for style in listing.styles if style.name == name]
        damaged = next((error for path, error in listing.damaged.items() if path.stem == name), None)
        if not matches and damaged is not None:
            raise damaged
        if not matches:
            what = "style" if network is None else f"style of the net {network!r}"
            raise UnknownStyleError(_unknown(what, name, {style.name for style in listing.styles}))
        found = matches[0]
    check_belongs(found)
    return found


def style_from_file(path: Path) -> Style:
    """Returns what the metadata of a style file say. Raises WeightsError or FileNotFoundError."""
    if not path.is_file():
        raise FileNotFoundError(f"no style file at {path}")
    return _style_from_metadata(path, read_metadata(path))


@functools.lru_cache(maxsize=_MOST_LISTED)
def _listed(path: Path, state: FileState) -> Style | None:
    """Returns the style in a file, None for a net without one. Raises WeightsError."""
    metadata = read_metadata(path, state)
    return _style_from_metadata(path, metadata) if holds_style(metadata) else None


def _style_from_metadata(path: Path, metadata: Mapping[str, str]) -> Style:
    facts = {key: _printable(metadata.get(key, "")) for key in ("title", "artist", "year", "license", "command")}
    for key in ("title", "artist", "year", "license"):
        if len(facts[key]) > _LONGEST_FACT:
            raise WeightsError(f"{path} has a {key} of {len(facts[key])} characters; expected {_LONGEST_FACT} at most")
    facts["title"] = facts["title"] or path.stem
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
    networks = list_networks()
    if name not in networks:
        raise UnknownStyleError(_unknown("net", name, networks))
    return networks[name]


def onnx_path(name: str) -> Path:
    """Returns where the ONNX file of a net lies or will lie: beside its weights. Raises UnknownStyleError."""
    return network_path(name).with_suffix(".onnx")


def check_belongs(style: Style, net: Path | None = None) -> None:
    """Raises StyleMismatchError where the style vector was trained with other weights than its net has now.

    net: the weights file of its net, looked up if it is not given.
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
        yield from map(Path, sorted(map(str, folder.glob("*.safetensors"))))
        yield from map(Path, sorted(map(str, folder.glob("*/*.safetensors"))))


def _printable(text: str) -> str:
    """Returns a text on one line, without what terminals take for commands."""
    return text if text.isprintable() else "".join(ch for ch in " ".join(text.split()) if ch.isprintable())


def _unknown(what: str, name: str, there: Iterable[str]) -> str:
    names = sorted(there)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no {what} called {name!r}{hint} (there are: {', '.join(names) or 'none yet'})"
