"""The losses of the article (Gatys, Ecker, Bethge 2016; Johnson, Alahi, Fei-Fei 2016), one value per picture.

Every one is 'squared norm / size', and its `.mean()` 'squared norm / size / batch' as the article has it. The relative
forms divide by the same quantity of the target alone; that makes one weight fit every picture and every loss network,
and is what training and `evaluate` use.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def content_loss(features: Tensor, target: Tensor, relative: bool = False) -> Tensor:
    """Returns ‖F(out) − F(photo)‖² / size of F, per picture, for N x C x H x W features: shape N.

    Take `.mean()` for the article's loss, as with `style_loss`.
    """
    return _squared_error(features, target, relative)


def style_loss(grams: Sequence[Tensor], targets: Sequence[Tensor], relative: bool = False) -> Tensor:
    """Returns the sum over layers of ‖G(out) − G(style)‖² / size of G, per picture: shape N.

    grams, targets: one N x C x C per layer (targets may have batch 1). Take `.mean()` for the article's loss; the
    pictures are kept apart because several styles are trained side by side, each with its weight.
    """
    return torch.stack([_squared_error(g, t, relative) for g, t in zip(grams, targets, strict=True)]).sum(dim=0)


def relative_gram_errors(grams: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Returns ‖G(out) − G(style)‖² / ‖G(style)‖² by layer and picture, which `style_loss` sums up: L x N."""
    return torch.stack([_squared_error(g, t, relative=True) for g, t in zip(grams, targets, strict=True)])


def total_variation_loss(images: Tensor) -> Tensor:
    """Returns the squared differences of neighbours in y and x, each over its size (the denoise loss).

    images: N x C x H x W, in 0..1. Per picture: shape N.
    """
    dy = images[:, :, 1:, :] - images[:, :, :-1, :]
    dx = images[:, :, :, 1:] - images[:, :, :, :-1]
    return dy.square().mean(dim=(1, 2, 3)) + dx.square().mean(dim=(1, 2, 3))


def temporal_loss(painted_moved: Tensor, moved_painted: Tensor, valid: Tensor) -> Tensor:
    """Returns the mean squared difference between the painting of a moved photograph and the moved painting.

    Both N x 3 x H x W in 0..1; valid: N x 1 x H x W, 1 where the motion stays inside the picture. Per picture: shape N.
    """
    error = (painted_moved - moved_painted).square() * valid
    return error.sum(dim=(1, 2, 3)) / (valid.sum(dim=(1, 2, 3)) * error.shape[1]).clamp(min=1)


def lattice_loss(images: Tensor, step: int) -> Tensor:
    """Returns the energy of what repeats every `step` pixels over the whole picture, and so is no stroke but the net's.

    A net that halves the resolution paints each of its step x step places a little differently, and learns to pass off
    the resulting mesh as texture. The mean of each place over the picture shows it: strokes cancel out there.
    images: N x C x H x W, H and W multiples of step. A scalar: the mean squared deviation of the places' means.
    """
    n, channels, height, width = images.shape
    places = images.reshape(n, channels, height // step, step, width // step, step).mean(dim=(2, 4))
    return (places - places.mean(dim=(2, 3), keepdim=True)).square().mean()


def _squared_error(x: Tensor, target: Tensor, relative: bool) -> Tensor:
    """Returns the mean square of the difference per picture (shape N), over the target's mean square if relative."""
    error = (x - target).square().flatten(1).mean(dim=1)
    return error / target.square().flatten(1).mean(dim=1) if relative else error
