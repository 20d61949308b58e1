"""Sheets that show what a base training has come to: each style on a few photographs, by its vector or predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.training.base.model import BaseModel
from styles.training.pictures import centre_square, to_picture, to_tensor, write_picture


def write_previews(
    folder: Path, model: BaseModel, styles: Sequence[NDArray[np.uint8]], photos: Sequence[NDArray[np.uint8]]
) -> None:
    """Writes preview-NET-own.jpg and preview-NET-predicted.jpg for each net.

    Args:
        folder: where to.
        model: with averaged weights, in eval mode.
        styles: the pictures of the own styles, in the order of the vectors.
        photos: squares of one size, H x H x 3 uint8.
    """
    predicted = [model.predict(picture) for picture in styles]
    for name, net in model.named_nets():
        for kind, vectors in (
            ("own", [vector[None] for vector in net.vectors]),
            ("predicted", [each[name] for each in predicted]),
        ):
            rows = [
                np.hstack([centre_square(style, len(photos[0])), *_painted(net.net, photos, vector)])
                for style, vector in zip(styles, vectors, strict=True)
            ]
            write_picture(folder / f"preview-{name}-{kind}.jpg", np.vstack(rows))


@torch.no_grad()
def _painted(net: torch.nn.Module, photos: Sequence[NDArray[np.uint8]], vector: Tensor) -> Iterator[NDArray[np.uint8]]:
    for photo in photos:
        yield to_picture(net(to_tensor(photo).to(vector.device), vector))
