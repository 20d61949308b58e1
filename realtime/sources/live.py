"""Opens a source in mid-show, by what a person calls it: every one is live, files too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from realtime.audio.feed import AudioFeed
from realtime.frames import Size
from realtime.media.decoding import SourceError
from realtime.media.photo import PhotoError, is_animation, photo_size
from realtime.media.pipe import STDIN, is_piped
from realtime.sources.base import Source
from realtime.sources.browser_camera import BROWSER, BrowserCamera, BrowserFeed
from realtime.sources.looping import Looping
from realtime.sources.network_stream import NetworkOptions
from realtime.sources.open import is_file, open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import TEST_SCENE

# In mid-show a browser has to send already.
_BROWSER_WITHIN_S = 3.0
_EXPECTED = "expected a camera, a video file or an address"


@dataclass(frozen=True)
class Feeds:
    """What live sources are connected with, whichever of them is open.

    Args:
        audio: takes their audio; None if nobody hears it.
        browser: has what a browser's camera sends; None without a page.
    """

    audio: AudioFeed | None = None
    browser: BrowserFeed | None = None


def open_live(text: str, size: Size, network: NetworkOptions, feeds: Feeds) -> Source:
    """Opens a source: what -i and --camera name. A file is played again and again, at its own speed.

    Args:
        text: a camera, a file, an address, or "test".
        size: width and height of the show, which a camera is asked for.
        network: how a network stream is read.
        feeds: take its audio, and have what a browser's camera sends.

    Raises:
        SourceError: it cannot be opened, or is nothing that can be played.
    """
    text, network = text.strip(), replace(network, audio=feeds.audio)
    if text == BROWSER and feeds.browser is not None:
        return BrowserCamera(feeds.browser, size, wait_s=_BROWSER_WITHIN_S)
    path = Path(text)
    if is_file(text):
        _check_file(path)
        if not path.is_file() and "%" not in path.name:
            return open_source(camera=text or None, size=size)
    source = open_source(url=text, size=size if text == TEST_SCENE else None, network=network)
    if source.live:
        return source
    if source.info.clip is not None:
        source = Looping(source, lambda: open_source(url=text, network=network))
    return RealTime(source, feeds.audio)


def _check_file(path: Path) -> None:
    """Raises SourceError for what could be opened, and not be played in mid-show."""
    if path == STDIN or path.is_dir() or is_piped(path):
        raise SourceError(f"{str(path)!r} cannot be played in mid-show; {_EXPECTED}")
    looks_like_file = path.suffix and len(path.parts) > 1 and not str(path).startswith("/dev/")
    if looks_like_file and not path.exists() and "%" not in path.name:
        raise SourceError(f"no file {path}")
    if path.is_file() and _is_photograph(path):
        raise SourceError(f"{str(path)!r} is a photograph; {_EXPECTED}")


def _is_photograph(path: Path) -> bool:
    try:
        photo_size(path)
    except PhotoError:
        return False
    return not is_animation(path)
