"""Trains the heads of a style encoder by what the encoder's own eye sees in paintings.

The eye imitates the loss network up to relu4_1 with far less work. Seen raw, the strengths of relu4_1 (the root
mean squares of its 512 maps) are some 2 % off, which is as much as predicted styles are. But what the eye gets wrong in
the paintings of one net, it gets wrong nearly alike in all of them: regressed on all that it sees, they are 0.3 % off
(docs/lab/training.md). So a head sees many more styles and photographs in the same time than with the loss
network. The Gram matrix of relu4_1 has nearly rank one, so the loss is the article's style loss of the matrices that
these strengths make, over that of the unpainted photograph.

What is trained is a linear map that is added to the head. It reads codes, in which what tells more varies more, and
writes in directions in which paintings change alike: otherwise the steps of Adam go almost all along the few directions
that vectors have most of.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from styles.encoder import Eye, head_from_weights
from styles.encoder_weights import EncoderHead
from styles.network import TransformNet
from styles.training.correction import damped_square, ridge_regression, strengths
from styles.training.loss_network import LossNetwork
from styles.training.precision import autocast

_RATE = 5e-4
_BETAS = (0.9, 0.999)
# How far a map of ones reaches, in strengths of relu4_1.
_REACH = 30.0
# Pictures whose gradient is longer than that of this share of the last ones count less.
_USUAL_SHARE, _REMEMBERED = 0.9, 600
# The averaged head remembers this much of its past, and the result goes this share of the way to it: more of the way is
# better for the pictures of the training and worse for others.
_DECAY, _SHARE = 0.995, 0.5
# How much simpler readings are preferred: how many paintings' worth of it.
_RIDGE = 10.0


class Sight:
    """Reads strengths of relu4_1 from what the eye sees in the paintings of one net: `sight(painted)`.

    painted: N x 3 x H x W RGB in 0..1, of the size that it was fitted to. Result: N x 512 float32, the strengths that
    the loss network would see.

    Args:
        eye: the eye.
        linear: what makes strengths of the eye's statistics: S x 512.
        shift: is added: 512.
    """

    def __init__(self, eye: Eye, linear: Tensor, shift: Tensor) -> None:
        self.eye, self.linear, self.shift = eye, linear, shift

    def __call__(self, painted: Tensor) -> Tensor:
        statistics = self.eye.statistics(painted.contiguous(memory_format=torch.channels_last))
        # in float32 also where a training computes in bfloat16
        with torch.autocast(painted.device.type, enabled=False):
            return (statistics @ self.linear + self.shift).clamp(min=0)


def fit_sight(eye: Eye, network: LossNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Sight, Tensor]:
    """Returns the sight of a net's paintings, and how much stronger each map is on large photographs: 512.

    The loss network pads with zeros, so it sees more in small pictures. What the sight tells is what it would see if
    the pictures were large.

    Args:
        eye: the eye.
        network: the loss network.
        batches: paintings of photographs as small as those that a head is trained on, and of large ones in the same
            styles: each N x 3 x H x W RGB in 0..1.
    """
    found = []
    with torch.no_grad():
        for small, large in batches:
            with autocast(small.device):
                found.append((eye.statistics(small), strengths(network, small), strengths(network, large)))
    statistics, wanted, of_large = (torch.cat(parts) for parts in zip(*found, strict=True))
    growth = (wanted * of_large).mean(dim=0) / wanted.square().mean(dim=0)
    wanted = wanted * growth
    return Sight(eye, *ridge_regression(statistics, wanted, wanted.norm(dim=1).reciprocal(), _RIDGE)), growth


class HeadTraining:
    """Trains one head.

    Args:
        head: as it is now.
        net: the net that it is for.
        sight: of the net's paintings.
        codes: of many pictures, N x L.
        jacobian: how the strengths of paintings follow the style vector (`mean_jacobian`): 512 x K.
        steps: after which the rate has fallen to 0.
    """

    def __init__(
        self, head: EncoderHead, net: TransformNet, sight: Sight, codes: Tensor, *, jacobian: Tensor, steps: int
    ) -> None:
        self.head, self.net, self.sight, self.steps = head, net, sight, steps
        self.before = head_from_weights(head)
        self.mean = codes.mean(dim=0)
        self.deviation = (codes - self.mean).square().mean().sqrt()
        self.write = _REACH * inverse_root(damped_square(jacobian))
        self.map = nn.Linear(len(self.mean), len(self.write))
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)
        self.averaged = [parameter.detach().clone() for parameter in self.map.parameters()]
        self.optimizer = torch.optim.Adam(self.map.parameters(), lr=_RATE, betas=_BETAS)
        self.lengths: deque[float] = deque(maxlen=_REMEMBERED)
        self.done = 0

    def step(self, codes: Tensor, wanted: Tensor, photos: Tensor, unpainted: Tensor) -> float:
        """Goes one step and returns the median of the relative losses.

        Args:
            codes: of the style pictures, B x L.
            wanted: their strengths of relu4_1, B x 512.
            photos: B x 3 x H x W in 0..1, of the size that the sight was fitted to.
            unpainted: their strengths, B x 512.
        """
        vectors = self.before(codes) + self.map((codes - self.mean) / self.deviation) @ self.write
        changed = vectors.detach().requires_grad_()
        with autocast(photos.device):
            seen = self.sight(self.net(photos, changed).float().clamp(0, 1))
        losses = gram_distance(seen, wanted) / gram_distance(unpainted, wanted)
        (gradients,) = torch.autograd.grad(losses.sum(), changed)
        lengths = (gradients @ self.write).norm(dim=1)
        self.lengths += lengths.tolist()
        usual = float(np.quantile(self.lengths, _USUAL_SHARE))
        gradients = gradients * (usual / lengths.clamp(min=1e-12)).clamp(max=1)[:, None]
        for group in self.optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, 4 / 3 * (1 - self.done / self.steps), (self.done + 1) / 30)
        self.optimizer.zero_grad()
        (vectors * gradients).sum(dim=1).mean().backward()
        self.optimizer.step()
        self.done += 1
        self._average()
        return float(losses.detach().median())

    @torch.no_grad()
    def _average(self) -> None:
        kept = min(_DECAY, self.done / (self.done + 10))
        for averaged, parameter in zip(self.averaged, self.map.parameters(), strict=True):
            averaged.lerp_(parameter, 1 - kept)

    def trained(self) -> EncoderHead:
        """Returns the head as it is after these steps."""
        weight, bias = (_SHARE * averaged for averaged in self.averaged)
        more = self.write @ weight / self.deviation
        shift = self.write @ bias - more @ self.mean
        return dataclasses.replace(
            self.head, weight=self.head.weight + more.numpy(), bias=self.head.bias + shift.numpy()
        )


def gram_distance(strengths: Tensor, wanted: Tensor) -> Tensor:
    """Returns the squared differences of Gram matrices of rank one: N.

    Args:
        strengths: of the maps, N x C.
        wanted: the same, of other pictures.
    """
    both = (strengths * wanted).sum(dim=1).square()
    return strengths.square().sum(dim=1).square() - 2 * both + wanted.square().sum(dim=1).square()


def inverse_root(symmetric: Tensor) -> Tensor:
    """Returns the symmetric matrix whose square is the inverse of a positive definite one."""
    values, directions = torch.linalg.eigh(symmetric.double())
    root: Tensor = (directions / values.sqrt()) @ directions.T
    return root.float()
