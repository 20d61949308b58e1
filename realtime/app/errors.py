"""What each error means to a shell, and how it is said in one line."""

from __future__ import annotations

from collections.abc import Sequence

from build_engines.onnx.cache import NoExporterError, OnnxFileError
from realtime.app.readers import UsageError
from realtime.backends import BackendUnavailableError
from realtime.media.decoding import SourceError
from realtime.media.encoders import EncoderUnavailableError, EncodingError, OutputError
from realtime.player.playlist import PlaylistError
from realtime.sinks.recorder import RecordingError
from realtime.sinks.stream import StreamError
from realtime.sinks.virtual_camera import VirtualCameraError
from realtime.stylize.mixing import MixError
from realtime.stylize.tiled import BandError
from styles.registry import StyleMismatchError, UnknownStyleError
from styles.weights import WeightsError

UNREADABLE = 3
INTERRUPTED = 130

# What is said in one line, and the exit code that goes with it.
EXIT_CODES: Sequence[tuple[type[Exception], int]] = (
    (UnknownStyleError, 2),
    (OutputError, 2),
    (EncodingError, 2),
    (UsageError, 2),
    (MixError, 2),
    (PlaylistError, 2),
    (BandError, 2),
    (StreamError, 2),
    (SourceError, 3),
    (StyleMismatchError, 3),
    (WeightsError, 3),
    (OnnxFileError, 3),
    (FileNotFoundError, 3),
    (BackendUnavailableError, 4),
    (EncoderUnavailableError, 4),
    (VirtualCameraError, 4),
    (NoExporterError, 4),
    (RecordingError, 1),
)


def explained(error: Exception) -> tuple[int, str]:
    """Returns the exit code of an error and the line that says what happened."""
    code = next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
    if isinstance(error, LookupError) and error.args:
        return code, str(error.args[0])
    text = str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    named = getattr(error, "filename", None)
    return code, text if named is None else f"{named}: {text}"
