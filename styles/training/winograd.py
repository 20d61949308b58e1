"""3x3 convolutions with frozen weights in fewer multiplications (Winograd's F(4x4, 3x3); Lavin, Gray 2016).

Each square of 4 x 4 results takes 36 multiplications per pair of channels in place of 144. The rest is two small matrix
products for each square, which pay where there are many channels: on two AVX2 cores the loss network's layers with 256
and 512 channels take about half the time, forward and backward. Results differ from those of the direct way by some
millionths of the largest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# So many channels in and out at least, since below that the transforms take what the multiplications save.
LEAST_IN, LEAST_OUT = 128, 256
_SIDE = 4
# Pictures are taken together up to so many pixels: what lies in between should fit into the caches.
_PIXELS_AT_ONCE = 8192

_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_KERNEL = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_OUTPUT = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    dtype=torch.float64,
)


def _in_two_dimensions(one: Tensor) -> Tensor:
    """Returns the transform of a square, flattened, from that of a row."""
    return torch.kron(one, one).float()


_FROM_INPUT, _TO_OUTPUT = _in_two_dimensions(_INPUT), _in_two_dimensions(_OUTPUT)


class FrozenConv:
    """A 3x3 convolution of pictures whose borders were padded by one pixel, without bias: `conv(padded)`.

    padded: N x C x (H + 2) x (W + 2) float32 on the CPU, H and W multiples of 4. Result: N x C' x H x W. Gradients
    reach the pictures and not the weights.

    Args:
        weight: C' x C x 3 x 3.
    """

    def __init__(self, weight: Tensor) -> None:
        self._forward = _transformed(weight)
        self._backward = _transformed(weight.flip(2, 3).transpose(0, 1))

    def __call__(self, padded: Tensor) -> Tensor:
        result: Tensor = _Convolution.apply(padded, self._forward, self._backward)  # type: ignore[no-untyped-call]
        return result


def pays(padded: Tensor, weight: Tensor) -> bool:
    """Returns whether `FrozenConv` can and should compute this convolution."""
    height, width = padded.shape[-2] - 2, padded.shape[-1] - 2
    return (
        padded.device.type == "cpu"
        and padded.dtype == torch.float32
        and weight.shape[1] >= LEAST_IN
        and weight.shape[0] >= LEAST_OUT
        and height % _SIDE == width % _SIDE == 0
    )


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, kernels: Tensor, backward: Tensor) -> Tensor:
        ctx.kernels = backward
        return _convolved(padded, kernels)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        # of the padding too, which has no gradient unless it is a copy of what is inside
        height, width = gradient.shape[-2:]
        more = -(height + 2) % _SIDE, -(width + 2) % _SIDE
        wide = torch.nn.functional.pad(gradient, (2, 2 + more[1], 2, 2 + more[0]))
        return _convolved(wide, ctx.kernels)[..., : height + 2, : width + 2], None, None


def _transformed(weight: Tensor) -> Tensor:
    """Returns the kernels as they are multiplied with transformed squares: 36 x C' x C."""
    kernels = torch.einsum("ai,bj,ocij->aboc", _KERNEL, _KERNEL, weight.detach().double())
    return kernels.flatten(0, 1).float().contiguous()


def _convolved(padded: Tensor, kernels: Tensor) -> Tensor:
    at_once = max(1, _PIXELS_AT_ONCE // (padded.shape[-2] * padded.shape[-1]))
    parts = torch.split(padded.contiguous(), at_once)
    return torch.cat([_some_convolved(pictures, kernels) for pictures in parts])


def _some_convolved(padded: Tensor, kernels: Tensor) -> Tensor:
    count, channels, height, width = padded.shape
    rows, columns = (height - 2) // _SIDE, (width - 2) // _SIDE
    picture, channel, row, column = padded.stride()
    squares = padded.as_strided(
        (6, 6, channels, count, rows, columns),
        (row, column, channel, picture, _SIDE * row, _SIDE * column),
        padded.storage_offset(),
    )
    transformed = _FROM_INPUT @ squares.reshape(36, -1)
    products = torch.bmm(kernels, transformed.view(36, channels, -1))
    results = (_TO_OUTPUT @ products.flatten(1)).view(_SIDE, _SIDE, kernels.shape[1], count, rows, columns)
    return results.permute(3, 2, 4, 0, 5, 1).reshape(count, kernels.shape[1], rows * _SIDE, columns * _SIDE)
