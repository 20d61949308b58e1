"""What live sources are connected with."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.audio.feed import AudioFeed
from realtime.sources.browser_camera import BrowserFeed


@dataclass(frozen=True)
class Feeds:
    """What live sources are connected with, whichever of them is open.

    Args:
        audio: takes their audio; None if nobody hears it.
        browser: has what a browser's camera sends; None without a page.
    """

    audio: AudioFeed | None
    browser: BrowserFeed | None
