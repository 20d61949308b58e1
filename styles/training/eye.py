"""Fits the encoder's eye to the loss network, layer by layer.

Each convolution of the eye is a linear map of what the eye itself has made so far, so the best one is found by least
squares: what it makes is compared with the loss network's layer before the ReLU. A layer that follows makes up for what
those before it got wrong. What is handed on, by fewer maps, are the main directions of the loss network's maps (a PCA).
All maps of a layer are divided by one number, so that their root mean square is 1 and half precision keeps them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles.encoder import Eye
from styles.encoder_weights import EYE_LAYERS
from styles.training.loss_network import LossNetwork
from styles.training.precision import autocast

# Places of each batch that a layer is fitted to.
_PLACES = 8000
# Of the mean square of what is read, added so that directions that hardly occur decide nothing.
_RIDGE = 1e-5


@torch.no_grad()
def fit_eye(
    eye: Eye, network: LossNetwork, draw: Callable[[], Tensor], batches: int, generator: torch.Generator
) -> Iterator[tuple[str, float]]:
    """Fits all of the eye but its stem and what is read at last. Yields each layer's name, and the share of the squares
    of the loss network's layer that it does not explain.

    Args:
        eye: with a trained stem.
        network: the loss network.
        draw: returns a batch of pictures, N x 3 x H x W RGB in 0..1.
        batches: how many of them each layer is fitted to.
        generator: chooses the places.
    """
    for i, layer in enumerate(EYE_LAYERS):
        sums = _Sums()
        for _ in range(batches):
            pictures = draw()
            with autocast(pictures.device):
                read = _patches(eye, i, pictures)
                wanted = network.before_relu(pictures, layer).float().permute(0, 2, 3, 1).flatten(0, 2)
            places = torch.randperm(len(wanted), generator=generator)[:_PLACES].to(wanted.device)
            sums.add(read[places], wanted[places])
        solution, unexplained = sums.solve()
        _set_layer(eye, i, solution / sums.maps_rms())
        if i < len(eye.narrow):
            narrow = cast(nn.Conv2d, eye.narrow[i])
            narrow.weight.copy_(sums.main_directions(narrow.out_channels)[:, :, None, None])
        yield layer, unexplained


class _Sums:
    """The sums of products that least squares need, over places."""

    def __init__(self) -> None:
        self.read = self.both = self.wanted = self.maps = torch.zeros(())
        self.places = 0

    def add(self, read: Tensor, wanted: Tensor) -> None:
        """Takes in what is read, P x R, and what is wanted, P x C."""
        maps = F.relu(wanted)
        self.read = self.read + (read.T @ read).double()
        self.both = self.both + (read.T @ wanted).double()
        self.maps = self.maps + (maps.T @ maps).double()
        self.wanted = self.wanted + wanted.double().square().sum()
        self.places += len(wanted)

    def solve(self) -> tuple[Tensor, float]:
        """Returns the linear map, R x C, and the share of the squares that it leaves."""
        size = self.read.diagonal().mean()
        solution = torch.linalg.solve(self.read + _RIDGE * size * torch.eye(len(self.read)).to(size), self.both)
        left = self.wanted - 2 * (solution * self.both).sum() + ((self.read @ solution) * solution).sum()
        return solution.float(), float(left / self.wanted)

    def maps_rms(self) -> float:
        """Returns the root mean square of the maps after the ReLU."""
        return float((self.maps.diagonal().mean() / self.places).sqrt())

    def main_directions(self, count: int) -> Tensor:
        """Returns the directions, count x C, that hold most of the squares of the maps after the ReLU."""
        directions: Tensor = torch.linalg.eigh(self.maps).eigenvectors[:, -count:].T.float()
        return directions


def _patches(eye: Eye, i: int, pictures: Tensor) -> Tensor:
    """Returns what the layer's convolutions read at each place: places x R, the last column 1 for the bias."""
    maps = next(itertools.islice(eye.layers(pictures), i - 1, None))[1] if i else pictures
    read = [F.unfold(eye.before_conv(i, maps).float(), 3, padding=1)]
    if not i:
        kernel = eye.pixels.kernel_size[0]
        read.append(F.unfold(pictures.float() * 2 - 1, kernel, padding=kernel // 2, stride=2))
    columns = torch.cat([*read, torch.ones_like(read[0][:, :1])], dim=1)
    return columns.transpose(1, 2).flatten(0, 1)


def _set_layer(eye: Eye, i: int, solution: Tensor) -> None:
    conv = cast(nn.Conv2d, eye.convs[i])
    size = conv.weight[0].numel()
    conv.weight.copy_(solution[:size].T.reshape(conv.weight.shape))
    if not i:
        eye.pixels.weight.copy_(solution[size:-1].T.reshape(eye.pixels.weight.shape))
    if conv.bias is not None:
        conv.bias.copy_(solution[-1])
