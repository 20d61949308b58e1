"""The errors that the API raises: the same classes that the command prints in one line.

`ValueError` and `TypeError` are raised for arguments out of range or of the wrong type.
"""

from __future__ import annotations

from build_engines.onnx.cache import NoExporterError, OnnxFileError
from realtime.backends import BackendUnavailableError
from realtime.media.decoding import SourceError
from realtime.media.encoders import EncoderUnavailableError, EncodingError, OutputError
from realtime.media.photo import PhotoError
from realtime.sinks.recorder import RecordingError
from realtime.stylize.mixing import MixError
from realtime.stylize.tiled import BandError
from styles.registry import StyleMismatchError, UnknownStyleError
from styles.weights import WeightsError

__all__ = [
    "BackendUnavailableError",
    "BandError",
    "EncoderUnavailableError",
    "EncodingError",
    "MixError",
    "NoExporterError",
    "OnnxFileError",
    "OutputError",
    "PhotoError",
    "RecordingError",
    "SourceError",
    "StyleMismatchError",
    "UnknownStyleError",
    "WeightsError",
]
