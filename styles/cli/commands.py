"""The subcommands of `nst-train`, and the exit codes of their errors. Needs torch; `styles.cli.main` does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import OutOfMemoryError

from styles.cli.base import run_base
from styles.cli.base_export import run_export
from styles.cli.evaluate import run_evaluate
from styles.cli.options import CommandLine
from styles.cli.paint import run_paint
from styles.cli.train import run_train
from styles.evaluation.steadiness import VideoError
from styles.support.errors import UNREADABLE, ExitCodes
from styles.training import exit_codes as training

# By first words, as in `styles.cli.main`; each returns what goes to the standard output.
COMMANDS: Mapping[str, Callable[[CommandLine], str]] = {
    "": run_train,
    "base": run_base,
    "base export": run_export,
    "paint": run_paint,
    "evaluate": run_evaluate,
}

EXIT_CODES: ExitCodes = {**training.EXIT_CODES, VideoError: UNREADABLE}


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
