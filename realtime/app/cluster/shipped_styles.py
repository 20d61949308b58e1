"""The styles that are painted in, as they are sent to other machines: the very numbers, and nets that are not there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.app.nets import Catalog
from realtime.app.options.table import StyleOptions
from realtime.backends import BackendUnavailableError, Choice, Net, choose_backend, load_backend
from realtime.stylize.loaded_style import LoadedStyle
from styles.registry import SHIPPED_FOLDER


@dataclass(frozen=True)
class _ShippedFile:
    """A file of a net: one that every installation has, by its path there, or the file itself.

    name: its path or its name. digest: of its bytes. data: None for one that every installation has.
    """

    name: str
    digest: str
    data: bytes | None


@dataclass(frozen=True)
class ShippedStyles:
    """What `unpacked` makes the catalog of on another machine.

    Args:
        wanted: the styles that were asked for, whose nets have no files here.
        files: of each net, by its name: the graph, and the weights if there are any.
        network: the name of their net.
        backend: what paints them.
    """

    wanted: Sequence[LoadedStyle]
    files: Mapping[str, Sequence[_ShippedFile]]
    network: str
    backend: str

    def unpacked(self, folder: Path) -> Catalog:
        """Returns the catalog.

        Args:
            folder: for the nets that are not here.

        Raises:
            BackendUnavailableError: the backend cannot run here, or a net is another one here.
        """
        paths = {name: [_put(file, folder) for file in files] for name, files in self.files.items()}
        styles = [
            # what comes out of Ray's memory is read-only, and backends want vectors of their own
            replace(
                style,
                net=_with_files(style.net, paths[style.net.name]),
                source=None if style.vector is None else style.vector.copy(),
            )
            for style in self.wanted
        ]
        return Catalog(styles, styles, self.network, choose_backend(self.backend))


def packed(catalog: Catalog) -> ShippedStyles:
    """Returns the styles that a catalog was asked for, ready, as they are sent."""
    for style in catalog.wanted:
        style.make_ready()
    wanted = [replace(style, source=style.vector) for style in catalog.wanted]
    nets = {style.net.name: style.net for style in wanted}
    files = {name: [_shipped(path) for path in (net.onnx, net.weights) if path] for name, net in nets.items()}
    return ShippedStyles(wanted, files, catalog.network, catalog.choice.backend.name)


def backend_for(look: StyleOptions) -> Choice:
    """Returns what paints on the nodes: what was asked for, though it may not run here, else what runs best here."""
    return choose_backend() if look.backend == "auto" else Choice(load_backend(look.backend), ())


def _shipped(path: Path) -> _ShippedFile:
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if path.is_relative_to(SHIPPED_FOLDER):
        return _ShippedFile(path.relative_to(SHIPPED_FOLDER).as_posix(), digest, None)
    return _ShippedFile(path.name, digest, data)


def _put(file: _ShippedFile, folder: Path) -> Path:
    if file.data is not None:
        path = folder / f"{file.digest[:16]}-{file.name}"
        path.write_bytes(file.data)
        return path
    path = SHIPPED_FOLDER / file.name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file.digest:
        raise BackendUnavailableError(
            f"the net {file.name} of this node is another one; install the same nst-live there"
        )
    return path


def _with_files(net: Net, paths: Sequence[Path]) -> Net:
    return replace(net, onnx=paths[0], weights=paths[1] if net.weights is not None else None)
