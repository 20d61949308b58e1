"""Opens what is painted, and what is heard with it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.app.jobs import use_of
from realtime.app.options import Options, Use
from realtime.app.page import wants_page
from realtime.audio.feed import AudioFeed
from realtime.audio.microphone import Microphone
from realtime.frames import Size
from realtime.media.decoding import SourceError
from realtime.media.image_sequence import is_image_sequence
from realtime.media.pipe import STDIN, is_piped
from realtime.sources.base import Source, Span
from realtime.sources.browser_camera import BROWSER, BrowserCamera, BrowserFeed
from realtime.sources.camera_list import cameras_can_be_listed, list_cameras
from realtime.sources.changeable import Changeable
from realtime.sources.looping import Looping
from realtime.sources.open import is_file, open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import TEST_SCENE
from styles.support.errors import UsageError
from styles.support.terminal import print_line

# In mid-show a browser has to send already.
_BROWSER_WITHIN_S = 3.0


@dataclass(frozen=True)
class Feeds:
    """What live sources are connected with, whichever of them is open.

    Args:
        audio: takes their audio; None if nobody hears it.
        browser: has what a browser's camera sends; None without a page.
    """

    audio: AudioFeed | None
    browser: BrowserFeed | None


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
    source, changeable = _open_source(options, feeds, span), None
    if wants_page(options) and source.live:
        size = source.size
        source = changeable = Changeable(source, lambda text: open_live(text, options, feeds, size))
    stack.enter_context(source)
    wanted = options.on_air.microphone
    if wanted is None:
        return OpenInput(source, source.info.audio, changeable=changeable)
    if not source.live:
        raise UsageError("--microphone is for live input: a camera, a network stream, or a file on air without -o")
    feed = AudioFeed(options.on_air.audio_delay_s)
    return OpenInput(source, feed, stack.enter_context(Microphone(wanted, feed)), changeable)


def _open_source(options: Options, feeds: Feeds, span: Span | None) -> Source:
    """Returns the source.

    A file is played at its own rate on air, and where it can become another source in mid-show, unless a file is
    written, which loses no frame.
    """
    source = _find_source(options, feeds, span)
    if options.source.loop:
        source = Looping(source, lambda: _find_source(options, feeds))
    as_if_live = options.on_air.is_on_air or wants_page(options)
    in_real_time = as_if_live and not source.live and options.output.output is None
    return RealTime(source, feeds.audio) if in_real_time else source


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
    path = Path(text)
    if text == BROWSER and feeds.browser is not None:
        return BrowserCamera(feeds.browser, size, wait_s=_BROWSER_WITHIN_S)
    if text == str(STDIN) or path.is_dir() or (is_file(text) and is_piped(path)):
        raise UsageError(f"{text!r} cannot be played in mid-show; expected a camera, a video file or an address")
    if is_file(text) and not (path.exists() or is_image_sequence(path)):
        if path.suffix and len(path.parts) > 1 and not str(path).startswith("/dev/"):
            raise SourceError(f"no file {text}")
        return open_source(camera=text or None, size=size)
    if use_of([text], None) is Use.PHOTO:
        raise UsageError(f"{text!r} is a photograph; expected a camera, a video file or an address")
    source = open_source(url=text, size=size if text == TEST_SCENE else None, network=network)
    if source.live:
        return source
    if source.info.clip is not None:
        source = Looping(source, lambda: open_source(url=text, network=network))
    return RealTime(source, feeds.audio)


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
