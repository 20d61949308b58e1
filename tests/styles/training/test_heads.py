"""Heads of the encoder are trained by what its eye sees in paintings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from styles.encoder import StyleEncoder, encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderWeights, load_encoder
from styles.network import TransformNet, network_from_weights
from styles.registry import encoder_path, find_style, network_path
from styles.training.correction import strengths
from styles.training.heads import HeadTraining, Sight, fit_sight, gram_distance, inverse_root
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.weights import load_network, load_style
from tests.styles.conftest import textured


@pytest.fixture(scope="module")
def weights() -> EncoderWeights:
    path = encoder_path()
    assert path is not None
    return load_encoder(path)


@pytest.fixture(scope="module")
def encoder(weights: EncoderWeights) -> StyleEncoder:
    return encoder_from_weights(weights).requires_grad_(False)


def pictures(seed: int, side: int = 64) -> torch.Tensor:
    seen = [textured(side, side, seed=4 * seed + i) for i in range(4)]
    return torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2) / 255


@pytest.fixture(scope="module")
def net() -> TransformNet:
    return network_from_weights(load_network(network_path("fast"))).requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> LossNetwork:
    return load_loss_network(find_loss_network(None))


def styles() -> torch.Tensor:
    names = ("wave", "udnie", "scream", "la_muse")
    return torch.from_numpy(np.stack([load_style(find_style(name, "fast").path).vector for name in names]))


@torch.no_grad()
def paintings(net: TransformNet, seed: int, side: int = 64) -> torch.Tensor:
    """Returns paintings in mixed styles."""
    mixed = torch.rand(4, 4, generator=torch.Generator().manual_seed(seed)).softmax(dim=1) @ styles()
    painted: torch.Tensor = net(pictures(seed, side), mixed)
    return painted.clamp(0, 1)


@pytest.fixture(scope="module")
def sight(encoder: StyleEncoder, net: TransformNet, network: LossNetwork) -> Sight:
    assert encoder.eye is not None
    seen = ((painted, painted) for painted in (paintings(net, seed) for seed in range(3, 43)))
    found, growth = fit_sight(encoder.eye, network, seen)
    torch.testing.assert_close(growth, torch.ones(512))
    return found


@torch.no_grad()
def test_a_sight_tells_what_the_loss_network_sees(net: TransformNet, network: LossNetwork, sight: Sight) -> None:
    painted = paintings(net, seed=2)
    wanted, told = strengths(network, painted), sight(painted)
    usual = torch.cat([strengths(network, paintings(net, seed)) for seed in range(3, 13)]).mean(dim=0)
    assert told.shape == (4, 512)
    assert told.min() >= 0
    assert (told - wanted).square().sum() < 0.5 * (usual - wanted).square().sum()


def test_a_sight_tells_strengths_of_large_paintings(
    encoder: StyleEncoder, net: TransformNet, network: LossNetwork, sight: Sight
) -> None:
    assert encoder.eye is not None
    pairs = [(paintings(net, seed), paintings(net, seed, side=128)) for seed in range(3, 7)]
    of_large, growth = fit_sight(encoder.eye, network, pairs)
    # the loss network pads with zeros, and answers its border
    small, large = (sum(strengths(network, pair[i]).square().sum() for pair in pairs) for i in (0, 1))
    assert large < small
    assert growth.square().mean() < 1
    assert of_large(pairs[0][0]).norm() < sight(pairs[0][0]).norm()


def test_a_trained_head_paints_nearer_to_its_pictures(
    weights: EncoderWeights, encoder: StyleEncoder, net: TransformNet, sight: Sight
) -> None:
    torch.manual_seed(0)
    head = weights.heads["fast"]
    bias = head.bias + np.random.default_rng(0).standard_normal(len(head.bias)).astype(np.float32)
    spoilt = dataclasses.replace(head, bias=bias)
    photos = pictures(2)
    # pictures that the net can paint like
    with torch.no_grad():
        styled = net(pictures(1), styles()).clamp(0, 1)
        codes, wanted, unpainted = encoder(styled), sight(styled), sight(photos)
    jacobian = 4 * torch.randn(512, len(bias))
    training = HeadTraining(spoilt, net, sight, codes, jacobian=jacobian, steps=200)
    np.testing.assert_array_equal(training.trained().weight, spoilt.weight)
    losses = [training.step(codes, wanted, photos, unpainted) for _ in range(100)]
    assert np.mean(losses[-5:]) < 0.85 * losses[0]

    trained = training.trained()
    assert trained.network_sha256 == head.network_sha256
    with torch.no_grad():
        painted = net(photos, head_from_weights(trained)(codes)).clamp(0, 1)
        left = gram_distance(sight(painted), wanted) / gram_distance(unpainted, wanted)
    # the result goes half of the way
    assert left.median() < 0.95 * losses[0]


def test_the_distance_is_that_of_gram_matrices_of_rank_one() -> None:
    seen, wanted = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    apart = seen[:, :, None] * seen[:, None] - wanted[:, :, None] * wanted[:, None]
    torch.testing.assert_close(gram_distance(seen, wanted), apart.square().sum(dim=(1, 2)))


def test_the_inverse_root_makes_second_moments_one() -> None:
    seen = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, 7))
    whitened = seen @ inverse_root(torch.cov(seen.T))
    torch.testing.assert_close(torch.cov(whitened.T), torch.eye(6), atol=1e-4, rtol=0)
