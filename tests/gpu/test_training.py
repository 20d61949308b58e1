"""Training on a real GPU: in bfloat16 it learns what float32 on the CPU learns."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from styles.registry import network_path
from tests.gpu.training import drawn_training, step_ms


def test_a_drawn_training_learns(tmp_path: Path) -> None:
    trainer = drawn_training(network_path("fast"), tmp_path, "cpu", steps=4, crop=64)
    before = trainer.vectors.detach().clone()
    assert step_ms(trainer, warm_up=1) > 0
    assert (trainer.vectors.detach() != before).any(dim=1).all()


@pytest.mark.needs_gpu
def test_the_gpu_learns_what_the_cpu_learns(tmp_path: Path) -> None:
    losses = []
    for device in ("cpu", "cuda"):
        trainer = drawn_training(network_path("fast"), tmp_path, device, steps=20, crop=128)
        trainer.run(lambda _: None)
        assert trainer.net.head.weight.device.type == device
        losses.append(trainer.losses)
        assert all(torch.isfinite(parameter).all() for parameter in trainer.net.parameters())
    cpu, gpu = losses
    assert gpu["content"] == pytest.approx(cpu["content"], rel=0.1)
    assert gpu["style"] == pytest.approx(cpu["style"], rel=0.1)
    assert gpu["tv"] == pytest.approx(cpu["tv"], rel=0.1)
