"""Opens the source that a show begins with."""

from __future__ import annotations

from dataclasses import replace

from realtime.app.options.table import Options
from realtime.app.show.page import wants_page
from realtime.media.decoding import SourceError
from realtime.sources.base import Source, Span
from realtime.sources.camera_list import cameras_can_be_listed, list_cameras
from realtime.sources.live import Feeds
from realtime.sources.looping import Looping
from realtime.sources.open import open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import TEST_SCENE
from styles.support.terminal import print_line


def open_first_source(options: Options, feeds: Feeds, span: Span | None) -> Source:
    """Opens what was asked for; if nothing was and there is no camera, the bundled scene.

    A file is played at its own rate on air, and where it can become another source in mid-show, unless a file is
    written, which loses no frame.

    Args:
        options: what was asked for.
        feeds: take its audio, and have what a browser's camera sends.
        span: the part of a file that is read; None for all of it.

    Raises:
        SourceError: it cannot be opened.
    """
    source = _find_source(options, feeds, span)
    if options.source.loop:
        source = Looping(source, lambda: _find_source(options, feeds))
    as_if_live = options.on_air.is_on_air or wants_page(options)
    in_real_time = as_if_live and not source.live and options.output.output is None
    return RealTime(source, feeds.audio) if in_real_time else source


def _find_source(options: Options, feeds: Feeds, span: Span | None = None) -> Source:
    wanted = options.source
    try:
        return open_source(
            camera=wanted.camera,
            url=wanted.url,
            size=wanted.size,
            rate=wanted.fps,
            reading=replace(wanted.reading, span=span),
            network=replace(wanted.network, audio=feeds.audio),
            browser=feeds.browser,
        )
    except SourceError:
        asked = wanted.camera is not None or wanted.url is not None
        if asked or list_cameras() or not cameras_can_be_listed():
            raise
    print_line("no camera found; painting the bundled scene instead (plug one in, or choose with --camera or -i)")
    return open_source(url=TEST_SCENE, size=wanted.size, rate=wanted.fps)
