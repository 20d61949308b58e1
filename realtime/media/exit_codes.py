"""What the errors of reading and encoding mean to a shell."""

from __future__ import annotations

from realtime.media.decoding import SourceError
from realtime.media.encoders import EncoderUnavailableError, EncodingError, OutputError, OutputFailedError
from styles.support.errors import FAILED, UNAVAILABLE, UNREADABLE, USAGE, ExitCodes

EXIT_CODES: ExitCodes = {
    OutputError: USAGE,
    EncodingError: USAGE,
    SourceError: UNREADABLE,
    EncoderUnavailableError: UNAVAILABLE,
    OutputFailedError: FAILED,
}
