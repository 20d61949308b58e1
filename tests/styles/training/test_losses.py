"""The losses against values worked out by hand and gradients against finite differences."""

from __future__ import annotations

import pytest
import torch

from styles.training.loss_network import gram_matrix
from styles.training.losses import (
    content_loss,
    lattice_loss,
    relative_gram_errors,
    style_loss,
    temporal_loss,
    total_variation_loss,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_content_loss_is_the_mean_squared_difference() -> None:
    features, target = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert content_loss(features, target).tolist() == [(1 + 4) / 2]


def test_relative_content_loss_is_that_over_the_mean_square_of_the_target() -> None:
    features, target = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert content_loss(features, target, relative=True).tolist() == [2.5 / 0.5]


def test_gram_matrix_of_two_channels_and_two_pixels() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    # F Fᵀ over height 1 x width 2 x 2 channels
    assert gram_matrix(features).tolist() == [[[5 / 4, 11 / 4], [11 / 4, 25 / 4]]]


def test_gradient_of_the_gram_matrix() -> None:
    features = random(1, 3, 4, 5).float().requires_grad_()
    weights = random(3, 3, seed=1).float()
    torch.autograd.backward((gram_matrix(features)[0] * weights).sum())
    by_hand = (weights + weights.T) @ features.detach()[0].flatten(1) / (3 * 4 * 5)
    assert features.grad is not None
    torch.testing.assert_close(features.grad[0].flatten(1), by_hand)


def test_style_loss_sums_layers_and_keeps_pictures_apart() -> None:
    layers = [torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[[0.0]], [[5.0]]])]
    targets = [torch.tensor([[[3.0]]]), torch.tensor([[[1.0]]])]
    assert style_loss(layers, targets).tolist() == [4 + 1, 1 + 16]
    assert style_loss(layers, targets, relative=True).tolist() == pytest.approx([4 / 9 + 1, 1 / 9 + 16])
    assert relative_gram_errors(layers, targets).flatten().tolist() == pytest.approx([4 / 9, 1 / 9, 1, 16])


def test_total_variation_is_the_mean_squared_step_down_plus_across() -> None:
    image = torch.tensor([[[[0.0, 1.0], [3.0, 7.0]]]])
    wanted = (9 + 36) / 2 + (1 + 16) / 2
    assert total_variation_loss(torch.cat([image, 2 * image])).tolist() == pytest.approx([wanted, 4 * wanted])


def test_temporal_loss_counts_only_what_stays_in_the_picture() -> None:
    one, other = torch.zeros(2, 3, 1, 2), torch.tensor([0.5, 9.0]).expand(2, 3, 1, 2)
    valid = torch.tensor([[1.0, 0.0], [0.0, 0.0]])[:, None, None]
    assert temporal_loss(one, other, valid).tolist() == [pytest.approx(0.25), 0]


def test_lattice_loss_sees_what_repeats_with_the_step_and_no_stroke() -> None:
    mesh = torch.tensor([[0.4, 0.6], [0.6, 0.4]]).repeat(8, 8)[None, None]
    assert lattice_loss(mesh, 2) == pytest.approx(0.1**2)
    assert lattice_loss(mesh, 4) == pytest.approx(0.1**2)
    edge = torch.cat([torch.zeros(1, 1, 16, 8), torch.ones(1, 1, 16, 8)], dim=3)
    assert lattice_loss(edge, 4) == pytest.approx(0)
    assert lattice_loss(mesh + edge, 4) == pytest.approx(0.1**2)


@pytest.mark.parametrize("relative", [False, True])
def test_gradients_agree_with_finite_differences(relative: bool) -> None:
    x, target = random(2, 3, 4, 4).requires_grad_(), random(2, 3, 4, 4, seed=1)
    gram, wanted = random(2, 3, 3).requires_grad_(), random(1, 3, 3, seed=2)
    valid = (random(2, 1, 4, 4, seed=3) > 0.3).double()
    assert torch.autograd.gradcheck(lambda t: content_loss(t, target, relative), x)
    assert torch.autograd.gradcheck(lambda g: style_loss([g, 2 * g], [wanted, wanted], relative), gram)
    assert torch.autograd.gradcheck(total_variation_loss, x)
    assert torch.autograd.gradcheck(lambda t: lattice_loss(t, 2), x)
    assert torch.autograd.gradcheck(lambda t: temporal_loss(t, target, valid), x)
