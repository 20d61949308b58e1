"""What the errors of outputs mean to a shell."""

from __future__ import annotations

from realtime.sinks.recorder import RecordingError
from realtime.sinks.stream import StreamError
from realtime.sinks.virtual_camera import VirtualCameraError
from styles.support.errors import FAILED, UNAVAILABLE, USAGE, ExitCodes

EXIT_CODES: ExitCodes = {
    StreamError: USAGE,
    VirtualCameraError: UNAVAILABLE,
    RecordingError: FAILED,
}
