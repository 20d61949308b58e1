"""What lies between the convolutions, in Triton: its interpreter runs the kernels here, its compiler makes GPU code."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from build_engines.onnx.pixel_net import PixelNet, pixel_net_from_network, pixel_net_from_weights
from build_engines.quality import FLOOR_DB, psnr_db, sample_frames, smooth_frames
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends.fused_net import FusedNet, FusingStoppedError
from realtime.frames import Pixels
from styles.architecture import CONFIGS, NetworkConfig, Stage
from styles.network import TransformNet
from styles.registry import list_networks
from styles.weights import NetworkWeights
from tests.conftest import ROOT

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is CUDA here: tests/gpu runs the kernels themselves"),
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None and "triton" not in os.environ.get("NST_REQUIRE", ""),
        reason="triton is not installed; type: pip install triton",
    ),
]
# Widths that are no powers of two, a skip, blocks on both ways, and a head at the full resolution.
AWKWARD = NetworkConfig(
    "awkward",
    down=(Stage(5, 5, 2), Stage(12, 3, 2, blocks=2)),
    up=(Stage(5, 3, 2, blocks=1, skip=True), Stage(6, 3, 2)),
    head_kernel=9,
    head_scale=1,
)


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few programs, since the kernels are interpreted."""
    torch.set_num_threads(1)
    monkeypatch.setattr("realtime.backends.triton_kernels.SUMMING_PROGRAMS", 4)


def halved(net: PixelNet) -> PixelNet:
    net.halve().net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def painted(net: FusedNet, frame: Pixels, style: Any) -> Pixels:
    result = torch.empty(frame.shape, dtype=torch.uint8)
    with torch.inference_mode():
        net.paint(torch.from_numpy(frame), style, result)
    return result.numpy()


def exact(net: PixelNet, frame: Pixels, style: Any) -> Pixels:
    with torch.inference_mode():
        pixels: Pixels = net(torch.from_numpy(frame)[None], style)[0].numpy()
    return pixels


@pytest.mark.parametrize("config", [AWKWARD, CONFIGS["fast"], CONFIGS["article"]], ids=lambda config: config.name)
def test_it_paints_what_the_net_paints(config: NetworkConfig) -> None:
    torch.manual_seed(0)
    arrays = {name: value.numpy() for name, value in TransformNet(config).state_dict().items()}
    weights = NetworkWeights(config, arrays, {}, "")
    net, half = pixel_net_from_network(weights), halved(pixel_net_from_network(weights))
    style = net.net.plain_style() + 0.3 * torch.randn(net.net.style_size)
    frame = sample_frames(32, 24)[1]
    assert psnr_db(painted(FusedNet(half), frame, style), exact(net, frame, style)) > 50


@pytest.mark.parametrize("path", list_networks().values(), ids=list_networks())
def test_smooth_gradients_keep_their_digits(path: Path) -> None:
    net, fused = pixel_net_from_weights(path), FusedNet(halved(pixel_net_from_weights(path)))
    style = torch.from_numpy(np.asarray(next(iter(styles_of(BuildSource(path.stem, path)).values()))))
    frame = smooth_frames(64, 48)[0]
    assert psnr_db(painted(fused, frame, style), exact(net, frame, style)) >= FLOOR_DB + 5


def test_it_ends_within_a_frame_when_it_is_stopped() -> None:
    weights = next(iter(list_networks().values()))
    fused = FusedNet(halved(pixel_net_from_weights(weights)), stopped=lambda: True)
    with pytest.raises(FusingStoppedError):
        painted(fused, sample_frames(64, 48)[0], torch.zeros(10_000))


@pytest.mark.parametrize("capability", [75, 90])
def test_the_kernels_compile_for_graphics_cards(capability: int, tmp_path: Path) -> None:
    """In a process of its own, in which they are not interpreted. No card is needed to compile."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", _COMPILE, str(capability)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["_sums", "_factors", "_apply", "_from_bytes", "_to_bytes"]


_COMPILE = """
import sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from realtime.backends import triton_kernels as kernels

NUMBERS = {"pixels": "i32", "height": "i32", "width": "i32", "added_pad": "i32", "eps": "fp32", "middle": "fp32"}
POINTERS = {"x": "*fp16", "added": "*fp16", "out": "*fp16", "frame": "*u8", "painted": "*u8"}
CONSTANTS = {
    "CHANNELS": 24, "BLOCK": 64, "PADDED": 32, "PROGRAMS": 128, "PHASES": 4, "UPSAMPLES": True, "RELU": True,
    "ADDS": True, "PAD": 1, "REPEATS": False,
}
for name in ("_sums", "_factors", "_apply", "_from_bytes", "_to_bytes"):
    kernel = getattr(kernels, name)
    constants = {each: CONSTANTS[each] for each in kernel.arg_names if each in CONSTANTS}
    signature = {each: NUMBERS.get(each) or POINTERS.get(each, "*fp32") for each in kernel.arg_names}
    signature |= dict.fromkeys(constants, "constexpr")
    if name == "_from_bytes":
        signature["out"] = "*fp32"
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    assert triton.compile(source, target=GPUTarget("cuda", int(sys.argv[1]), 32)).asm["cubin"]
    print(name)
"""
