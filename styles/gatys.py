"""The slow method of Gatys, Ecker and Bethge 2016: no net, the pixels themselves are optimised, one picture at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.loss_network import LossNetwork
from styles.losses import content_loss, style_loss, total_variation_loss
from styles.pictures import to_picture, to_tensor
from styles.training import LossWeights

_ADAM_RATE = 0.02
# L-BFGS steps between two looks at the clock; the pixels are brought back into 0..1 then.
_STEPS_AT_ONCE = 10


@dataclass(frozen=True)
class SlowPainting:
    """A picture (H x W x 3 uint8), and the losses before and after: content, style and tv unweighted, and their total."""

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
            self.content = network.content(to_tensor(photo).to(self.device))

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """Returns the losses of 1 x 3 x H x W in 0..1 by name; `total` is the weighted sum."""
        seen = self.network(image)
        losses = {
            "content": content_loss(seen.content, self.content, relative=True),
            "style": style_loss(seen.grams, self.grams, relative=True).mean(),
            "tv": total_variation_loss(image),
        }
        weights = self.weights
        total = weights.content * losses["content"] + weights.style * losses["style"] + weights.tv * losses["tv"]
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
    report: Callable[[int, float, dict[str, float]], None] = lambda *_: None,
) -> SlowPainting:
    """Returns what becomes of `start` (H x W x 3 uint8) in so many steps down the loss."""
    pixels = to_tensor(start).to(loss.device).requires_grad_()
    advance = _lbfgs(pixels, loss) if optimizer == "lbfgs" else _adam(pixels, loss)
    done = 0
    while done < steps:
        count = min(_STEPS_AT_ONCE, steps - done)
        losses = advance(count)
        done += count
        report(done, done / steps, losses)
    picture = to_picture(pixels)
    return SlowPainting(picture, loss.of_picture(start), loss.of_picture(picture))


def noise_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Returns H x W x 3 uint8 of grey noise: the other place to start from than the photograph."""
    noise = np.random.default_rng(seed).normal(127.5, 20, (height, width, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


_Advance = Callable[[int], dict[str, float]]


def _lbfgs(pixels: Tensor, loss: PictureLoss) -> _Advance:
    optimizer = torch.optim.LBFGS([pixels], max_iter=1, history_size=20, line_search_fn="strong_wolfe")
    return lambda count: _advance(optimizer, pixels, loss, {"max_iter": count, "max_eval": 2 * count}, 1)


def _adam(pixels: Tensor, loss: PictureLoss) -> _Advance:
    optimizer = torch.optim.Adam([pixels], lr=_ADAM_RATE)
    return lambda count: _advance(optimizer, pixels, loss, {}, count)


def _advance(
    optimizer: torch.optim.Optimizer, pixels: Tensor, loss: PictureLoss, options: dict[str, int], calls: int
) -> dict[str, float]:
    """Calls the optimizer with these options; returns the last losses."""
    losses: dict[str, float] = {}

    def evaluate() -> float:
        optimizer.zero_grad()
        now = loss(pixels)
        torch.autograd.backward(now["total"])
        losses.update({name: float(value.detach()) for name, value in now.items()})
        return losses["total"]

    optimizer.param_groups[0].update(options)
    for _ in range(calls):
        optimizer.step(evaluate)
        with torch.no_grad():
            pixels.clamp_(0, 1)
    return losses
