"""Whether frames of a size can be painted and encoded, which is asked before a net is loaded for them."""

from __future__ import annotations

from realtime.app.options.table import Options
from realtime.app.show.target import Target, encoding_of
from realtime.media.decoding import SourceError
from realtime.media.encoders import EncodingError, check_frame_size, encoder_for
from realtime.media.free_memory import shortage
from realtime.sources.base import SourceInfo
from realtime.stylize.pipeline import MIN_SIDE

# What the smallest of our nets takes for a pixel, at least.
_BYTES_A_PIXEL = 32


def check_frames(options: Options, info: SourceInfo, target: Target) -> None:
    """Checks whether the frames of a source can be painted and written.

    Raises:
        SourceError: there is no memory for them.
        EncodingError: the encoder takes none of that size.
    """
    width, height = info.size
    if short := shortage(max(width, MIN_SIDE) * max(height, MIN_SIDE) * _BYTES_A_PIXEL):
        raise SourceError(
            f"{info.name} cannot be painted: for frames of {width}x{height} {short}; "
            "make them smaller, e.g. with --max-size 4096"
        )
    if target.file is not None:
        try:
            check_frame_size(encoder_for(target.file, encoding_of(options)), info.size)
        except EncodingError as exc:
            raise EncodingError(f"cannot write {target.file}: {exc}") from exc
