"""What a resumed film has to have in common with the run that began it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from realtime.app.nets import Catalog
from realtime.app.options.table import TABLE, Options, values_of
from realtime.sinks.segments import fingerprint_of
from realtime.stylize.colors import coloring


def film_fingerprint(options: Options, catalog: Catalog, painter: str) -> Mapping[str, str]:
    """Returns what decides how the frames of a file look.

    Args:
        options: what was asked for.
        catalog: the styles, ready.
        painter: what paints them.
    """
    values = values_of(options)
    decisive = {name: values[name] for name, each in TABLE.items() if each.changes_pixels}
    styles = (
        data
        for each in catalog.wanted
        for data in (each.net.onnx.read_bytes(), b"" if each.vector is None else each.vector.tobytes())
    )
    palette = repr(coloring(options.look.colors, options.look.keep_colors).palette).encode()
    return fingerprint_of(Path(str(options.source.url)), (*styles, palette), painter, decisive)
