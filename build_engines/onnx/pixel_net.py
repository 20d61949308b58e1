"""The transform net in PyTorch with pixels at both ends: the reference that graphs and engines are compared with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from build_engines.onnx.options import MIDDLE_LEVEL
from styles.network import ConvLayer, TransformNet, network_from_weights
from styles.weights import NetworkWeights, load_network


class PixelNet(nn.Module):
    """The transform net, folded, with pixels at both ends: 1 x H x W x 3 uint8 RGB → the same.

    `style` is the vector painted with where a call gives none; instance norms keep their statistics in float32.
    """

    def __init__(self, net: TransformNet, style: Tensor | None = None) -> None:
        super().__init__()
        self.net, self._halved = net, False
        for layer in net.modules():
            if isinstance(layer, ConvLayer):
                layer.fold()
        self.register_buffer("style", style, persistent=False)

    @torch.no_grad()
    def halve(self) -> PixelNet:
        """Turns the net into one of half precision, but for its first convolution; returns itself.

        The first one takes levels around the middle, which FP16 and TF32 hold exactly, and stays in float32: rounded,
        what a smooth gradient has of detail would be lost, and the first norm magnifies it.
        """
        first = self._first_conv
        kernel = first.weight / 255
        self.net.half()
        first.weight = nn.Parameter(kernel, requires_grad=False)
        self._halved = True
        return self

    @property
    def _first_conv(self) -> ConvLayer:
        first = self.net.get_submodule("down.0.0.conv")
        assert isinstance(first, ConvLayer)
        return first

    def forward(self, frame: Tensor, style: Tensor | None = None) -> Tensor:
        vector = self.get_buffer("style") if style is None else style
        levels = frame.permute(0, 3, 1, 2).float()
        if self._halved:
            painted = self.net.paint_centred(levels - MIDDLE_LEVEL, vector[None]) * 255
        else:
            painted = self.net(levels / 255, vector[None]) * 255
        # float → uint8 truncates, and is undefined outside [0, 256)
        return painted.round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8)


def pixel_net_from_network(weights: NetworkWeights) -> PixelNet:
    """Returns the net ready to paint, with its style baked in where it has one inside. Raises WeightsError."""
    style = None if weights.vector is None else torch.from_numpy(weights.vector)
    return PixelNet(network_from_weights(weights), style).eval()


def pixel_net_from_weights(path: Path) -> PixelNet:
    """Returns the net in a weights file, ready to paint. Raises WeightsError or FileNotFoundError."""
    return pixel_net_from_network(load_network(path))
