"""Opens another source in mid-show."""

from __future__ import annotations

from dataclasses import replace

from realtime.app.options.table import Options
from realtime.app.show.feeds import Feeds
from realtime.app.show.source_names import check_playable_in_mid_show, is_camera
from realtime.frames import Size
from realtime.sources.base import Source
from realtime.sources.browser_camera import BROWSER, BrowserCamera
from realtime.sources.looping import Looping
from realtime.sources.open import open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import TEST_SCENE

# In mid-show a browser has to send already.
_BROWSER_WITHIN_S = 3.0


def open_live(text: str, options: Options, feeds: Feeds, size: Size) -> Source:
    """Opens a source in mid-show: what -i and --camera name. A file is played again and again, at its own speed.

    Args:
        text: a camera, a file, an address, or "test".
        options: of the show.
        feeds: take its audio, and have what a browser's camera sends.
        size: width and height of the show, which a camera is asked for.

    Raises:
        SourceError: it cannot be opened.
        UsageError: it is nothing that can be played.
    """
    text = text.strip()
    network = replace(options.source.network, audio=feeds.audio)
    if text == BROWSER and feeds.browser is not None:
        return BrowserCamera(feeds.browser, size, wait_s=_BROWSER_WITHIN_S)
    check_playable_in_mid_show(text)
    if is_camera(text):
        return open_source(camera=text or None, size=size)
    source = open_source(url=text, size=size if text == TEST_SCENE else None, network=network)
    if source.live:
        return source
    if source.info.clip is not None:
        source = Looping(source, lambda: open_source(url=text, network=network))
    return RealTime(source, feeds.audio)
