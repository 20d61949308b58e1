"""A training on drawn pictures with a loss network of random weights: as much work as a real one."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from styles.network import network_from_weights
from styles.training.loss_network import load_loss_network
from styles.training.pictures import PhotoSet
from styles.training.trainer import Trainer, TrainingPlan, style_target
from styles.weights import load_network
from tests.styles.conftest import textured, write_loss_network

# The widths of the five blocks of a VGG-19 a quarter as wide.
_WIDTHS = {1: 16, 2: 32, 3: 64, 4: 128, 5: 128}
_PHOTOS, _STYLES = 8, 2


def drawn_training(weights: Path, folder: Path, device: str, steps: int, crop: int = 256) -> Trainer:
    """Returns a training that continues a trained net for N steps; `folder` is for the loss network's file."""
    write_loss_network(folder / "loss.safetensors", _WIDTHS)
    loss_network = load_loss_network(folder / "loss.safetensors").to(device)
    side = crop * 5 // 4
    photos = [textured(side, side, seed) for seed in range(_PHOTOS)]
    pictures = [textured(crop, crop, 100 + seed, grain=1.0 + seed) for seed in range(_STYLES)]
    net = network_from_weights(load_network(weights))
    plan = TrainingPlan(steps=steps, crop=crop)
    return Trainer(
        net=net,
        vectors=net.plain_style().repeat(_STYLES, 1),
        targets=[style_target(str(n), picture, loss_network, plan) for n, picture in enumerate(pictures)],
        photos=PhotoSet(tuple(torch.from_numpy(photo).permute(2, 0, 1) for photo in photos), side),
        loss_network=loss_network,
        plan=plan,
    )


def step_ms(trainer: Trainer, warm_up: int) -> float:
    """Runs the training to its end and returns the milliseconds of a step, after the first ones."""
    begun_at_s = 0.0

    def report(progress: object) -> None:
        nonlocal begun_at_s
        del progress
        if trainer.step == warm_up:
            begun_at_s = time.perf_counter()

    trainer.run(report)
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun_at_s) * 1000 / (trainer.step - warm_up)
