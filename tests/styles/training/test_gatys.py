"""Gatys' slow method: it goes down the loss that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from styles.evaluation.painter import network_painter
from styles.registry import find_style, network_path
from styles.training.gatys import PictureLoss, noise_picture, paint_slowly
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_weights import LossWeights
from styles.training.pictures import centre_square, read_picture
from styles.training.style_grams import style_grams
from styles.weights import load_network, load_style
from tests.styles.conftest import textured


@pytest.fixture
def loss(loss_network: LossNetwork) -> PictureLoss:
    weights = LossWeights(content=2.0, style=3.0, tv=5.0)
    grams = style_grams(textured(40, 40, seed=1, grain=1.0), loss_network, 40)
    return PictureLoss(textured(40, 48, seed=0), grams, loss_network, weights)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_total_loss_falls(loss: PictureLoss, optimizer: Literal["lbfgs", "adam"]) -> None:
    steps: list[int] = []
    start = textured(40, 48, seed=0)
    painting = paint_slowly(loss, start, 25, optimizer, lambda step, *_: steps.append(step))
    assert painting.losses_after["total"] < 0.7 * painting.losses_before["total"]
    assert painting.losses_after == loss.of_picture(painting.picture)
    assert painting.picture.shape == start.shape
    assert steps == [10, 20, 30]


def test_the_total_is_the_weighted_sum(loss: PictureLoss) -> None:
    losses = loss.of_picture(textured(40, 48, seed=2))
    assert losses["total"] == pytest.approx(2 * losses["content"] + 3 * losses["style"] + 5 * losses["tv"], rel=1e-5)
    assert loss.of_picture(textured(40, 48, seed=0))["content"] == pytest.approx(0, abs=1e-6)


def test_the_loss_of_structure_counts_where_it_is_asked_for(loss_network: LossNetwork) -> None:
    photo, other = textured(40, 48, seed=0), textured(40, 48, seed=2)
    grams = style_grams(other, loss_network, 40)
    loss = PictureLoss(photo, grams, loss_network, LossWeights(content=0, style=0, tv=0, structure=3))
    painting = paint_slowly(loss, other, 40)
    assert painting.losses_before["total"] == pytest.approx(3 * painting.losses_before["structure"])
    assert painting.losses_after["structure"] < 0.5 * painting.losses_before["structure"]


def test_noise_to_start_from_follows_from_the_seed() -> None:
    one, same, other = (noise_picture(8, 9, seed) for seed in (1, 1, 2))
    assert one.shape == (8, 9, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.long
@pytest.mark.needs_shared
@pytest.mark.parametrize("name", ["wave", "wreck"])
def test_the_slow_method_beats_the_net_on_its_own_loss(name: str, shared: Path) -> None:
    network = load_loss_network(shared / "loss_network" / "vgg19_16x.safetensors")
    weights = load_network(network_path("fast"))
    photo = centre_square(read_picture(shared / "content" / "chicago.jpg"), 256)
    grams = style_grams(read_picture(shared / "style_images" / f"{name}.jpg"), network, 256)
    loss = PictureLoss(photo, grams, network, LossWeights())
    painted = network_painter(weights, load_style(find_style(name, "fast").path).vector, torch.device("cpu"))(photo)
    slow = paint_slowly(loss, photo, 60)
    assert slow.losses_after["total"] < loss.of_picture(painted)["total"] < slow.losses_before["total"]
