"""Chooses the source for what was asked for: a camera, a video file, a network stream or the bundled scene."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from realtime.frames import Size
from realtime.media.photo import is_animation
from realtime.sources.animated_image import AnimatedImage
from realtime.sources.base import Source
from realtime.sources.browser_camera import BROWSER, BrowserFeed, open_browser_camera
from realtime.sources.camera import DEFAULT_CAMERA_SIZE, CameraSource, choose_camera, choose_same_camera
from realtime.sources.camera_list import twins_of
from realtime.sources.network_stream import NetworkOptions, NetworkStream
from realtime.sources.reconnecting import Reconnecting
from realtime.sources.resampled import Resampled
from realtime.sources.scene import SCENE_RATE, TEST_SCENE, SceneSource
from realtime.sources.video_file import ReadOptions, VideoFile

# A scheme has two letters at least: what has one is a drive of Windows.
_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def open_source(
    *,
    camera: str | None = None,
    url: str | None = None,
    size: Size | None = None,
    rate: Fraction | None = None,
    reading: ReadOptions = ReadOptions(),  # noqa: B008 - frozen
    network: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
    browser: BrowserFeed | None = None,
) -> Source:
    """Returns an open source of RGB frames.

    Args:
        camera: index, device path or part of the name of a camera; None for the default one. Ignored with `url`.
        url: a file, an image sequence, a pipe or "-" for the standard input, the URL of a stream, "test" for the
            bundled scene, or "browser" for the camera of a browser; None for a camera.
        size: width and height of the frames; None for the source's own, or DEFAULT_CAMERA_SIZE.
        rate: frames per second; None for the source's own.
        reading: which part of a file is read, and how large.
        network: how a network stream is read.
        browser: where the frames of a browser's camera come from; None if no page is served.

    Raises:
        SourceError: the source cannot be opened; the text says what is available instead.
    """
    if url is None:
        device = choose_camera(camera)
        twins = twins_of(device)
        return Reconnecting(
            CameraSource(device, size, rate), lambda: CameraSource(choose_same_camera(device, twins), size, rate)
        )
    if url == TEST_SCENE:
        return SceneSource(size or DEFAULT_CAMERA_SIZE, rate or SCENE_RATE)
    if url == BROWSER:
        return open_browser_camera(browser, size, rate)
    if not is_file(url):
        return Reconnecting(NetworkStream(url, size, network), lambda: NetworkStream(url, size, network))
    if is_animation(Path(url)):
        image = AnimatedImage(Path(url), size, reading)
        return image if rate is None else Resampled(image, rate)
    file = VideoFile(Path(url), size, reading, rate)
    # also at the file's own rate, which may be no more than the most frequent one
    return file if rate is None or file.info.clip is None else Resampled(file, rate)


def is_file(url: str) -> bool:
    """Returns whether an input stands for a file or an image sequence."""
    return url not in (TEST_SCENE, BROWSER) and not _URL.match(url)
