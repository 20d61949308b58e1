"""Corrects predicted style vectors without training: damped Gauss-Newton steps, and ridge regression.

The article's style loss is made almost alone of relu4_1, whose Gram matrix has nearly rank one: a style is the
strengths of its 512 maps, i.e. their root mean squares. How those of a painting follow the style vector is much the
same for all styles and photographs, so the mean Jacobian of a few says how to change any vector by what its paintings
lack. What pictures of many styles lack is then learned, as a linear function of their codes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from styles.network import TransformNet
from styles.training.loss_network import LossNetwork
from styles.training.precision import autocast

_LAYER = "41"
# Of the mean eigenvalue, added to all: with 1 to 3, second steps overshoot; with 30, a step goes a third less far.
_DAMPING = 10.0


def strengths(network: LossNetwork, images: Tensor) -> Tensor:
    """Returns the root mean square of each map of relu4_1: N x 512 float32.

    Args:
        network: the loss network.
        images: N x 3 x H x W RGB in 0..1.
    """
    squares = network.before_relu(images, _LAYER).relu().float().square()
    return squares.mean(dim=(2, 3)).clamp(min=1e-12).sqrt()


def mean_jacobian(net: TransformNet, network: LossNetwork, photos: Sequence[Tensor], vectors: Tensor) -> Tensor:
    """Returns how the strengths of paintings follow the style vector, the mean over N paintings: 512 x K.

    Args:
        net: paints.
        network: the loss network.
        photos: N photographs, each 1 x 3 x H x W in 0..1.
        vectors: their styles, N x K.
    """
    found = []
    for photo, vector in zip(photos, vectors, strict=True):
        changed = vector.detach().clone().requires_grad_()
        with autocast(photo.device):
            strength = strengths(network, net(photo, changed[None]).float())[0]
        rows = [torch.autograd.grad(value, changed, retain_graph=True)[0] for value in strength]
        found.append(torch.stack(rows).float())
    return torch.stack(found).mean(dim=0)


def correction(jacobian: Tensor, lacking: Tensor) -> Tensor:
    """Returns the damped Gauss-Newton steps of vectors, N x K.

    Args:
        jacobian: 512 x K.
        lacking: the strengths of the style pictures less those of the paintings, N x 512.
    """
    gain: Tensor = torch.linalg.solve(damped_square(jacobian), jacobian.T)
    return lacking @ gain.T


def damped_square(jacobian: Tensor) -> Tensor:
    """Returns the curvature of the squares of what is lacking, K x K, with the damping of `correction`.

    Args:
        jacobian: 512 x K.
    """
    square = jacobian.T @ jacobian
    return square + _DAMPING * square.diagonal().mean() * torch.eye(len(square)).to(square)


def ridge_regression(inputs: Tensor, wanted: Tensor, weights: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Returns the linear map, I x O, and the shift, O, that make what is wanted of the inputs.

    Args:
        inputs: N x I; each is brought to mean 0 and deviation 1 first.
        wanted: N x O.
        weights: of the N, whose squares count.
        strength: how much simpler maps are preferred: how many pictures' worth of it.
    """
    mean, deviation = inputs.mean(dim=0), inputs.std(dim=0).clamp(min=1e-4)
    weighed = torch.cat([(inputs - mean) / deviation, torch.ones_like(inputs[:, :1])], dim=1).double()
    weighed = weighed * weights[:, None]
    penalty = strength * weights.square().mean() * torch.eye(weighed.shape[1]).to(weighed)
    penalty[-1, -1] = 0
    solution = torch.linalg.solve(weighed.T @ weighed + penalty, weighed.T @ (wanted * weights[:, None]).double())
    linear = solution[:-1].float() / deviation[:, None]
    return linear, solution[-1].float() - mean @ linear
