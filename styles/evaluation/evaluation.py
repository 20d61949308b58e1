"""How good a style is: likeness to the style picture and to the photographs, which were not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.evaluation.artefacts import Artefacts, find_artefacts
from styles.evaluation.painter import Painter
from styles.training.loss_network import LossNetwork
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS
from styles.training.losses import (
    content_loss,
    relative_gram_errors,
    structure_correlations,
    style_loss,
    total_variation_loss,
)
from styles.training.pictures import centre_square, picture_paths, read_picture, to_tensor
from styles.training.style_grams import StyleReference

# Of the squares that are painted, in pixels: what the article measured at, and nearer to what people look at.
SIZES = (256, 512)
_GRAM_EVERY = 10


@dataclass(frozen=True)
class Quality:
    """How near paintings come to their style picture and their photographs; each figure is a mean over photographs.

    Args:
        style: the style term of the article's loss, with the article's weight; None without a style picture.
        content: its content term.
        tv: its term of total variation.
        grams: per style layer, Σ(G − G_style)² / ΣG_style²; empty without a style picture.
        structure: how much of the photographs' maps at relu3_2 and relu4_2 survives, as `structure_correlations` has
            it; 1 is all.
        artefacts: what no painter would paint.
        style_over_photo: the style term over that of the unpainted photograph, if that was asked for.
    """

    style: float | None
    content: float
    tv: float
    grams: tuple[float, ...]
    structure: tuple[float, float]
    artefacts: Artefacts
    style_over_photo: float | None = None

    @property
    def total(self) -> float | None:
        """The article's loss."""
        return None if self.style is None else self.style + self.content + self.tv

    @property
    def gram_sum(self) -> float:
        return sum(self.grams)


def evaluation_photos(folder: Path, most: int | None = None, size: int = SIZES[0]) -> list[NDArray[np.uint8]]:
    """Returns the centre squares of the first photographs below `folder`, scaled to a short side of `size`.

    Raises:
        PictureError: one cannot be read. None is skipped, since figures of other photographs are other figures.
    """
    photos = [read_picture(path) for path in picture_paths([folder])[:most]]
    return [centre_square(photo, size) for photo in photos]


def evaluate(
    paint: Painter,
    photos: Sequence[NDArray[np.uint8]],
    style: StyleReference | None,
    network: LossNetwork,
    unpainted: Sequence[float] | None = None,
) -> Quality:
    """Returns how good paintings are.

    Args:
        paint: what paints.
        photos: H x W x 3 uint8, all of one size.
        style: what the paintings are compared with; without it, only with the photographs.
        network: the loss network.
        unpainted: the style term of each photograph itself, as `UnpaintedPhotos` has it.
    """
    paintings = [paint(photo) for photo in photos]
    grams = style.grams if style else None
    rows = [_figures(photo, painting, grams, network) for photo, painting in zip(photos, paintings, strict=True)]
    style_term, content, tv, *others = np.mean(rows, axis=0).tolist()
    ratios = [row[0] / floor for row, floor in zip(rows, unpainted, strict=True)] if unpainted else []
    return Quality(
        style=style_term if style else None,
        content=content,
        tv=tv,
        structure=(others[0], others[1]),
        grams=tuple(others[2:]),
        artefacts=find_artefacts(photos, paintings, style.picture if style else None),
        style_over_photo=float(np.mean(ratios)) if ratios else None,
    )


class UnpaintedPhotos:
    """The style term of the article's loss that photographs have before they are painted.

    Args:
        photos: H x W x 3 uint8.
        network: the loss network, which looks at each of them once.
    """

    def __init__(self, photos: Sequence[NDArray[np.uint8]], network: LossNetwork) -> None:
        with torch.no_grad():
            self._grams = [network(_on_device(photo, network)).grams for photo in photos]

    def style_losses(self, style: StyleReference) -> list[float]:
        """Returns the term of each photograph."""
        return [DEFAULT_LOSS_WEIGHTS.style * float(style_loss(grams, style.grams)) for grams in self._grams]


def mean_gram_errors(
    frames: Iterable[NDArray[np.uint8]], grams: Sequence[Tensor], network: LossNetwork
) -> tuple[float, ...]:
    """Returns the relative Gram error per layer, as in `Quality`, of pictures of any size."""
    with torch.no_grad():
        rows = [relative_gram_errors(network(_on_device(frame, network)).grams, grams)[:, 0] for frame in frames]
    return tuple(torch.stack(rows).mean(dim=0).tolist())


def video_gram_sum(frames: Sequence[NDArray[np.uint8]], grams: Sequence[Tensor], network: LossNetwork) -> float:
    """Returns the sum of the layers' relative Gram errors over every tenth of the painted frames."""
    return sum(mean_gram_errors(frames[::_GRAM_EVERY], grams, network))


def _figures(
    photo: NDArray[np.uint8], painting: NDArray[np.uint8], grams: Sequence[Tensor] | None, network: LossNetwork
) -> list[float]:
    """Returns the three terms of the article's loss, the structure of two layers, and the relative Gram errors."""
    weights = DEFAULT_LOSS_WEIGHTS
    image = _on_device(painting, network)
    with torch.no_grad():
        seen = network(image, grams=grams is not None)
        wanted = network(_on_device(photo, network), grams=False)
        style = style_loss(seen.grams, grams) if grams else torch.zeros(1)
        terms = (
            weights.style * style,
            weights.content * content_loss(seen.content, wanted.content),
            weights.tv * total_variation_loss(image),
        )
        structure = structure_correlations(seen.structure, wanted.structure)[:, 0].tolist()
        errors = relative_gram_errors(seen.grams, grams)[:, 0].tolist() if grams else []
    return [*map(float, terms), *structure, *errors]


def _on_device(picture: NDArray[np.uint8], network: LossNetwork) -> Tensor:
    return to_tensor(picture).to(next(network.buffers()).device)
