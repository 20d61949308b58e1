"""The transform net in PyTorch with pixels at both ends: the reference that graphs and engines are compared with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from styles.network import ConvLayer, TransformNet, network_from_weights
from styles.weights import NetworkWeights, load_network


class PixelNet(nn.Module):
    """The transform net, folded, with pixels at both ends: 1 x H x W x 3 uint8 RGB → the same.

    `style` is the vector painted with where a call gives none; instance norms keep their statistics in float32.
    """

    def __init__(self, net: TransformNet, style: Tensor | None = None) -> None:
        super().__init__()
        self.net = net
        for layer in net.modules():
            if isinstance(layer, ConvLayer):
                layer.fold()
        self.register_buffer("style", style, persistent=False)

    def forward(self, frame: Tensor, style: Tensor | None = None) -> Tensor:
        vector = self.get_buffer("style") if style is None else style
        kind = self.net.head.weight.dtype
        photo = frame.permute(0, 3, 1, 2).to(kind) / 255
        painted: Tensor = self.net(photo, vector[None]) * 255
        # float → uint8 truncates, and is undefined outside [0, 256)
        return painted.round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def pixel_net_from_network(weights: NetworkWeights) -> PixelNet:
    """Returns the net ready to paint, with its style baked in where it has one inside. Raises WeightsError."""
    style = None if weights.vector is None else torch.from_numpy(weights.vector)
    return PixelNet(network_from_weights(weights), style).eval()


def pixel_net_from_weights(path: Path) -> PixelNet:
    """Returns the net in a weights file, ready to paint. Raises WeightsError or FileNotFoundError."""
    return pixel_net_from_network(load_network(path))
