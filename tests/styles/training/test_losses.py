"""The losses against values worked out by hand and gradients against finite differences."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from styles.training.loss_network import gram_matrix
from styles.training.losses import (
    SQUARED_LEVELS,
    _chroma,
    border_loss,
    content_loss,
    edge_chroma,
    flat_places_loss,
    fringe_loss,
    lattice_loss,
    relative_gram_errors,
    structure_correlations,
    structure_loss,
    style_loss,
    temporal_loss,
    total_variation_loss,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_content_loss_is_the_mean_squared_difference() -> None:
    features, target = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    assert content_loss(features, target).tolist() == [(1 + 4) / 2]


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
    assert relative_gram_errors(layers, targets).flatten().tolist() == pytest.approx([4 / 9, 1 / 9, 1, 16])


def test_total_variation_is_the_mean_squared_step_down_plus_across() -> None:
    image = torch.tensor([[[[0.0, 1.0], [3.0, 7.0]]]])
    wanted = 255**2 * ((9 + 36) / 2 + (1 + 16) / 2)
    assert total_variation_loss(torch.cat([image, 2 * image])).tolist() == pytest.approx([wanted, 4 * wanted])


def test_temporal_loss_counts_only_what_stays_in_the_picture() -> None:
    one, other = torch.zeros(2, 3, 1, 2), torch.tensor([0.5, 9.0]).expand(2, 3, 1, 2)
    valid = torch.tensor([[1.0, 0.0], [0.0, 0.0]])[:, None, None]
    assert temporal_loss(one, other, valid).tolist() == [pytest.approx(0.25 * 255**2), 0]


def test_lattice_loss_sees_what_repeats_with_the_step_and_no_stroke() -> None:
    mesh = torch.tensor([[0.4, 0.6], [0.6, 0.4]]).repeat(8, 8)[None, None]
    assert lattice_loss(mesh, 2) == pytest.approx(25.5**2)
    assert lattice_loss(mesh, 4) == pytest.approx(25.5**2)
    edge = torch.cat([torch.zeros(1, 1, 16, 8), torch.ones(1, 1, 16, 8)], dim=3)
    assert lattice_loss(edge, 4) == pytest.approx(0)
    assert lattice_loss(mesh + edge, 4) == pytest.approx(25.5**2)


def test_chroma_is_that_of_opencv() -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05
    lab = cv2.cvtColor(image[0].permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2LAB)
    expected = np.hypot(lab[:, :, 1], lab[:, :, 2])
    np.testing.assert_allclose(_chroma(image)[0].numpy(), expected, atol=0.5)  # its powers come from tables


def test_fringes_are_edges_with_stronger_colours_than_the_styles() -> None:
    photo = torch.zeros(1, 3, 40, 40)
    photo[..., 20:] = 1
    fringed = photo.clone()
    fringed[:, 0, :, 18:22] = 0.9
    fringed[:, 1:, :, 18:22] = 0.2
    assert float(edge_chroma(photo, photo)) < 1
    assert float(edge_chroma(fringed, photo)) > 40
    assert float(fringe_loss(fringed, photo, torch.tensor([10.0]))) > 1
    assert float(fringe_loss(fringed, photo, torch.tensor([100.0]))) == 0
    assert float(fringe_loss(photo, photo, torch.tensor([10.0]))) == 0
    beside = photo.clone()
    beside[:, 1:, :, 2:8] = 1
    assert float(fringe_loss(beside, photo, torch.tensor([10.0]))) == 0


def test_fringes_have_a_finite_gradient_everywhere() -> None:
    corners = torch.tensor([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], dtype=torch.float32)
    images = corners.T.reshape(1, 3, 2, 4).repeat_interleave(8, 2).repeat_interleave(8, 3).requires_grad_()
    torch.autograd.backward(fringe_loss(images, images.detach(), torch.zeros(1)).sum())
    assert images.grad is not None
    assert images.grad.isfinite().all()


def test_a_frame_is_a_border_that_the_photograph_does_not_have() -> None:
    generator = torch.Generator().manual_seed(0)
    photos = torch.rand(2, 3, 64, 64, generator=generator)
    painted = photos.clone()
    painted[1, :, :8] += 0.4
    painted[1, :, :, -8:] += 0.4
    inside, framed = border_loss(painted, photos).tolist()
    assert inside == 0
    assert framed > 0.1
    both = border_loss(painted, painted)  # where the photograph has it too, it is none
    assert both.tolist() == [0, 0]


def test_blobs_are_flatter_than_the_wall_that_they_paint() -> None:
    generator = torch.Generator().manual_seed(0)
    wall = 0.5 + 0.01 * torch.randn(1, 1, 48, 48, generator=generator).expand(-1, 3, -1, -1)
    blob, strokes = wall.mean().expand_as(wall), 0.5 + 5 * (wall - 0.5)
    assert float(flat_places_loss(blob, wall)) > 2
    assert float(flat_places_loss(strokes, wall)) == pytest.approx(0, abs=1e-2)
    forest = torch.rand(1, 3, 48, 48, generator=generator)
    assert float(flat_places_loss(blob, forest)) == 0


def test_structure_is_blind_to_how_strong_a_map_is() -> None:
    target = random(2, 3, 8, 8)
    stronger = 5 * target + torch.tensor([1.0, 2.0, 3.0])[:, None, None]
    assert structure_loss([stronger], [target]).tolist() == pytest.approx([0, 0], abs=1e-5)
    assert structure_correlations([stronger], [target]).flatten().tolist() == pytest.approx([1, 1])
    assert structure_loss([-target], [target]).tolist() == pytest.approx([2, 2], abs=1e-5)


def test_structure_correlation_is_pearsons_of_each_map_then_the_mean() -> None:
    maps, target = random(1, 4, 6, 5), random(1, 4, 6, 5, seed=1)
    each = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(maps[0].numpy(), target[0].numpy(), strict=True)]
    assert structure_correlations([maps], [target]).item() == pytest.approx(np.mean(each), abs=1e-6)


def test_maps_in_which_the_photograph_has_nothing_are_left_out_of_the_structure() -> None:
    target = torch.cat([random(1, 1, 6, 6), torch.zeros(1, 2, 6, 6)], dim=1)
    painted = torch.cat([target[:, :1], random(1, 2, 6, 6, seed=1)], dim=1)
    assert structure_correlations([painted], [target]).item() == pytest.approx(1)
    assert structure_correlations([torch.zeros_like(target)], [target]).item() == 0


def test_structure_of_a_picture_of_one_colour_has_a_finite_gradient() -> None:
    flat = torch.zeros(1, 3, 8, 8, requires_grad=True)
    loss = structure_loss([flat], [torch.ones(1, 3, 8, 8)])
    torch.autograd.backward(loss.sum())
    assert loss.isfinite().all()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_gradients_agree_with_finite_differences() -> None:
    x, target = random(2, 3, 4, 4).requires_grad_(), random(2, 3, 4, 4, seed=1)
    gram, wanted = random(2, 3, 3).requires_grad_(), random(1, 3, 3, seed=2)
    valid = (random(2, 1, 4, 4, seed=3) > 0.3).double()
    assert torch.autograd.gradcheck(lambda t: content_loss(t, target), x)
    assert torch.autograd.gradcheck(lambda g: style_loss([g, 2 * g], [wanted, wanted]), gram)
    assert torch.autograd.gradcheck(lambda t: total_variation_loss(t) / SQUARED_LEVELS, x)
    assert torch.autograd.gradcheck(lambda t: lattice_loss(t, 2) / SQUARED_LEVELS, x)
    assert torch.autograd.gradcheck(lambda t: temporal_loss(t, target, valid) / SQUARED_LEVELS, x)
