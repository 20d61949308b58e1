"""What `nst-live --list-…` prints: the styles, cameras, microphones and backends of this machine, one per line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from realtime.api.listings import list_styles
from realtime.audio.microphone import list_microphones
from realtime.backends import BACKENDS, load_backend
from realtime.sources.camera_list import describe_cameras, list_cameras, list_modes
from styles.support.terminal import print_line


def _list_styles() -> None:
    for style in list_styles():
        by = " ".join(part for part in (style.artist, style.year and f"({style.year})") if part)
        print_line(f"{style.name:<16} {style.network:<6} {style.title}" + (f", {by}" if by else ""), sys.stdout)


def _list_cameras() -> None:
    cameras = list_cameras()
    for camera in cameras:
        modes = ", ".join(map(str, list_modes(camera))) or "cannot be opened; is another program using it?"
        print_line(f"{camera}: {modes}", sys.stdout)
    if not cameras:
        print_line(f"{describe_cameras()}; without a camera, type: nst-live -i test", sys.stdout)


def _list_microphones() -> None:
    for line in list_microphones() or ("found no microphone",):
        print_line(line, sys.stdout)


def _list_backends() -> None:
    for name in BACKENDS:
        print_line(f"{name:<12} {load_backend(name).unavailable_reason() or 'can be used'}", sys.stdout)


# By the names of the options.
LISTINGS: Mapping[str, Callable[[], None]] = {
    "list_styles": _list_styles,
    "list_cameras": _list_cameras,
    "list_microphones": _list_microphones,
    "list_backends": _list_backends,
}
