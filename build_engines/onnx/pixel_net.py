"""The transform net in PyTorch, from pixels to pixels: the reference for graphs and engines."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from build_engines.onnx.options import MIDDLE_LEVEL
from styles.network import ConvLayer, TransformNet, network_from_weights
from styles.weights import NetworkWeights, load_network


class PixelNet(nn.Module):
    """The folded transform net from pixels to pixels: 1 x H x W x 3 uint8 RGB in and out.

    Instance norms compute their statistics in float32.

    Args:
        net: the transform net; its layers are folded in place.
        style: the style vector float32[K] that is used if a call gives none.
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
        """Converts the net to half precision, except for its first convolution, and returns it.

        The first convolution stays in float32 and takes levels around the middle, which FP16 and TF32 hold exactly.
        Rounding them would lose the detail of a smooth gradient, which the first norm magnifies.
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
    """Returns the net ready to paint, with its style baked in if the weights hold one.

    Raises:
        WeightsError: the weights do not fit the net.
    """
    style = None if weights.vector is None else torch.from_numpy(weights.vector)
    return PixelNet(network_from_weights(weights), style).eval()


def pixel_net_from_weights(path: Path) -> PixelNet:
    """Returns the net in a weights file, ready to paint.

    Raises:
        WeightsError: the file holds no weights of a net.
        FileNotFoundError: there is no such file.
    """
    return pixel_net_from_network(load_network(path))
