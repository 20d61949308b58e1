"""The subcommands of `nst-train`, and the exit codes of their errors. Needs torch; `styles.cli.main` does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import OutOfMemoryError

from styles import exit_codes as styles
from styles.cli.evaluate import run_evaluate
from styles.cli.options import CommandLine
from styles.cli.paint import run_paint
from styles.cli.train import run_train
from styles.evaluation.steadiness import VideoError
from styles.support.errors import FAILED, INTERRUPTED, UNAVAILABLE, UNREADABLE, USAGE, ExitCodes
from styles.training.checkpoint import CheckpointError, SettingsError
from styles.training.growth import GrowthError
from styles.training.interrupts import TrainingStopped
from styles.training.loss_network import LossNetworkError
from styles.training.loss_network_file import MissingLossNetworkError
from styles.training.pictures import PictureError
from styles.training.run import CropError, ResultError, UnfinishedTrainingError

# By first word, as in `styles.cli.main`; each returns what goes to the standard output.
COMMANDS: Mapping[str, Callable[[CommandLine], str]] = {
    "": run_train,
    "paint": run_paint,
    "evaluate": run_evaluate,
}

EXIT_CODES: ExitCodes = {
    **styles.EXIT_CODES,
    TrainingStopped: INTERRUPTED,
    MissingLossNetworkError: UNAVAILABLE,
    UnfinishedTrainingError: USAGE,
    CropError: USAGE,
    GrowthError: USAGE,
    ResultError: USAGE,
    PictureError: UNREADABLE,
    VideoError: UNREADABLE,
    LossNetworkError: UNREADABLE,
    SettingsError: USAGE,
    CheckpointError: UNREADABLE,
    FloatingPointError: FAILED,
    OutOfMemoryError: FAILED,
}


def run(line: CommandLine) -> str:
    """Runs a subcommand and returns what goes to the standard output.

    Raises:
        OutOfMemoryError: the memory of the GPU is too small; the text says what helps.
    """
    try:
        return COMMANDS[line.name](line)
    except OutOfMemoryError as exc:
        raise OutOfMemoryError(
            "the memory of the GPU is too small; use a smaller --batch, --crop or --max-photos, or --device cpu"
        ) from exc
