"""The subcommands of `nst-train`, and the exit codes of their errors. Needs torch; `cli.py` does not."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from torch import OutOfMemoryError

from styles.cli.common import UsageError
from styles.cli.evaluate import run_evaluate
from styles.cli.main import STOPPED, UNAVAILABLE
from styles.cli.paint import run_paint
from styles.cli.train import run_train
from styles.evaluation.steadiness import VideoError
from styles.registry import StyleMismatchError, UnknownStyleError
from styles.training.growth import GrowthError
from styles.training.loss_network import LossNetworkError, first_line
from styles.training.loss_network_file import MissingLossNetworkError
from styles.training.pictures import PictureError
from styles.training.run import CropError, ResultError, TrainingStopped, UnfinishedTrainingError
from styles.training.trainer import CheckpointError, SettingsError
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
    MissingLossNetworkError: UNAVAILABLE,
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
_TOO_LARGE = "the memory of the GPU is too small; wanted a smaller --batch, --crop or --max-photos, or --device cpu"


def told(error: Exception) -> tuple[str, int]:
    """Returns the line that tells of an error, and the exit code."""
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return str(error), code
    if isinstance(error, OutOfMemoryError):
        return _TOO_LARGE, FAILED
    return f"unexpected {type(error).__name__}: {first_line(error)} (--debug shows where)", FAILED
