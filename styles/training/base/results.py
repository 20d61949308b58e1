"""What a base training leaves in its folder: checkpoint, nets, encoder, previews, figures."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from styles.training.base.files import write_model
from styles.training.base.job import BaseJob
from styles.training.base.preview import write_previews
from styles.training.base.trainer import BaseProgress, BaseTrainer
from styles.training.loss_weights import LOSS_UNITS
from styles.training.pictures import centre_crop

# How many photographs previews show, and how often they are painted, which takes as long as a few steps.
_SHOWN = 3
_PREVIEW_EVERY_S = 3600.0


class Results:
    """Writes what a training has come to.

    Args:
        job: what was asked for.
        trainer: the training.
        styles: the pictures of the own styles, H x W x 3 uint8, in the order of the vectors.
    """

    def __init__(
        self,
        job: BaseJob,
        trainer: BaseTrainer,
        styles: Sequence[NDArray[np.uint8]],
    ) -> None:
        self.job, self.trainer, self.styles = job, trainer, styles
        self._previewed_at_s = -math.inf

    def write(self, *, last: bool = False) -> None:
        """Writes the checkpoint, then nets and encoder of averaged weights, and now and then previews.

        Args:
            last: previews, too.
        """
        self.trainer.save(self.job.checkpoint_path)
        model = self.trainer.averaged.model
        write_model(self.job.folder, model, list(self.job.pictures.values()), self._facts())
        if last or time.monotonic() - self._previewed_at_s >= _PREVIEW_EVERY_S:
            photos, crop = self.trainer.photos, self.job.plan.crop
            places = np.linspace(0, len(photos) - 1, _SHOWN).astype(int)
            write_previews(self.job.folder, model, self.styles, [centre_crop(photos.picture(i), crop) for i in places])
            self._previewed_at_s = time.monotonic()

    def note(self, progress: BaseProgress) -> None:
        """Appends a line of figures to losses.jsonl."""
        row = {"step": progress.step, "minutes": round(progress.elapsed_s / 60, 2)}
        row |= {name: float(f"{value:.5g}") for name, value in progress.losses.items()}
        with (self.job.folder / "losses.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _facts(self) -> dict[str, str]:
        """Returns the metadata that every file gets: how to make it again, and what was used."""
        plan, trainer = self.job.plan, self.trainer
        return {
            "command": self.job.command,
            "steps": str(trainer.now.step),
            "minutes": f"{trainer.now.elapsed_s / 60:.1f}",
            "batch": str(plan.batch),
            "crop": str(plan.crop),
            "seed": str(plan.seed),
            "loss_weights": json.dumps(asdict(plan.weights)),
            "loss_units": LOSS_UNITS,
            "style_scale": str(plan.style_scale or "the picture's own"),
            "loss_network_sha256": trainer.origin["loss_network_sha256"],
            **({"history": trainer.history} if trainer.history else {}),
        }
