"""3 x 3 convolutions with frozen kernels in float32, by Winograd's method, for CPUs that do not multiply bfloat16.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": the convolution of a 6 x 6 tile of a map into
4 x 4 outputs takes 144 multiplications for each pair of channels, and 36 between tiles and kernels that were
transformed before. A kernel of a loss network is transformed once, for as long as a training takes. Results differ
from those of the direct convolution by rounding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# The outputs of a tile, and its side.
OUTPUTS, _TILE = 4, 6
# This many tiles are worked on at once, so that they stay in the processor's cache.
_TILES_AT_ONCE = 512

# The transforms of a tile, of a kernel and of the products, along one axis.
_OF_TILE = torch.tensor(
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
_OF_KERNEL = torch.tensor(
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
_OF_PRODUCTS = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float64
)


def _both_axes(transform: Tensor) -> Tensor:
    """Returns the transform of rows and columns as one matrix, float32."""
    return torch.kron(transform, transform).float()


_TILE_MATRIX, _PRODUCT_MATRIX = _both_axes(_OF_TILE), _both_axes(_OF_PRODUCTS)


class FrozenConv:
    """A 3 x 3 convolution with zero padding that is differentiated by its input alone.

    Args:
        kernel: out x in x 3 x 3.
    """

    def __init__(self, kernel: Tensor) -> None:
        self._forward = _transformed(kernel)
        # the gradient by the input is the convolution with the kernel turned by half a turn
        self._backward = _transformed(kernel.flip(2, 3).transpose(0, 1))

    def __call__(self, maps: Tensor) -> Tensor:
        """Returns N x out x H x W of N x in x H x W float32 maps, H and W multiples of OUTPUTS."""
        result: Tensor = _Convolve.apply(maps, self._forward, self._backward)  # type: ignore[no-untyped-call]
        return result


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, backward: Tensor) -> Tensor:
        ctx.kernel = backward
        return _convolve(maps, kernel)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _convolve(gradient, ctx.kernel), None, None


def _transformed(kernel: Tensor) -> Tensor:
    """Returns the transformed kernel: 36 x out x in, float32."""
    matrix = torch.kron(_OF_KERNEL, _OF_KERNEL)
    columns = kernel.double().flatten(2).permute(2, 0, 1).flatten(1)
    return (matrix @ columns).view(_TILE * _TILE, *kernel.shape[:2]).float().contiguous()


def _convolve(maps: Tensor, kernel: Tensor) -> Tensor:
    tiles = maps.shape[2] * maps.shape[3] // OUTPUTS**2
    images = max(1, _TILES_AT_ONCE // tiles)
    return torch.cat([_convolve_some(part, kernel) for part in torch.split(maps.contiguous(), images)])


def _convolve_some(maps: Tensor, kernel: Tensor) -> Tensor:
    count, inputs, height, width = maps.shape
    rows, columns = height // OUTPUTS, width // OUTPUTS
    padded = F.pad(maps, (1, 1, 1, 1))
    image, channel, row, column = padded.stride()
    # overlapping tiles: 6 x 6 x inputs x count x rows x columns
    size = (_TILE, _TILE, inputs, count, rows, columns)
    tiles = padded.as_strided(size, (row, column, channel, image, OUTPUTS * row, OUTPUTS * column))
    transformed = (_TILE_MATRIX @ tiles.reshape(_TILE * _TILE, -1)).view(_TILE * _TILE, inputs, -1)
    products = torch.bmm(kernel, transformed)
    outputs = _PRODUCT_MATRIX @ products.view(_TILE * _TILE, -1)
    placed = outputs.view(OUTPUTS, OUTPUTS, kernel.shape[1], count, rows, columns).permute(3, 2, 4, 0, 5, 1)
    return placed.reshape(count, kernel.shape[1], height, width)
