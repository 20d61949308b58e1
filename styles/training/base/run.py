"""A base training in its folder: checkpoints, previews, and on from the last checkpoint, to the end of its length."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from styles.support.progress import progress_display
from styles.training.base.folder import own_folder
from styles.training.base.job import BaseJob
from styles.training.base.results import Results
from styles.training.base.setup import make_trainer
from styles.training.base.trainer import BaseProgress, BaseTrainer
from styles.training.interrupts import TrainingStopped, stop_signals
from styles.training.pictures import read_picture

# One line of figures is kept for this many steps.
_LOG_EVERY_STEPS = 50
# On a log, a line at least this often: a step can take half a minute.
_LINE_EVERY_S = 300.0

_log = logging.getLogger(__name__)


def train_base(job: BaseJob, loss_network_file: Path) -> list[Path]:
    """Trains, or goes on with a training, and returns the files that it leaves.

    Args:
        job: what to train.
        loss_network_file: the file of the loss network.

    Raises:
        TrainingStopped: on Ctrl-C; a checkpoint was written.
        BusyFolderError: another process trains in the folder.
        ResultError: the folder cannot be written to.
        PictureError, LossNetworkError, WeightsError, CheckpointError, SettingsError, FileNotFoundError: before any
            training.
    """
    with own_folder(job.folder):
        pictures = {picture.name: read_picture(file) for file, picture in job.pictures.items()}
        resumed = job.checkpoint_path.exists()
        trainer = make_trainer(replace(job, init=None) if resumed else job, pictures, loss_network_file)
        if resumed:
            trainer.load(job.checkpoint_path)
            _log.info("going on from step %d", trainer.now.step)
        # before a step, Ctrl-C takes effect at once
        trainer.prepare()
        results = Results(job, trainer, list(pictures.values()))
        _run(job, trainer, results)
        results.write(last=True)
    return job.result_paths


def _run(job: BaseJob, trainer: BaseTrainer, results: Results) -> None:
    """Trains until it is long enough. Results are written every few minutes, and on Ctrl-C."""
    saved_at_s = time.monotonic()
    with stop_signals() as stop, progress_display(line_every_s=_LINE_EVERY_S) as show:

        def report(progress: BaseProgress) -> None:
            nonlocal saved_at_s
            show(progress.step, progress.fraction, _summary(progress.losses, job.kinds))
            if progress.step % _LOG_EVERY_STEPS == 0:
                results.note(progress)
            if stop.is_set():
                results.write(last=True)
                raise TrainingStopped(f"stopped at step {progress.step}; type the same command to go on")
            if time.monotonic() - saved_at_s >= 60 * job.checkpoint_minutes:
                results.write()
                saved_at_s = time.monotonic()

        trainer.run(job.length, report)


def _summary(losses: Mapping[str, float], kinds: Sequence[str]) -> dict[str, float]:
    """Returns the losses that are worth a look while a training runs."""
    parts = ("own style", "any style", "own content", "own structure")
    return {f"{kind} {part}": losses[f"{kind} {part}"] for kind in kinds for part in parts}
