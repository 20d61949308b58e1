"""What a base training trains: nets with the vectors of their own styles, and one encoder for all of them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from styles.architecture import CONFIGS, NetworkConfig
from styles.encoder import StyleEncoder
from styles.network import TransformNet
from styles.training.pictures import encoder_input

# The deviation of a new head's weights: predicted vectors begin close to the mean of the net's own styles.
_HEAD_DEVIATION = 0.02
# How much of the averages a step can replace, at most and at the start, when they still have to forget the beginning.
_KEEP = 0.999
_FORGET_STEPS = 10


def base_config(kind: str) -> NetworkConfig:
    """Returns the shape of a base net.

    It is that of CONFIGS, with a skip more: what the first stage sees, at half the resolution, also reaches the head.
    The skip costs nothing and carries the subject's detail.
    """
    config = CONFIGS[kind]
    up = list(config.up)
    up[1] = replace(up[1], skip=True)
    return replace(config, up=tuple(up))


class BaseNet(nn.Module):
    """A transform net, the vectors of its own styles, and the head that predicts vectors of other styles.

    Args:
        net: the transform net.
        vectors: one row for each style, float32[S x K].
        code: the length of the encoder's codes.
    """

    def __init__(self, net: TransformNet, vectors: Tensor, code: int) -> None:
        super().__init__()
        self.net = net
        self.vectors = nn.Parameter(vectors.clone())
        self.head = nn.Linear(code, net.style_size)
        nn.init.normal_(self.head.weight, std=_HEAD_DEVIATION)
        self.head.bias.data.copy_(vectors.mean(dim=0))

    def forward(self, photos: Tensor, vectors: Tensor) -> Tensor:
        """Returns paintings, N x 3 x H x W in 0..1, of photographs in the styles of N vectors."""
        painted: Tensor = self.net(photos, vectors)
        return painted


class BaseModel(nn.Module):
    """The nets by name, and the encoder.

    `statistics` is a second reading of the code, which learns what the loss network sees in the picture. It keeps the
    code from forgetting what no net uses yet, and is not needed after the training.

    Args:
        nets: by name.
        encoder: of style pictures.
        statistics: how many numbers the loss network's statistics are.
    """

    def __init__(self, nets: Mapping[str, BaseNet], encoder: StyleEncoder, statistics: int) -> None:
        super().__init__()
        self.nets = nn.ModuleDict(dict(nets))
        self.encoder = encoder
        self.statistics = nn.Linear(encoder.config.length, statistics)

    def named_nets(self) -> Iterator[tuple[str, BaseNet]]:
        """Yields the nets with their names."""
        for name, net in self.nets.items():
            assert isinstance(net, BaseNet)
            yield name, net

    @torch.no_grad()
    def predict(self, picture: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Returns the style vector of each net, 1 x K, for a picture, H x W x 3 uint8. For eval mode."""
        code = self.encoder(encoder_input(picture).to(self.statistics.weight.device))
        return {name: net.head(code) for name, net in self.named_nets()}

    def freeze_nets(self) -> None:
        """Keeps the nets and the vectors of their own styles as they are; the encoder and its heads go on learning.

        The encoder's batch norms keep their statistics, which have been measured on far more pictures than a batch has.
        """
        for _, net in self.named_nets():
            net.net.requires_grad_(False)
            net.vectors.requires_grad_(False)
        self.encoder.eval()

    def vector_parameters(self) -> list[nn.Parameter]:
        """Returns the vectors of all nets, which learn faster than the rest."""
        return [net.vectors for _, net in self.named_nets()]

    def other_parameters(self) -> list[nn.Parameter]:
        """Returns all parameters but the vectors."""
        vectors = {id(vector) for vector in self.vector_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in vectors]


class AveragedModel:
    """The running mean of a model over about the last thousand steps, which paints better than its latest state.

    Args:
        model: the model that is trained.
    """

    def __init__(self, model: BaseModel) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: BaseModel, step: int) -> None:
        """Takes in the model's state after a step, counted from 1."""
        keep = min(_KEEP, step / (step + _FORGET_STEPS))
        for mean, now in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def new_net(kind: str, styles: Sequence[str], code: int) -> BaseNet:
    """Returns a net with random weights, from torch's global generator.

    Args:
        kind: a name in CONFIGS.
        styles: the names of its own styles.
        code: the length of the encoder's codes.
    """
    net = TransformNet(base_config(kind))
    return BaseNet(net, net.plain_style().repeat(len(styles), 1), code)
