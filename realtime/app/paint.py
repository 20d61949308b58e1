"""Paints what was asked for: one video or live input, one picture, or several files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from realtime.app.batch import paint_files
from realtime.app.cluster.paint import paint_film
from realtime.app.jobs import check_inputs, use_of
from realtime.app.options.rules import check_options
from realtime.app.options.table import Options, Use
from realtime.app.photo_files import paint_photo
from realtime.app.play import play_input

_WORK: Mapping[Use, Callable[[Options], int]] = {
    Use.LIVE: play_input,
    Use.FILE: lambda options: paint_film(options) if options.cluster.asked else play_input(options),
    Use.PHOTO: paint_photo,
    Use.SEVERAL: paint_files,
}


def paint(options: Options) -> int:
    """Paints; returns the exit code.

    Raises:
        SourceError: an input does not exist.
        UsageError: the options do not go together, or not with the input.
    """
    check_inputs(options.source.input)
    use = use_of(options.source.input, options.output.output)
    check_options(options, use)
    if options.cluster.asked:
        options = replace(options, output=replace(options.output, resume=True))
    return _WORK[use](options)
