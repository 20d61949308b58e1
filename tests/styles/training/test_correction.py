"""Vectors are corrected by what their paintings lack."""

from __future__ import annotations

import pytest
import torch

from styles.network import network_from_weights
from styles.registry import find_style, network_path
from styles.training.correction import correction, mean_jacobian, ridge_regression, strengths
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.weights import load_network, load_style
from tests.styles.conftest import textured


@pytest.fixture(scope="module")
def network() -> LossNetwork:
    return load_loss_network(find_loss_network(None))


def vector_of(style: str) -> torch.Tensor:
    return torch.from_numpy(load_style(find_style(style, "fast").path).vector)


def test_a_step_along_the_jacobian_brings_what_is_lacking(network: LossNetwork) -> None:
    net = network_from_weights(load_network(network_path("fast")))
    photo = torch.from_numpy(textured(48, 48, seed=1)).permute(2, 0, 1)[None] / 255
    before, wanted = vector_of("wave"), vector_of("udnie")

    def lacking(vector: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return strengths(network, net(photo, wanted[None])) - strengths(network, net(photo, vector[None]))

    jacobian = mean_jacobian(net, network, [photo], before[None])
    assert jacobian.shape == (512, len(before))
    direction = torch.randn(len(before), generator=torch.Generator().manual_seed(0))
    moved, told = (lacking(before) - lacking(before + 0.02 * direction))[0], 0.02 * jacobian @ direction
    # the Jacobian is computed in bfloat16 where a processor has that
    assert torch.dot(moved, told) > 0.85 * moved.norm() * told.norm()
    assert 0.8 < told.norm() / moved.norm() < 1.25
    after = before + correction(jacobian, lacking(before))[0]
    assert lacking(after).square().sum() < 0.7 * lacking(before).square().sum()


def test_ridge_regression_finds_a_linear_map() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 5, generator=generator) * torch.tensor([1.0, 10, 0.1, 3, 1]) + 2
    linear, shift = torch.randn(5, 3, generator=generator), torch.randn(3, generator=generator)
    wanted = inputs @ linear + shift
    wanted[100:] += 50  # what has no weight decides nothing
    weights = (torch.arange(200) < 100).float()
    found, found_shift = ridge_regression(inputs, wanted, weights, 1e-6)
    torch.testing.assert_close(found, linear, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found_shift, shift, rtol=1e-3, atol=1e-3)
    simpler, _ = ridge_regression(inputs, wanted, weights, 1e3)
    assert simpler.abs().sum() < 0.5 * linear.abs().sum()
