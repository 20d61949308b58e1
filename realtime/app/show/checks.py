"""What is refused before anything is opened, and what needs no painting."""

from __future__ import annotations

import os
from pathlib import Path

from realtime.app.options.table import Options
from realtime.app.show.target import encoding_of
from realtime.media.pipe import is_piped
from realtime.screen.window import no_screen_reason
from realtime.sinks.output_file import is_pipe
from realtime.sinks.recorder import check_output
from realtime.sinks.stream import check_stream_url
from realtime.sources.open import is_file
from styles.support.errors import UsageError
from styles.support.terminal import print_line


def check_playable(options: Options) -> None:
    """Raises, before anything is opened, if what was asked for could not be written, sent or ended."""
    output = options.output
    if options.source.url is not None and is_file(options.source.url) and is_piped(Path(options.source.url)):
        _check_piped(options)
    if options.source.loop:
        _check_loop(options)
    if output.resume and output.output is not None and _is_in_one_go(output.output):
        raise UsageError(
            "--resume is for mp4, mkv, mov and webm; a GIF, an image sequence or a pipe is painted in one go"
        )
    if output.output is not None:
        check_output(output.output, output.overwrite or output.resume, options.source.url, encoding_of(options))
    if options.on_air.stream is not None:
        check_stream_url(options.on_air.stream)


def _check_piped(options: Options) -> None:
    for refused, flag in ((options.source.loop, "--loop"), (options.output.resume, "--resume")):
        if refused:
            raise UsageError(f"{flag} does not go with a pipe, which can be read only once; save it as a file first")


def _is_in_one_go(path: Path) -> bool:
    return is_pipe(path) or path.suffix.lower() in {".gif", ".png"}


def _check_loop(options: Options) -> None:
    watched = not options.screen.no_window and no_screen_reason(os.environ) is None
    watched = watched or options.control.control is not None
    if not watched and not options.on_air.is_on_air and options.source.frames is None:
        raise UsageError("--loop would never end; add --stream, --virtual-cam or --frames N, or open a window")


def is_done(options: Options) -> bool:
    """Returns, and reports, whether what an interrupted run was asked for is there."""
    output = options.output
    done = output.resume and not output.overwrite and output.output is not None and output.output.exists()
    if done:
        print_line(f"{output.output} exists, so it counts as painted; to paint it again, add -y")
    return done
