"""What each error of `nst-live` means to a shell."""

from __future__ import annotations

from build_engines.onnx.cache import NoExporterError, OnnxFileError
from realtime.app.cluster.errors import RayUnavailableError
from realtime.backends import BackendUnavailableError
from realtime.media import exit_codes as media
from realtime.remote.errors import ControlServerError, MidiError, MidiMappingError
from realtime.sinks import exit_codes as sinks
from realtime.stylize.mixing import MixError
from realtime.stylize.tiled import BandError
from styles import exit_codes as styles
from styles.support.errors import UNAVAILABLE, UNREADABLE, USAGE, ExitCodes, explain, text_of
from styles.training.loss_network_file import MissingLossNetworkError

EXIT_CODES: ExitCodes = {
    **styles.EXIT_CODES,
    **media.EXIT_CODES,
    **sinks.EXIT_CODES,
    MixError: USAGE,
    BandError: USAGE,
    ControlServerError: USAGE,
    MidiMappingError: UNREADABLE,
    MidiError: UNAVAILABLE,
    OnnxFileError: UNREADABLE,
    NoExporterError: UNAVAILABLE,
    BackendUnavailableError: UNAVAILABLE,
    RayUnavailableError: UNAVAILABLE,
    MissingLossNetworkError: UNAVAILABLE,
}


def explain_file(error: Exception) -> tuple[int, str]:
    """Returns the exit code of an error that stops one of several files, and the line that says what happened."""
    code, text = explain(error, EXIT_CODES)
    return code, text_of(error) if text is None else text
