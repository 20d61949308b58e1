"""Whether there is memory for frames of a size."""

from __future__ import annotations

from realtime.media.decoding import SourceError
from realtime.media.free_memory import shortage
from realtime.sources.base import SourceInfo
from realtime.stylize.pipeline import MIN_SIDE

# What the smallest of our nets takes for a pixel, at least.
_BYTES_A_PIXEL = 32


def check_memory(info: SourceInfo) -> None:
    """Raises SourceError before a net is loaded for frames for which there is no memory."""
    width, height = info.size
    if short := shortage(max(width, MIN_SIDE) * max(height, MIN_SIDE) * _BYTES_A_PIXEL):
        raise SourceError(
            f"{info.name} cannot be painted: for frames of {width}x{height} {short}; "
            "make them smaller, e.g. with --max-size 4096"
        )
