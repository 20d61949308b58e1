"""Convolutions by Winograd's method equal direct ones up to rounding, and so do their gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from styles.training import loss_network as module
from styles.training.loss_network import LossNetwork
from styles.training.winograd import FrozenConv


@pytest.mark.parametrize("size", [(1, 8, 8), (3, 4, 12), (2, 64, 32), (40, 16, 16)])
def test_maps_and_gradients_are_those_of_the_direct_convolution(size: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    count, height, width = size
    kernel = torch.randn(5, 7, 3, 3, generator=generator)
    maps = torch.randn(count, 7, height, width, generator=generator).requires_grad_()
    upstream = torch.randn(count, 5, height, width, generator=generator)
    expected = F.conv2d(maps, kernel, padding=1)
    (gradient,) = torch.autograd.grad(expected, maps, upstream)
    found = FrozenConv(kernel)(maps)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(torch.autograd.grad(found, maps, upstream)[0], gradient, atol=2e-4, rtol=1e-4)


def zero_padded_network() -> LossNetwork:
    """Returns a loss network as the article's, a few channels wide, with random weights."""
    generator = torch.Generator().manual_seed(3)
    widths, inputs, convs = {1: 4, 2: 6, 3: 8, 4: 8, 5: 8}, 3, {}
    for name in module._CONVS:
        width = widths[int(name[0])]
        kernel = torch.randn(width, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        convs[name] = kernel, 0.1 * torch.randn(width, generator=generator)
        inputs = width
    stem = 2 * torch.eye(3)[:, :, None, None], torch.zeros(3)
    return LossNetwork(convs, stem, {}, padding="constant").requires_grad_(False)


@pytest.mark.parametrize("side", [64, 52])  # of 52, only the third block's maps are a multiple of 4
def test_a_loss_network_sees_the_same_in_a_training(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda _device: False)
    network = zero_padded_network()
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    before = network(images)
    network.prepare_training()
    assert network._fast
    after = network(images)
    torch.testing.assert_close(after.content, before.content, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(after.grams[4], before.grams[4], atol=1e-4, rtol=1e-3)


def test_where_bfloat16_is_multiplied_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda _device: True)
    network = zero_padded_network()
    network.prepare_training()
    assert not network._fast
