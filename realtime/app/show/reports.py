"""What is printed of a show: before its input is open, when it is, and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from realtime.app.options.table import Options
from realtime.player.parts import Outcome
from realtime.sinks.open import OpenSinks
from realtime.sinks.output_file import is_pipe, named
from realtime.sources.base import Source
from realtime.sources.browser_camera import BROWSER
from realtime.sources.open import is_file
from realtime.stylize.pipeline import MIN_SIDE
from styles.support.secrets import shown_address
from styles.support.terminal import print_line


def waiting_line(options: Options, link: str | None) -> str:
    """Returns what is printed while the input is not open yet; `link` is that of the page."""
    if options.source.url == BROWSER and link is not None:
        return f"waiting for a browser's camera: open {link} and press “Use this camera”"
    return f"opening {_shown_name(options.source.camera, options.source.url)} …"


def _shown_name(camera: str | None, url: str | None) -> str:
    """Returns what messages call an input before it is open; a password in a URL is left out."""
    if url is None:
        return "the camera" if camera is None else f"camera {camera}"
    return url if is_file(url) else shown_address(url)


def report_input(source: Source) -> None:
    """Prints what there is to say about an input that is open."""
    for note in source.info.notes:
        print_line(note)
    width, height = source.size
    if min(width, height) < MIN_SIDE:
        print_line(f"{source.info.name} is tiny ({width}x{height}): it is extended by mirroring to be painted")


def report_kept(sinks: OpenSinks, name: str) -> None:
    """Reports what is left of a painting that was ended early."""
    recording = sinks.recording
    if sinks.kept is not None:
        print_line(f"what is painted is kept in {sinks.kept}; the same command continues from there")
    elif recording is not None and not is_pipe(recording.path):
        print_line(f"{recording.path} holds the {recording.frame_count} frames of {name} that were painted")


def report_end(outcome: Outcome, source: Source, sinks: OpenSinks, quiet: bool) -> None:
    """Prints how it went; of one of several inputs, which are quiet, only what went wrong and what was saved."""
    recording = sinks.recording
    where = f" into {named(recording.path)}" if recording is not None and recording.whole else ""
    dropped = f", {outcome.dropped} skipped" if outcome.dropped else ""
    speed = f"{outcome.elapsed_s:.1f} s ({outcome.fps:.1f} fps{dropped})"
    if not quiet:
        print_line(f"painted {outcome.frame_count - sinks.left_out} frames{where} in {speed}")
    for damage in sinks.damage:
        print_line(f"{source.info.name}: {damage}")
    report_saved(outcome.saved)
    for complaint in outcome.complaints:
        print_line(f"nst-live: {complaint}")
    if source.shortfall is not None:
        print_line(f"nst-live: {source.shortfall}; what could be read is painted")


def report_saved(paths: Sequence[Path]) -> None:
    """Prints what was saved by key."""
    for path in paths:
        print_line(f"saved {path}")
