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
from styles.training.losses import content_loss, relative_gram_errors, total_variation_loss
from styles.training.pictures import centre_crop, picture_paths, read_picture, resize_short_side, to_tensor

SIZE = 256
_GRAM_EVERY = 10


@dataclass(frozen=True)
class Quality:
    """How near paintings come to their style picture and their photographs; each figure is a mean over photographs.

    grams: per style layer, Σ(G − G_style)² / ΣG_style²; none where there is no style picture to compare with. content:
    the same ratio of relu4_2 features, against the photograph's. tv: mean squared difference of neighbours, x plus y,
    of pixels in 0..1.
    """

    grams: tuple[float, ...]
    content: float
    tv: float
    artefacts: Artefacts

    @property
    def gram_sum(self) -> float:
        return sum(self.grams)


def evaluation_photos(folder: Path, most: int | None = None, size: int = SIZE) -> list[NDArray[np.uint8]]:
    """Returns the centre squares of the first photographs below `folder`, scaled to a short side of `size`.

    Raises PictureError where one cannot be read: an evaluation on other photographs would be another one.
    """
    photos = [read_picture(path) for path in picture_paths(folder)[:most]]
    return [centre_crop(resize_short_side(photo, size), size) for photo in photos]


def style_grams(picture: NDArray[np.uint8], network: LossNetwork, style_scale: int = SIZE) -> tuple[Tensor, ...]:
    """Returns the Gram matrices, one 1 x C x C per layer, of a style picture with a short side of `style_scale`."""
    scaled = resize_short_side(picture, style_scale)
    with torch.no_grad():
        grams: tuple[Tensor, ...] = network(_on_device(scaled, network)).grams
    return grams


def evaluate(
    paint: Painter, photos: Sequence[NDArray[np.uint8]], grams: Sequence[Tensor] | None, network: LossNetwork
) -> Quality:
    """Returns the quality of what `paint` makes of the photographs, against the style picture's Gram matrices."""
    paintings = [paint(photo) for photo in photos]
    rows = [_figures(photo, painting, grams, network) for photo, painting in zip(photos, paintings, strict=True)]
    mean = np.mean(rows, axis=0)
    return Quality(
        grams=tuple(float(value) for value in mean[:-2]),
        content=float(mean[-2]),
        tv=float(mean[-1]),
        artefacts=find_artefacts(photos, paintings),
    )


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
    image = _on_device(painting, network)
    with torch.no_grad():
        seen = network(image)
        wanted = network.content(_on_device(photo, network))
        content = content_loss(seen.content, wanted, relative=True).mean()
        errors = relative_gram_errors(seen.grams, grams)[:, 0].tolist() if grams else []
    return [*errors, float(content), float(total_variation_loss(image))]


def _on_device(picture: NDArray[np.uint8], network: LossNetwork) -> Tensor:
    return to_tensor(picture).to(next(network.buffers()).device)
