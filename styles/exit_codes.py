"""What the errors of styles and weights mean to a shell."""

from __future__ import annotations

from styles.registry import StyleMismatchError, UnknownStyleError
from styles.support.errors import FAILED, UNREADABLE, USAGE, ExitCodes, UsageError
from styles.weights import WeightsError

EXIT_CODES: ExitCodes = {
    UsageError: USAGE,
    UnknownStyleError: USAGE,
    StyleMismatchError: UNREADABLE,
    WeightsError: UNREADABLE,
    FileNotFoundError: UNREADABLE,
    OSError: FAILED,
}
