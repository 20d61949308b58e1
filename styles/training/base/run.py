"""A base training in its folder: checkpoints, previews, and on from the last checkpoint, to the end of its length."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from styles.support.progress import progress_display
from styles.training.base.folder import own_folder
from styles.training.base.job import BaseJob
from styles.training.base.ranks import RankLostError
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
        RankLostError: another process of the training has ended; a checkpoint was written.
        BusyFolderError: another process trains in the folder.
        ResultError: the folder cannot be written to.
        PictureError, LossNetworkError, WeightsError, CheckpointError, SettingsError, FileNotFoundError: before any
            training.
    """
    ranks = job.ranks
    with ranks.joined(job.device), own_folder(job.folder) if ranks.is_first else nullcontext():
        pictures = {picture.name: read_picture(file) for file, picture in job.pictures.items()}
        resumed = job.checkpoint_path.exists()
        begun = replace(job, init=None) if resumed else job
        trainer = ranks.first_alone(lambda: make_trainer(begun, pictures, loss_network_file))
        if resumed:
            trainer.load(job.checkpoint_path)
            if ranks.is_first:
                _log.info("going on from step %d", trainer.now.step)
        # before a step, Ctrl-C takes effect at once
        trainer.prepare()
        results = Results(job, trainer, list(pictures.values()))
        with stop_signals() as stop:
            trainer.is_stop_asked = stop.is_set
            try:
                _run(job, trainer, results)
            except RankLostError:
                _keep_after_loss(job, trainer, results)
                raise
        if ranks.is_first:
            results.write(last=True)
    return job.result_paths


def _run(job: BaseJob, trainer: BaseTrainer, results: Results) -> None:
    """Trains until it is long enough. The first process writes results every few minutes, and on Ctrl-C."""
    saved_at_s = time.monotonic()
    is_first = job.ranks.is_first
    with progress_display(line_every_s=_LINE_EVERY_S) if is_first else nullcontext(lambda *_: None) as show:

        def report(progress: BaseProgress) -> None:
            nonlocal saved_at_s
            show(progress.step, progress.fraction, _summary(progress.losses, job.kinds))
            if is_first and progress.step % _LOG_EVERY_STEPS == 0:
                results.note(progress)
            if trainer.stopping:
                if is_first:
                    results.write(last=True)
                raise TrainingStopped(f"stopped at step {progress.step}; type the same command to go on")
            if is_first and time.monotonic() - saved_at_s >= 60 * job.checkpoint_minutes:
                results.write()
                saved_at_s = time.monotonic()

        trainer.run(job.length, report)


def _keep_after_loss(job: BaseJob, trainer: BaseTrainer, results: Results) -> None:
    """Writes results after another process has ended: all that are left hold the same weights, and one of them writes.

    Raises:
        RankLostError: it has written them.
        BusyFolderError: another one writes them.
    """
    with nullcontext() if job.ranks.is_first else own_folder(job.folder):
        results.write()
        raise RankLostError(
            f"a process of the training was lost after step {trainer.now.step}; type the same command to go on"
        )


def _summary(losses: Mapping[str, float], kinds: Sequence[str]) -> dict[str, float]:
    """Returns the losses that are worth a look while a training runs."""
    parts = ("own style", "any style", "own content", "own structure")
    names = [f"{kind} {part}" for kind in kinds for part in parts]
    return {name: losses[name] for name in names if name in losses}
