"""Trains the heads of a style encoder by what the encoder's own eye sees in paintings.

The eye imitates the loss network up to relu4_1 with a tenth of its work, and gradients through it point where those
through the loss network do. So a head sees ten times as many styles and photographs in the same time. The loss is the
article's style loss of relu4_1 over that of the unpainted photograph, with the eye in the place of the loss network.

What is trained is a linear map that is added to the head. It reads codes whose second moments are 1 in all directions,
and writes in directions in which paintings change alike: otherwise the steps of Adam go almost all along the few
directions that codes and vectors have most of.
"""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np
import torch
from torch import Tensor, nn

from styles.encoder import Eye, head_from_weights
from styles.encoder_weights import EncoderHead
from styles.network import TransformNet
from styles.training.correction import damped_square
from styles.training.precision import autocast

_RATE = 5e-4
_BETAS = (0.9, 0.999)
# How far a map of ones reaches, in strengths of relu4_1.
_REACH = 30.0
# Of the mean second moment of codes, added to all directions.
_CODE_DAMPING = 0.02
# Pictures whose gradient is longer than that of this share of the last ones count less.
_USUAL_SHARE, _REMEMBERED = 0.9, 600
# The averaged head remembers this much of its past, and the result goes this share of the way to it: the steps of Adam
# are mostly noise, and half of the way gives up less than half of what they gain.
_DECAY, _SHARE = 0.995, 0.5
# Maps near the border of a small crop see much of what the convolutions put around it.
_BORDER = 1


def eye_gram(eye: Eye, pictures: Tensor) -> Tensor:
    """Returns the Gram matrices of the eye's maps of relu4_1 without their border: N x 512 x 512.

    Args:
        eye: the eye.
        pictures: N x 3 x H x W RGB in 0..1, H and W from 48 pixels.
    """
    *_, (_, maps) = eye.layers(pictures)
    inner = maps[:, :, _BORDER:-_BORDER, _BORDER:-_BORDER].float().flatten(2)
    return inner @ inner.transpose(1, 2) / inner.shape[2]


class HeadTraining:
    """Trains one head.

    Args:
        head: as it is now.
        net: the net that it is for.
        eye: sees the paintings.
        codes: of many pictures, N x L.
        jacobian: how the strengths of paintings follow the style vector (`mean_jacobian`): 512 x K.
        steps: after which the rate has fallen to 0.
    """

    def __init__(
        self, head: EncoderHead, net: TransformNet, eye: Eye, codes: Tensor, *, jacobian: Tensor, steps: int
    ) -> None:
        self.head, self.net, self.eye, self.steps = head, net, eye, steps
        self.before = head_from_weights(head)
        self.mean = codes.mean(dim=0)
        moments = torch.cov(codes.T)
        damping = _CODE_DAMPING * moments.diagonal().mean() * torch.eye(len(moments))
        self.read = inverse_root(moments + damping)
        self.write = _REACH * inverse_root(damped_square(jacobian))
        self.map = nn.Linear(len(self.read), len(self.write))
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
            wanted: their Gram matrices (`eye_gram`), B x 512 x 512.
            photos: B x 3 x H x W in 0..1.
            unpainted: their Gram matrices.
        """
        vectors = self.before(codes) + self.map((codes - self.mean) @ self.read) @ self.write
        changed = vectors.detach().requires_grad_()
        with autocast(photos.device):
            painted = self.net(photos, changed).float().clamp(0, 1)
            seen = eye_gram(self.eye, painted.contiguous(memory_format=torch.channels_last))
        losses = (seen - wanted).square().sum(dim=(1, 2)) / (unpainted - wanted).square().sum(dim=(1, 2))
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
        more = self.write @ weight @ self.read
        shift = self.write @ bias - more @ self.mean
        return dataclasses.replace(
            self.head, weight=self.head.weight + more.numpy(), bias=self.head.bias + shift.numpy()
        )


def inverse_root(symmetric: Tensor) -> Tensor:
    """Returns the symmetric matrix whose square is the inverse of a positive definite one."""
    values, directions = torch.linalg.eigh(symmetric.double())
    root: Tensor = (directions / values.sqrt()) @ directions.T
    return root.float()
