"""The eye of the encoder learns to see what the loss network sees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from styles.encoder import Eye
from styles.encoder_weights import EYE_LAYERS, EncoderConfig
from styles.training.eye import fit_eye
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from tests.styles.conftest import textured

WIDTHS = (12, 12, 16, 16, 16, 16)


@pytest.fixture(scope="module")
def network() -> LossNetwork:
    return load_loss_network(find_loss_network(None))


def pictures(seed: int, side: int = 64) -> torch.Tensor:
    seen = [textured(side, side, seed=4 * seed + i) for i in range(4)]
    return torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2) / 255


def test_before_its_relu_a_layer_is_what_the_gram_matrix_is_of(network: LossNetwork) -> None:
    seen = network(pictures(1))
    for layer, gram in zip(("11", "21", "31", "41"), seen.grams, strict=False):
        maps = network.before_relu(pictures(1), layer).relu()
        torch.testing.assert_close(maps.square().mean(dim=(2, 3)) / maps.shape[1], gram.diagonal(dim1=1, dim2=2))


def test_a_fitted_eye_sees_what_the_loss_network_sees(network: LossNetwork) -> None:
    torch.manual_seed(0)
    eye = Eye(EncoderConfig(eye=WIDTHS, seen=5)).requires_grad_(False)
    read = eye.read.weight.clone()
    seen = itertools.cycle(pictures(seed) for seed in range(3))
    fitted = dict(fit_eye(eye, network, lambda: next(seen), 3, torch.Generator().manual_seed(1)))
    assert list(fitted) == list(EYE_LAYERS)
    assert all(0 <= left < 0.2 for left in fitted.values())
    for name, maps in eye.layers(pictures(0)):
        wanted = network.before_relu(pictures(0), name).relu()
        size = wanted.square().mean().sqrt()
        assert 0.7 < maps.square().mean().sqrt() < 1.4
        # the loss network's maps in the eye's unit, which is found by projection
        unit = (maps * wanted).mean() / maps.square().mean()
        assert (maps * unit - wanted).square().mean().sqrt() < 0.6 * size, name
    torch.testing.assert_close(eye.read.weight, read)
