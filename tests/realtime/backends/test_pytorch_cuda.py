"""The PyTorch backend: half precision is near enough, and without CUDA it paints on the CPU. On CUDA: tests/gpu."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from build_engines.onnx.pixel_net import pixel_net_from_weights
from build_engines.quality import FLOOR_DB, psnr_db, sample_frames
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends import BackendUnavailableError, Net, pytorch
from styles.architecture import CONFIGS
from styles.network import TransformNet
from styles.registry import list_networks
from styles.weights import save_network

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here: tests/gpu measures it")


@pytest.fixture(params=["fast", "full"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = TransformNet(CONFIGS[request.param])
    path = tmp_path / f"{request.param}.safetensors"
    save_network(path, net.config, {name: value.numpy() for name, value in net.state_dict().items()}, {})
    return path


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=name, marks=pytest.mark.long if name == "full" else ())
        for name, path in list_networks().items()
    ],
)
def test_the_shipped_nets_in_half_precision_paint_every_frame_like_the_exact_ones(path: Path) -> None:
    torch.set_num_threads(1)
    exact, half = pixel_net_from_weights(path), pixel_net_from_weights(path).halve()
    for name, vector in styles_of(BuildSource(path.stem, path)).items():
        style = None if vector is None else torch.from_numpy(vector)
        for number, frame in enumerate(sample_frames(96, 64)):
            with torch.inference_mode():
                one, other = (net(torch.from_numpy(frame)[None], style)[0].numpy() for net in (exact, half))
            assert psnr_db(one, other) >= FLOOR_DB, f"{name}, frame {number}"


def test_the_net_that_cuda_runs_in_half_precision_is_near_the_exact_one(weights: Path) -> None:
    exact, half = pixel_net_from_weights(weights), pixel_net_from_weights(weights).halve()
    style = exact.net.plain_style()
    for frame in sample_frames(64, 48):
        with torch.inference_mode():
            one, other = (net(torch.from_numpy(frame)[None], style)[0].numpy() for net in (exact, half))
        assert psnr_db(one, other) >= FLOOR_DB


def test_without_cuda_it_paints_on_the_cpu_in_fp32(weights: Path) -> None:
    painter = pytorch.open_painter(Net(weights.stem, weights.with_suffix(".onnx"), weights, 0, 8), 64, 48)
    assert painter.description == "pytorch cpu f32"
    frames = sample_frames(64, 48)
    style = pixel_net_from_weights(weights).net.plain_style().numpy()
    for frame in frames[: painter.depth]:
        painter.start(frame, style)
    painted = [painter.finish() for _ in frames[: painter.depth]]
    painter.close()
    assert all(picture.shape == (48, 64, 3) and picture.dtype == np.uint8 for picture in painted)
    assert not np.array_equal(painted[0], painted[1])


def test_a_net_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="needs the weights of a net"):
        pytorch.open_painter(Net("foreign", tmp_path / "foreign.onnx", None, 0, 8), 64, 48)
