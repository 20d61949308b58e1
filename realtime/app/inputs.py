"""Opens what is painted, and what is heard with it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from realtime.app.options import Options
from realtime.audio.feed import AudioFeed
from realtime.audio.microphone import Microphone
from realtime.media.decoding import SourceError
from realtime.sources.base import Source
from realtime.sources.camera_list import cameras_can_be_listed, list_cameras
from realtime.sources.looping import Looping
from realtime.sources.open import open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import TEST_SCENE
from styles.support.errors import UsageError
from styles.support.terminal import print_line


@dataclass(frozen=True)
class OpenInput:
    """What is painted.

    Args:
        source: of frames.
        audio: the live audio; None if there is none.
        microphone: the one that it comes from; None if it comes from the source.
    """

    source: Source
    audio: AudioFeed | None = None
    microphone: Microphone | None = None


def open_input(options: Options, stack: ExitStack) -> OpenInput:
    """Opens what was asked for; if nothing was and there is no camera, the bundled scene.

    Args:
        options: what was asked for.
        stack: closes it.

    Raises:
        SourceError: it cannot be opened.
        UsageError: a microphone was asked for, and the source is not live.
    """
    source = stack.enter_context(_open_source(options))
    wanted = options.on_air.microphone
    if wanted is None:
        return OpenInput(source, source.info.audio)
    if not source.live:
        raise UsageError("--microphone is for live input: a camera, a network stream, or a file on air without -o")
    feed = AudioFeed(options.on_air.audio_delay_s)
    return OpenInput(source, feed, stack.enter_context(Microphone(wanted, feed)))


def _open_source(options: Options) -> Source:
    """Returns the source. On air a file is played at its own rate, unless a file is written, which loses no frame."""
    audio = None if options.on_air.microphone is not None else AudioFeed(options.on_air.audio_delay_s)
    source = _find_source(options, audio)
    if options.source.loop:
        source = Looping(source, lambda: _find_source(options, audio))
    in_real_time = options.on_air.is_on_air and not source.live and options.output.output is None
    return RealTime(source, audio) if in_real_time else source


def _find_source(options: Options, audio: AudioFeed | None) -> Source:
    wanted = options.source
    try:
        return open_source(
            camera=wanted.camera,
            url=wanted.url,
            size=wanted.size,
            rate=wanted.fps,
            reading=wanted.reading,
            network=replace(wanted.network, audio=audio),
        )
    except SourceError:
        asked = wanted.camera is not None or wanted.url is not None
        if asked or list_cameras() or not cameras_can_be_listed():
            raise
    print_line("no camera found; painting the bundled scene instead (plug one in, or choose with --camera or -i)")
    return open_source(url=TEST_SCENE, size=wanted.size, rate=wanted.fps)
