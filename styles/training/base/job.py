"""What a base training is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from styles.registry import ENCODER_NAME, StylePicture
from styles.training.base.ranks import ALONE, Ranks
from styles.training.base.trainer import BasePlan, Length


@dataclass(frozen=True)
class BaseJob:
    """What to train, and where.

    Args:
        folder: of everything that the training writes.
        kinds: names in CONFIGS of the nets.
        pictures: what is known of the own styles' pictures, by file.
        photos: folders of photographs.
        paintings: folders of paintings.
        without: names of pictures that are never trained on, without endings.
        plan: with what to train.
        length: how long to train.
        command: the command line, for the metadata.
        device: what computes.
        init: the folder to begin with; None for new nets. A training that goes on does not need it.
        checkpoint_minutes: the time between checkpoints.
        ranks: the processes that train together.
    """

    folder: Path
    kinds: Sequence[str]
    pictures: Mapping[Path, StylePicture]
    photos: Sequence[Path]
    paintings: Sequence[Path]
    without: frozenset[str]
    plan: BasePlan
    length: Length
    command: str
    device: torch.device
    init: Path | None = None
    checkpoint_minutes: float = 10.0
    ranks: Ranks = ALONE

    @property
    def checkpoint_path(self) -> Path:
        """Where the training goes on from."""
        return self.folder / "checkpoint.pt"

    @property
    def result_paths(self) -> list[Path]:
        """The files of the nets and of the encoder."""
        return [self.folder / f"{name}.safetensors" for name in (*self.kinds, ENCODER_NAME)]
