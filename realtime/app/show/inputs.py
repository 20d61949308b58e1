"""Opens what is painted, and what is heard with it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from realtime.app.options.table import Options
from realtime.app.show.first_source import open_first_source
from realtime.app.show.page import wants_page
from realtime.audio.feed import AudioFeed
from realtime.audio.microphone import Microphone
from realtime.sources.base import Source, Span
from realtime.sources.browser_camera import BrowserFeed
from realtime.sources.changeable import Changeable
from realtime.sources.live import Feeds, open_live
from styles.support.errors import UsageError


@dataclass(frozen=True)
class OpenInput:
    """What is painted.

    Args:
        source: of frames.
        audio: the live audio; None if there is none.
        microphone: the one that it comes from; None if it comes from the source.
        changeable: the source, if it can become another one in mid-show.
    """

    source: Source
    audio: AudioFeed | None = None
    microphone: Microphone | None = None
    changeable: Changeable | None = None


def open_input(
    options: Options, stack: ExitStack, browser: BrowserFeed | None = None, span: Span | None = None
) -> OpenInput:
    """Opens what was asked for; if nothing was and there is no camera, the bundled scene.

    Args:
        options: what was asked for.
        stack: closes it.
        browser: where the frames of a browser's camera come from; None without a page.
        span: the part of a file that is read; None for all of it.

    Raises:
        SourceError: it cannot be opened.
        UsageError: a microphone was asked for, and the source is not live.
    """
    feeds = Feeds(None if options.on_air.microphone is not None else AudioFeed(options.on_air.audio_delay_s), browser)
    source, changeable = open_first_source(options, feeds, span), None
    if wants_page(options) and source.live:
        size, network = source.size, options.source.network
        source = changeable = Changeable(source, lambda text: open_live(text, size, network, feeds))
    stack.enter_context(source)
    wanted = options.on_air.microphone
    if wanted is None:
        return OpenInput(source, source.info.audio, changeable=changeable)
    if not source.live:
        raise UsageError("--microphone is for live input: a camera, a network stream, or a file on air without -o")
    feed = AudioFeed(options.on_air.audio_delay_s)
    return OpenInput(source, feed, stack.enter_context(Microphone(wanted, feed)), changeable)
