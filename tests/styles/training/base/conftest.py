"""Squares and small models for base trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from styles.architecture import NetworkConfig, Stage
from styles.encoder import StyleEncoder
from styles.encoder_weights import EncoderConfig
from styles.network import TransformNet
from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE
from styles.training.base.losses import style_statistics
from styles.training.base.model import BaseModel, BaseNet
from styles.training.base.ranks import ALONE, Ranks
from styles.training.base.squares import Squares
from styles.training.base.trainer import BasePlan, BaseTrainer
from styles.training.loss_network import LossNetwork
from styles.training.loss_weights import LossWeights
from styles.training.pictures import read_picture
from styles.training.style_grams import style_grams
from tests.styles.conftest import textured

ENCODER = EncoderConfig(widths=(4, 6), first_kernel=3, hidden=8, code=5)
PLAN = BasePlan(batch=4, own_share=0.5, crop=32, weights=LossWeights(structure=5e6))
STYLES = ("wave", "wreck")

MakeTrainer = Callable[..., BaseTrainer]


def small_net(width: int) -> TransformNet:
    config = NetworkConfig("small", down=(Stage(width, 3, 2),), up=(Stage(width, 3, 1),), head_kernel=3, head_scale=2)
    return TransformNet(config)


def squares(count: int, side: float, seed: int, grain: float = 3.0) -> Squares:
    pictures = [torch.from_numpy(textured(int(side), int(side), seed + i, grain)) for i in range(count)]
    return Squares(torch.stack(pictures).permute(0, 3, 1, 2).contiguous(), f"{count} of {seed}")


def new_trainer(pictures: Path, loss_network: LossNetwork, ranks: Ranks = ALONE, **changes: object) -> BaseTrainer:
    """Returns a new trainer of two small nets with two styles of their own.

    Args:
        pictures: the folder of the style pictures.
        loss_network: judges the paintings.
        ranks: the processes that train together.
        changes: of the plan.
    """
    grams = {name: style_grams(read_picture(pictures / f"{name}.png"), loss_network, 48) for name in STYLES}
    plan = replace(PLAN, **changes)  # type: ignore[arg-type]
    torch.manual_seed(3)
    nets = {}
    for name, width in (("small", 4), ("large", 6)):
        net = small_net(width)
        nets[name] = BaseNet(net, net.plain_style().repeat(len(STYLES), 1), ENCODER.code)
    statistics = style_statistics(grams["wave"]).shape[1]
    return BaseTrainer(
        model=BaseModel(nets, StyleEncoder(ENCODER), statistics),
        styles=grams,
        style_chromas=[10.0, 30.0],
        photos=squares(5, PHOTO_SIDE * plan.crop, seed=0),
        paintings=squares(6, PAINTING_SIDE * plan.crop, seed=50, grain=1.0),
        loss_network=loss_network,
        plan=plan,
        origin={"photos": "some"},
        ranks=ranks,
    )


@pytest.fixture
def make_trainer(pictures_folder: Path, loss_network: LossNetwork) -> MakeTrainer:
    """Returns `make_trainer(**changes of the plan)`, which is `new_trainer` with pictures and a loss network."""
    return lambda **changes: new_trainer(pictures_folder, loss_network, **changes)
