"""The subcommands of `nst-train`, and the exit codes of their errors. Needs torch; `cli.py` does not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from styles.cli import STOPPED
from styles.command_evaluate import run_evaluate
from styles.command_options import UsageError
from styles.command_paint import run_paint
from styles.command_train import run_train
from styles.growth import GrowthError
from styles.loss_network import LossNetworkError
from styles.pictures import PictureError
from styles.registry import StyleMismatchError, UnknownStyleError
from styles.steadiness import VideoError
from styles.training import CheckpointError, SettingsError
from styles.training_run import CropError, ResultError, TrainingStopped, UnfinishedTrainingError
from styles.weights import WeightsError

# By first word, as in `cli.py`; each returns what goes to the standard output.
COMMANDS: Mapping[str, Callable[[argparse.Namespace], str]] = {
    "": run_train,
    "paint": run_paint,
    "evaluate": run_evaluate,
}

FAILED, USAGE, UNREADABLE = 1, 2, 3
# Errors that are told in one line, and the exit code of each.
EXIT_CODES: Mapping[type[Exception], int] = {
    TrainingStopped: STOPPED,
    UsageError: USAGE,
    UnknownStyleError: USAGE,
    UnfinishedTrainingError: USAGE,
    CropError: USAGE,
    GrowthError: USAGE,
    ResultError: USAGE,
    PictureError: UNREADABLE,
    VideoError: UNREADABLE,
    LossNetworkError: UNREADABLE,
    WeightsError: UNREADABLE,
    StyleMismatchError: UNREADABLE,
    SettingsError: USAGE,
    CheckpointError: UNREADABLE,
    FileNotFoundError: UNREADABLE,
    OSError: FAILED,
    FloatingPointError: FAILED,
}


def told(error: Exception) -> tuple[str, int]:
    """Returns the line that tells of an error, and the exit code."""
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return str(error), code
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)", FAILED
