"""Where the painted frames go, and how a file of them is encoded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from realtime.app.options.table import Options
from realtime.media.encoders import Encoding
from realtime.screen.window import no_screen_reason
from realtime.sinks.output_file import pipe_format
from realtime.sinks.recorder import unused_path
from realtime.sources.base import Source
from styles.support.terminal import print_line

_FALLBACK_STEM = "nst-live"


@dataclass(frozen=True)
class Target:
    """Where the painted frames go: into a window or not, and into a file or not."""

    watched: bool
    file: Path | None


def choose_target(options: Options, source: Source) -> Target:
    """Returns where frames go; without a screen and an output, into a file of our choosing, unless it is a loop."""
    file, no_window = options.output.output, options.screen.no_window
    file_to_file = file is not None and not source.live and not source.info.endless
    if no_window or (file_to_file and no_window is None):
        return Target(False, file)
    no_screen = no_screen_reason(os.environ)
    if no_screen is None:
        return Target(True, file)
    if options.on_air.is_on_air:
        print_line(f"{no_screen}; only on air" + ("" if file is None else " and recording"))
        return Target(False, file)
    if file is not None:
        print_line(f"{no_screen}; only recording")
        return Target(False, file)
    if options.source.loop or options.control.control is not None:
        return Target(False, None)
    file = unused_path(Path.cwd(), _FALLBACK_STEM, ".mp4")
    print_line(f"{no_screen}; recording into {file}")
    return Target(False, file)


def encoding_of(options: Options) -> Encoding:
    """Returns how a file is encoded."""
    output = options.output
    return Encoding(output.encoder, output.crf, output.preset, pipe_format=pipe_format(output.output, output.format))
