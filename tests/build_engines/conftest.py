"""Nets with random weights, as files: the shipped ones are tested where they are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from build_engines.onnx.layout import style_size
from build_engines.tensorrt.variants import NoTensorRTError, Variant, load_variant
from styles.architecture import CONFIGS
from styles.weights import save_network

SaveNet = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """On busy cores PyTorch's threads wait for each other: a small frame then takes a hundred times as long."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def save_net(tmp_path: Path) -> SaveNet:
    """Returns `save_net("fast", seed=0, baked=False)`, which writes a net with random weights and returns its path."""

    def save(name: str, seed: int = 0, baked: bool = False, folder: Path = tmp_path) -> Path:
        import torch

        from styles.network import TransformNet

        torch.manual_seed(seed)
        arrays = {key: value.numpy() for key, value in TransformNet(CONFIGS[name]).state_dict().items()}
        path = folder / f"{name}.safetensors"
        save_network(path, CONFIGS[name], arrays, {}, vector=some_style(name, seed) if baked else None)
        return path

    return save


def some_style(name: str, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Returns a style vector unlike the plain one: scales around 1 and shifts around 0, float32[K]."""
    rng = np.random.default_rng(seed)
    size = style_size(CONFIGS[name])
    return (1 + 0.5 * rng.standard_normal(size)).astype(np.float16).astype(np.float32)


@pytest.fixture(scope="session")
def rtx() -> Variant:
    """Returns TensorRT for RTX, whose builder needs no GPU."""
    try:
        return load_variant("rtx")
    except NoTensorRTError as exc:
        if "rtx" in os.environ.get("NST_REQUIRE", ""):
            pytest.fail(str(exc))
        pytest.skip(f"{exc} (or: pip install tensorrt-rtx)")
