"""The slow method of Gatys, Ecker and Bethge 2016: no net; the pixels of one picture are optimised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.support.progress import Report
from styles.training.loss_network import LossNetwork
from styles.training.loss_weights import LossWeights
from styles.training.losses import content_loss, structure_loss, style_loss, total_variation_loss
from styles.training.pictures import to_picture, to_tensor

_ADAM_RATE = 0.02
# After this many steps the pixels are brought back into 0..1.
_ROUND = 10


@dataclass(frozen=True)
class SlowPainting:
    """A picture (H x W x 3 uint8) and its losses before and after: content, style, tv, structure (where it counts), and
    their weighted `total`.
    """

    picture: NDArray[np.uint8]
    losses_before: dict[str, float]
    losses_after: dict[str, float]


class PictureLoss:
    """The loss of a painting of one photograph in one style: the training's, without its temporal term."""

    def __init__(
        self, photo: NDArray[np.uint8], grams: Sequence[Tensor], network: LossNetwork, weights: LossWeights
    ) -> None:
        self.network, self.weights, self.grams = network, weights, grams
        self.device = next(network.buffers()).device
        with torch.no_grad():
            self.photo = network(to_tensor(photo).to(self.device), grams=False)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Returns the losses of 1 x 3 x H x W in 0..1 by name; `total` is the weighted sum."""
        seen = self.network(image)
        losses = {
            "content": content_loss(seen.content, self.photo.content).mean(),
            "style": style_loss(seen.grams, self.grams).mean(),
            "tv": total_variation_loss(image).mean(),
        }
        if self.weights.structure:
            losses["structure"] = structure_loss(seen.structure, self.photo.structure).mean()
        total = torch.stack([getattr(self.weights, name) * loss for name, loss in losses.items()]).sum()
        return {"total": total, **losses}

    def of_picture(self, picture: NDArray[np.uint8]) -> dict[str, float]:
        """Returns the same of H x W x 3 uint8, as numbers."""
        with torch.no_grad():
            return {name: float(value) for name, value in self(to_tensor(picture).to(self.device)).items()}


def paint_slowly(
    loss: PictureLoss,
    start: NDArray[np.uint8],
    steps: int,
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    report: Report = lambda *_: None,
) -> SlowPainting:
    """Returns what `start` (H x W x 3 uint8) becomes after `steps` steps down the loss, rounded up to rounds of 10."""
    pixels = to_tensor(start).contiguous().to(loss.device).requires_grad_()
    rounds = -(-steps // _ROUND)
    advance = _lbfgs_round(pixels) if optimizer == "lbfgs" else _adam_round(pixels)
    for done in range(1, rounds + 1):
        losses = advance(loss)
        with torch.no_grad():
            pixels.clamp_(0, 1)
        report(done * _ROUND, done / rounds, losses)
    picture = to_picture(pixels)
    return SlowPainting(picture, loss.of_picture(start), loss.of_picture(picture))


def noise_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Returns H x W x 3 uint8 of grey noise: the other place to start from than the photograph."""
    noise = np.random.default_rng(seed).normal(127.5, 20, (height, width, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def _lbfgs_round(pixels: Tensor) -> Callable[[PictureLoss], dict[str, float]]:
    optimizer = torch.optim.LBFGS(
        [pixels], max_iter=_ROUND, max_eval=2 * _ROUND, history_size=20, line_search_fn="strong_wolfe"
    )
    return lambda loss: _steps(optimizer, pixels, loss, 1)


def _adam_round(pixels: Tensor) -> Callable[[PictureLoss], dict[str, float]]:
    optimizer = torch.optim.Adam([pixels], lr=_ADAM_RATE)
    return lambda loss: _steps(optimizer, pixels, loss, _ROUND)


def _steps(optimizer: torch.optim.Optimizer, pixels: Tensor, loss: PictureLoss, count: int) -> dict[str, float]:
    """Calls `optimizer.step` `count` times; returns the losses that it saw last."""
    losses: dict[str, float] = {}

    def evaluate() -> float:
        optimizer.zero_grad()
        now = loss(pixels)
        torch.autograd.backward(now["total"])
        losses.update({name: float(value.detach()) for name, value in now.items()})
        return losses["total"]

    for _ in range(count):
        optimizer.step(evaluate)
    return losses
