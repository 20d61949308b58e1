"""Paints images, films, streams and cameras in the style of famous pictures.

    import realtime as rt

    with rt.Stylizer("wave") as stylize, rt.open_source("in.mp4") as source, rt.Recorder("out.mp4", like=source) as out:
        for frame in source:
            out.write(stylize(frame))

Importing it starts nothing and loads neither a net nor PyAV: each name is loaded when it is first used. docs/python.md
describes all of them.
"""

from __future__ import annotations

import os as _os
from importlib import import_module
from typing import TYPE_CHECKING

# OpenCV reads these when it is loaded, or when it opens its first camera. On Linux a read of a camera that has stopped
# ends after 2 seconds and not after 10, without a line for each; on Windows, Media Foundation does not look for
# hardware first, which takes up to a minute.
_os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
_os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
_os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

# Before anything else: PyAV brings its own X library, and if that is loaded first, OpenCV's windows hang forever.
import cv2 as _cv2  # noqa: F401

if TYPE_CHECKING:
    from realtime.api.errors import (
        BackendUnavailableError,
        BandError,
        EncoderUnavailableError,
        EncodingError,
        MixError,
        NoExporterError,
        OnnxFileError,
        OutputError,
        PhotoError,
        RecordingError,
        SourceError,
        StyleMismatchError,
        UnknownStyleError,
        WeightsError,
    )
    from realtime.api.images import read_image, write_image
    from realtime.api.listings import CameraDevice, Style, list_backends, list_cameras, list_styles
    from realtime.api.recorder import Recorder
    from realtime.api.stylizer import Stylizer
    from realtime.api.video_source import VideoSource, open_source
    from realtime.frames import Frame

__version__ = "0.2.0"

__all__ = [
    "BackendUnavailableError",
    "BandError",
    "CameraDevice",
    "EncoderUnavailableError",
    "EncodingError",
    "Frame",
    "MixError",
    "NoExporterError",
    "OnnxFileError",
    "OutputError",
    "PhotoError",
    "Recorder",
    "RecordingError",
    "SourceError",
    "Style",
    "StyleMismatchError",
    "Stylizer",
    "UnknownStyleError",
    "VideoSource",
    "WeightsError",
    "__version__",
    "list_backends",
    "list_cameras",
    "list_styles",
    "open_source",
    "read_image",
    "write_image",
]

# The modules of the names that are not errors.
_MODULES = {
    "CameraDevice": "realtime.api.listings",
    "Frame": "realtime.frames",
    "Recorder": "realtime.api.recorder",
    "Style": "realtime.api.listings",
    "Stylizer": "realtime.api.stylizer",
    "VideoSource": "realtime.api.video_source",
    "list_backends": "realtime.api.listings",
    "list_cameras": "realtime.api.listings",
    "list_styles": "realtime.api.listings",
    "open_source": "realtime.api.video_source",
    "read_image": "realtime.api.images",
    "write_image": "realtime.api.images",
}


if not TYPE_CHECKING:  # a type checker would take any name for one that exists

    def __getattr__(name: str) -> object:
        """Loads a public name when it is first used (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES.get(name, "realtime.api.errors")), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
