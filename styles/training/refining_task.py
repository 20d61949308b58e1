"""What a refinement of a style is told, and what it reports. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class RefiningTask:
    """What is to be refined.

    Args:
        network: the file of the net.
        vector: the style vector to begin with, float32[K].
        picture: what the style is, H x W x 3 uint8 RGB.
        minutes: for how long.
        loss_network: the file of the loss network.
        photos: a folder of photographs to train on; None for those that come while the training goes on.
    """

    network: Path
    vector: NDArray[np.float32]
    picture: Picture
    minutes: float
    loss_network: Path
    photos: Path | None = None


@dataclass(frozen=True, eq=False)
class RefiningNews:
    """Where a refinement stands.

    Args:
        share: of its time that is over, 0..1.
        steps: that were taken.
        gain: by how much the loss has become smaller, as a share of that at the start.
        vector: a better one than all before, float32[K]; None if there is none.
    """

    share: float
    steps: int
    gain: float = 0.0
    vector: NDArray[np.float32] | None = None
