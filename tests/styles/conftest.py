"""Small real things to train with: photographs, style pictures and a loss network with random weights."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.torch import save_file

from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.pictures import write_picture

# Channels of each block of the small loss network.
_NARROW = {1: 4, 2: 6, 3: 8, 4: 8, 5: 8}
_CONVS = ("11", "12", "21", "22", "31", "32", "33", "34", "41", "42", "43", "44", "51")


def textured(height: int, width: int, seed: int, grain: float = 3.0) -> NDArray[np.uint8]:
    """Returns a coloured picture of soft blots about `grain` pixels wide, H x W x 3 uint8."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.asarray(np.clip(128 + 50 * soft / np.std(soft), 0, 255), dtype=np.uint8)


def write_video(path: Path, frames: Sequence[NDArray[np.uint8]]) -> None:
    """Writes H x W x 3 uint8 frames, ten a second."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def save_onnx(path: Path, styled: bool = False, name: str = "frame", kind: int = TensorProto.UINT8) -> Path:
    """Writes a graph that returns its frame, or with `styled` the frame times style[0]."""
    shape: list[str | int | None] = [1, "h", "w", 3]
    inputs = [helper.make_tensor_value_info(name, kind, shape)]
    nodes = [helper.make_node("Identity", [name], ["painted"])]
    if styled:
        inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, [1]))
        nodes = [
            helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["pixels", "style"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["painted"], to=kind),
        ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("painted", kind, shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entry = model.metadata_props.add()
    entry.key, entry.value = "size_multiple", "8"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Pictures this small are slower on several threads, and much slower on busy cores."""
    before, os.environ["OMP_NUM_THREADS"] = torch.get_num_threads(), "1"
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    del os.environ["OMP_NUM_THREADS"]


def write_loss_network(path: Path, widths: Mapping[int, int]) -> None:
    """Writes a distilled loss network with random weights, with so many channels in each of its five blocks.

    It stands for one that is twice as wide.
    """
    generator = torch.Generator().manual_seed(5)

    def conv(outputs: int, inputs: int, side: int) -> torch.Tensor:
        return torch.randn(outputs, inputs, side, side, generator=generator) * math.sqrt(2 / (inputs * side * side))

    tensors = {"conv0.weight": 4 * torch.eye(3)[:, :, None, None], "conv0.bias": torch.full((3,), -2.0)}
    inputs = 3
    for name in _CONVS:
        width = widths[int(name[0])]
        tensors[f"conv{name}.weight"] = conv(width, inputs, 3)
        tensors[f"conv{name}.bias"] = 0.1 * torch.randn(width, generator=generator)
        inputs = width
    for block, width in widths.items():
        tensors[f"conv{block}1_aux.weight"] = conv(2 * width, width, 1)
        tensors[f"conv{block}1_aux.bias"] = 0.1 * torch.randn(2 * width, generator=generator)
    save_file(tensors, path)


@pytest.fixture(scope="session")
def loss_network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A distilled loss network with random weights, a few channels wide."""
    path = tmp_path_factory.mktemp("loss") / "small.safetensors"
    write_loss_network(path, _NARROW)
    return path


@pytest.fixture(scope="session")
def loss_network(loss_network_file: Path) -> LossNetwork:
    return load_loss_network(loss_network_file)


@pytest.fixture(scope="session")
def photos_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs of 60 x 50 pixels and up, a broken one, and one that is too small for a crop of 32."""
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(4):
        write_picture(folder / f"{seed}.png", textured(50 + 10 * seed, 60, seed))
    (folder / "broken.jpg").write_bytes(b"no picture")
    write_picture(folder / "tiny.png", textured(20, 20, 9))
    return folder


@pytest.fixture(scope="session")
def pictures_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Style pictures: `wave` of fine blots, `wreck` and `mine` of coarser ones."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed, (name, grain) in enumerate((("wave", 1.0), ("wreck", 2.0), ("mine", 4.0))):
        write_picture(folder / f"{name}.png", textured(48, 64, 100 + seed, grain))
    return folder
