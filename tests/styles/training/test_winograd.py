"""Convolutions in fewer multiplications are the same convolutions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from styles.training.winograd import LEAST_IN, LEAST_OUT, FrozenConv, pays

# Of the largest value: float32 has about seven digits, and the transforms lose one.
TOLERANCE = 5e-5


def difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


@pytest.fixture
def weight() -> Tensor:
    return 0.05 * torch.randn(LEAST_OUT, LEAST_IN, 3, 3, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("size", [(4, 4), (16, 24), (100, 96)])
def test_paintings_and_gradients_are_those_of_the_direct_way(weight: Tensor, size: tuple[int, int], mode: str) -> None:
    pictures = torch.randn(3, LEAST_IN, *size, generator=torch.Generator().manual_seed(2))
    seen, gradients = [], []
    for convolve in (FrozenConv(weight), lambda padded: F.conv2d(padded, weight)):
        mine = pictures.clone().requires_grad_()
        result = convolve(F.pad(mine, (1, 1, 1, 1), mode=mode))
        (result.square().mean() + result[..., 0].sum()).backward()  # type: ignore[no-untyped-call]
        assert mine.grad is not None
        seen.append(result.detach())
        gradients.append(mine.grad)
    assert seen[0].shape == (3, LEAST_OUT, *size)
    assert difference(*seen) < TOLERANCE
    assert difference(*gradients) < TOLERANCE


def test_pictures_that_lie_otherwise_in_memory_are_read_right(weight: Tensor) -> None:
    pictures = torch.randn(2, LEAST_IN, 10, 14, generator=torch.Generator().manual_seed(3))
    apart = pictures.contiguous(memory_format=torch.channels_last)
    assert difference(FrozenConv(weight)(apart), F.conv2d(pictures, weight)) < TOLERANCE


def test_few_channels_odd_sizes_and_other_numbers_are_left_to_the_direct_way(weight: Tensor) -> None:
    padded = torch.zeros(1, LEAST_IN, 10, 14)
    assert pays(padded, weight)
    assert not pays(padded, weight[: LEAST_OUT // 2])
    assert not pays(padded[:, :64], weight[:, :64])
    assert not pays(padded[..., 1:], weight)
    assert not pays(padded.bfloat16(), weight)
