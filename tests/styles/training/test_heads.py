"""Heads of the encoder are trained by what its eye sees in paintings."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from styles.encoder import StyleEncoder, encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderWeights, load_encoder
from styles.network import network_from_weights
from styles.registry import encoder_path, find_style, network_path
from styles.training.heads import HeadTraining, eye_gram, inverse_root
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


def test_the_gram_matrix_is_that_of_the_last_layer_without_its_border(encoder: StyleEncoder) -> None:
    assert encoder.eye is not None
    gram = eye_gram(encoder.eye, pictures(1, side=80))
    *_, (name, maps) = encoder.eye.layers(pictures(1, side=80))
    assert name == "41"
    assert maps.shape[2:] == (10, 10)
    pair = (maps[:, 3] * maps[:, 200])[:, 1:9, 1:9].mean(dim=(1, 2))
    torch.testing.assert_close(gram[:, 3, 200], pair)
    torch.testing.assert_close(gram[:, 200, 3], pair)


def test_a_trained_head_paints_nearer_to_its_pictures(weights: EncoderWeights, encoder: StyleEncoder) -> None:
    torch.manual_seed(0)
    assert encoder.eye is not None
    head = weights.heads["fast"]
    bias = head.bias + np.random.default_rng(0).standard_normal(len(head.bias)).astype(np.float32)
    spoilt = dataclasses.replace(head, bias=bias)
    net = network_from_weights(load_network(network_path("fast"))).requires_grad_(False)
    photos = pictures(2)
    # pictures that the net can paint like
    styles = [load_style(find_style(name, "fast").path).vector for name in ("wave", "udnie", "scream", "la_muse")]
    with torch.no_grad():
        styled = net(pictures(1), torch.from_numpy(np.stack(styles))).clamp(0, 1)
    codes, wanted = encoder(styled), eye_gram(encoder.eye, styled)
    jacobian = 4 * torch.randn(512, len(bias))
    training = HeadTraining(spoilt, net, encoder.eye, codes, jacobian=jacobian, steps=200)
    np.testing.assert_array_equal(training.trained().weight, spoilt.weight)
    unpainted = eye_gram(encoder.eye, photos)
    losses = [training.step(codes, wanted, photos, unpainted) for _ in range(100)]
    assert np.mean(losses[-5:]) < 0.85 * losses[0]

    trained = training.trained()
    assert trained.network_sha256 == head.network_sha256
    with torch.no_grad():
        painted = net(photos, head_from_weights(trained)(codes)).clamp(0, 1)
    left = (eye_gram(encoder.eye, painted) - wanted).square().sum(dim=(1, 2))
    left /= (unpainted - wanted).square().sum(dim=(1, 2))
    # the result goes half of the way
    assert left.median() < 0.95 * losses[0]


def test_the_inverse_root_makes_second_moments_one() -> None:
    seen = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, 7))
    whitened = seen @ inverse_root(torch.cov(seen.T))
    torch.testing.assert_close(torch.cov(whitened.T), torch.eye(6), atol=1e-4, rtol=0)
