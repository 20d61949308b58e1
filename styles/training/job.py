"""What one training makes, from what, and where the result goes; what can be refused before it begins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import torch

from styles.registry import StylePicture
from styles.training.pictures import picture_paths, read_picture
from styles.training.trainer import TrainingPlan


class UnfinishedTrainingError(ValueError):
    """There is a checkpoint, and the user did not say whether to go on from it."""


class ResultError(ValueError):
    """The result of a training cannot be written: it exists already, or its folder cannot be written to."""


class CropError(ValueError):
    """The net cannot paint pictures of the size of the crop."""


class Result(Enum):
    """What a training makes."""

    VECTOR = "a style of an existing net"
    DEDICATED = "a net with one style inside"
    SHARED = "a net that several styles share"


@dataclass(frozen=True)
class TrainingJob:
    """What to train, from what, and where the result goes.

    Args:
        result: what the training makes.
        name: of the style, or of the net that several styles share.
        net: a name in CONFIGS; with Result.VECTOR the name of a trained net; "" keeps the shape of `init`.
        pictures: what is known about the style pictures, by file.
        photos: folders of photographs.
        output: the style folder of the result.
        plan: how long and with what to train.
        command: the command line, for the metadata.
        device: what computes.
        init: the weights to begin with, which grow into a `net`; with Result.VECTOR the style to begin with.
        max_photos: how many photographs are kept in memory; None for all.
        checkpoint_minutes: the time between checkpoints.
        resume: go on from a checkpoint, if there is one.
        overwrite: replace a result that exists.
        keep_picture: keep a small copy of the picture in the files of styles.
    """

    result: Result
    name: str
    net: str
    pictures: Mapping[Path, StylePicture]
    photos: Sequence[Path]
    output: Path
    plan: TrainingPlan
    command: str
    device: torch.device
    init: Path | None = None
    max_photos: int | None = None
    checkpoint_minutes: float = 2.0
    resume: bool = False
    overwrite: bool = False
    keep_picture: bool = True

    @property
    def result_path(self) -> Path:
        """The file that the training makes; of several, that of the net."""
        folder = self.output / self.net if self.result is Result.VECTOR else self.output
        return folder / f"{self.name}.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        return self.result_path.with_suffix(".training") / "checkpoint.pt"

    @property
    def preview_path(self) -> Path:
        return self.result_path.with_suffix(".training") / "preview.png"


def check(job: TrainingJob) -> None:
    """Refuses what can be refused before any long work: UnfinishedTrainingError, ResultError, PictureError."""
    if job.checkpoint_path.exists() and not job.resume:
        raise UnfinishedTrainingError(
            f"{job.checkpoint_path} is from an unfinished training; go on from it with --resume, or delete it"
        )
    if job.result_path.exists() and not job.overwrite and not job.checkpoint_path.exists():
        raise ResultError(f"{job.result_path} exists already; to train it again, add -y, or name another with --name")
    for path in job.pictures:
        read_picture(path)
    picture_paths(job.photos)
    place = next(parent for parent in job.checkpoint_path.absolute().parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ResultError(f"cannot write into {place}; expected a folder for the result: --output DIR")
