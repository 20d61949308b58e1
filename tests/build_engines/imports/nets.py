"""Nets as other people's programs build them, with few channels: what an import has to paint like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (4, 6, 8)


class MirroredConv(nn.Module):
    """A convolution behind mirrored edges; `conv` is what the program calls it."""

    def __init__(self, conv: str, inputs: int, outputs: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.name, self.margin = conv, side // 2
        self.add_module(conv, nn.Conv2d(inputs, outputs, side, stride))

    def forward(self, x: Tensor) -> Tensor:
        mirrored = F.pad(x, [self.margin] * 4, mode="reflect")
        made: Tensor = self.get_submodule(self.name)(mirrored)
        return made


class ExamplesNet(nn.Module):
    """The net of pytorch/examples: levels of RGB in and out, nearest neighbours before the last convolutions."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three = WIDTHS
        for number, (inputs, outputs, side, stride) in enumerate(
            ((3, one, 9, 1), (one, two, 3, 2), (two, three, 3, 2)), start=1
        ):
            self.add_module(f"conv{number}", MirroredConv("conv2d", inputs, outputs, side, stride))
            self.add_module(f"in{number}", nn.InstanceNorm2d(outputs, affine=True))
        for number in range(1, 6):
            self.add_module(f"res{number}", _ExamplesBlock(three))
        for number, (inputs, outputs) in enumerate(((three, two), (two, one)), start=1):
            self.add_module(f"deconv{number}", MirroredConv("conv2d", inputs, outputs, 3))
            self.add_module(f"in{number + 3}", nn.InstanceNorm2d(outputs, affine=True))
        self.deconv3 = MirroredConv("conv2d", one, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        parts: dict[str, Any] = dict(self.named_children())
        for number in (1, 2, 3):
            x = F.relu(parts[f"in{number}"](parts[f"conv{number}"](x)))
        for number in range(1, 6):
            x = parts[f"res{number}"](x)
        for number in (1, 2):
            larger = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.relu(parts[f"in{number + 3}"](parts[f"deconv{number}"](larger)))
        return self.deconv3(x)  # type: ignore[no-any-return]


class _ExamplesBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.in1 = MirroredConv("conv2d", width, width, 3), nn.InstanceNorm2d(width, affine=True)
        self.conv2, self.in2 = MirroredConv("conv2d", width, width, 3), nn.InstanceNorm2d(width, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.in1(self.conv1(x)))
        return x + self.in2(self.conv2(inner))  # type: ignore[no-any-return]


class _Normed(MirroredConv):
    """rrmina's layer: a mirrored convolution with its norm, or without one."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, norm: bool = True) -> None:
        super().__init__("conv_layer", inputs, outputs, side, stride)
        self.norm_layer = nn.InstanceNorm2d(outputs, affine=True) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm_layer(super().forward(x))  # type: ignore[no-any-return]


class _Transposed(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_transpose = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, output_padding=1)
        self.norm_layer = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm_layer(self.conv_transpose(x))  # type: ignore[no-any-return]


class _RrminaBlock(nn.Module):
    """Two convolutions of 3 x 3, or three as in ResNeXt: 1 x 1, 3 x 3, 1 x 1."""

    def __init__(self, width: int, sides: Sequence[int]) -> None:
        super().__init__()
        widths = [width, *[width // 2] * (len(sides) - 1), width] if len(sides) == 3 else [width] * 3
        for number, side in enumerate(sides):
            self.add_module(f"conv{number + 1}", _Normed(widths[number], widths[number + 1], side))

    def forward(self, x: Tensor) -> Tensor:
        *inner, last = self.children()
        y = x
        for conv in inner:
            y = F.relu(conv(y))
        return x + last(y)  # type: ignore[no-any-return]


class RrminaNet(nn.Module):
    """rrmina's net: levels of BGR in and out; transposed convolutions; with or without 150 tanh(x) at its end."""

    def __init__(self, tanh: bool = False, sides: Sequence[int] = (3, 3)) -> None:
        super().__init__()
        one, two, three = WIDTHS
        self.tanh, relu = tanh, nn.ReLU()
        self.ConvBlock = nn.Sequential(
            _Normed(3, one, 9), relu, _Normed(one, two, 3, 2), relu, _Normed(two, three, 3, 2), relu
        )
        self.ResidualBlock = nn.Sequential(*[_RrminaBlock(three, sides) for _ in range(5)])
        self.DeconvBlock = nn.Sequential(
            _Transposed(three, two), relu, _Transposed(two, one), relu, _Normed(one, 3, 9, norm=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        bgr = self.DeconvBlock(self.ResidualBlock(self.ConvBlock(x.flip(1))))
        levels: Tensor = torch.tanh(bgr) * 150 if self.tanh else bgr
        return levels.flip(1)


class JohnsonNet(nn.Module):
    """jcjohnson's net: BGR without the mean in, 150 tanh(x) and the mean out; 40 mirrored pixels at each edge once, and
    blocks that shave two pixels off. Older ones have batch norms.
    """

    MEAN = (103.939, 116.779, 123.68)

    def __init__(self, batch_norm: bool = False, blocks: int = 5) -> None:
        super().__init__()
        one, two, three = WIDTHS

        def norm(width: int) -> nn.Module:
            return nn.BatchNorm2d(width) if batch_norm else nn.InstanceNorm2d(width, affine=True)

        self.down = nn.ModuleList(
            [nn.Conv2d(3, one, 9, padding=4), nn.Conv2d(one, two, 3, 2, 1), nn.Conv2d(two, three, 3, 2, 1)]
        )
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(three, three, 3), norm(three), nn.ReLU(), nn.Conv2d(three, three, 3), norm(three)
                )
                for _ in range(blocks)
            ]
        )
        self.up = nn.ModuleList([nn.ConvTranspose2d(three, two, 3, 2, 1, 1), nn.ConvTranspose2d(two, one, 3, 2, 1, 1)])
        self.norms = nn.ModuleList([norm(width) for width in (one, two, three, two, one)])
        self.head = nn.Conv2d(one, 3, 9, padding=4)

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.tensor(self.MEAN)[:, None, None]
        x = F.pad(x.flip(1) - mean, [8 * len(self.blocks)] * 4, mode="reflect")
        for conv, norm in zip(self.down, self.norms, strict=False):
            x = F.relu(norm(conv(x)))
        for block in self.blocks:
            x = block(x) + x[:, :, 2:-2, 2:-2]
        for conv, norm in zip(self.up, self.norms[3:], strict=True):
            x = F.relu(norm(conv(x)))
        return (torch.tanh(self.head(x)) * 150 + mean).flip(1)


def lively(net: nn.Module, last: nn.Module, middle: float, spread: float) -> nn.Module:
    """Gives a net random norms, and a last convolution whose results lie around `middle`; returns it."""
    torch.manual_seed(3)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.InstanceNorm2d | nn.BatchNorm2d):
                module.weight.copy_(1 + 0.3 * torch.randn_like(module.weight))
                module.bias.copy_(0.3 * torch.randn_like(module.bias))
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean.copy_(torch.randn_like(module.running_mean))
                assert module.running_var is not None
                module.running_var.copy_(0.5 + torch.rand_like(module.running_var))
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.sub_(last.weight.mean(dim=(1, 2, 3), keepdim=True)).mul_(spread / last.weight.std())
        last.bias.fill_(middle)
    return net.eval().requires_grad_(False)
