"""What is measured against each other on a GPU: our backends, and what else one could run the nets with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from build_engines.gpus import first_gpu
from build_engines.onnx.options import GraphOptions, Statistics
from build_engines.tensorrt.cache import EngineCache, StoredEngine
from build_engines.tensorrt.engines import (
    BLEND_SOURCE,
    BuildSource,
    build_engine,
    find_engine,
    find_target,
    plan_blend,
    plan_engine,
)
from build_engines.tensorrt.variants import Variant, load_variant
from realtime.backends.pycuda_device import PycudaDevice
from realtime.backends.pytorch import TorchBlend, TorchDevice, TorchNet
from realtime.backends.slots import SlotPainter
from realtime.backends.tensorrt_nets import TensorRTBlend, TensorRTNet

# Puts one frame on the GPU's queue, and waits for it.
Run = tuple[Callable[[], None], Callable[[], None]]


def built_engine(
    weights: Path, size: tuple[int, int], folder: Path, statistics: Statistics = "fp32"
) -> tuple[StoredEngine, Variant]:
    """Returns the engine of a net for the GPU here, built now if need be."""
    variant = load_variant(gpu=first_gpu())
    source, cache = BuildSource(weights.stem, weights), EngineCache(folder)
    options = GraphOptions("fp16", statistics)
    spec = plan_engine(source, size, variant, find_target(variant), options=options)
    stored, _ = find_engine(spec, cache)
    return stored or build_engine(spec, source, variant, cache), variant


def built_blend(size: tuple[int, int], folder: Path) -> StoredEngine:
    """Returns the engine that blends paintings of a size on the GPU here, built now if need be."""
    variant = load_variant(gpu=first_gpu())
    cache, spec = EngineCache(folder), plan_blend(size, variant, find_target(variant))
    stored, _ = find_engine(spec, cache)
    return stored or build_engine(spec, BLEND_SOURCE, variant, cache)


def tensorrt_painter(stored: StoredEngine, variant: Variant, depth: int = 3) -> SlotPainter[Any, Any, Any]:
    device, size = PycudaDevice(), (stored.spec.width, stored.spec.height)
    with device.current():
        net = TensorRTNet(device, stored, variant)
        blend = TensorRTBlend(device, built_blend(size, stored.path.parent), variant)
    return SlotPainter(device, net, *size, depth, blend=blend)


def pytorch_painter(
    weights: Path, size: tuple[int, int], depth: int = 3, *, fuses: bool = True
) -> SlotPainter[Any, Any, Any]:
    device = TorchDevice()
    with device.current():
        net, blend = TorchNet(weights, fuses=fuses), TorchBlend()
    painter = SlotPainter(device, net, *size, depth, blend=blend)
    painter.settle()
    return painter


def bare_engine(stored: StoredEngine, variant: Variant) -> tuple[Run, Callable[[], None]]:
    """Returns the engine without copies to and from the GPU, and what closes it."""
    device = PycudaDevice()
    shape = (stored.spec.height, stored.spec.width, 3)
    with device.current():
        net = TensorRTNet(device, stored, variant)
        style = device.buffer((net.style_size,), np.float32) if net.style_size else None
        launch = net.prepare(device.buffer(shape, np.uint8), style, device.buffer(shape, np.uint8))

    def close() -> None:
        with device.current():
            net.close()
        device.close()

    return (_inside(device.current, launch), _inside(device.current, net.queue.synchronize)), close


def _inside(current: Callable[[], AbstractContextManager[object]], call: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with current():
            call()

    return run


def bare_pytorch(weights: Path, size: tuple[int, int], failed: dict[str, str]) -> dict[str, Run]:
    """Returns the net in FP16 in PyTorch: eager, as a CUDA graph, fused by Triton as well, and by torch.compile.

    Nothing is copied to and fro. What cannot be compiled (that needs a C compiler) is left out, and `failed` gets the
    reason.
    """
    import torch

    from build_engines.onnx.pixel_net import pixel_net_from_weights

    width, height = size
    net = pixel_net_from_weights(weights).cuda()
    net.halve()
    net.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frame = torch.zeros(1, height, width, 3, dtype=torch.uint8, device="cuda")
    style = None if net.style is not None else net.net.plain_style().cuda()
    compiled = torch.compile(net, mode="max-autotune-no-cudagraphs")
    plain, fused = TorchNet(weights, fuses=False), TorchNet(weights)
    launch_plain, launch_fused = (each.prepare(frame[0], style, torch.empty_like(frame[0])) for each in (plain, fused))
    fused.settle()

    def calling(model: Callable[..., torch.Tensor]) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode():
                model(frame, style)

        return run

    wait = torch.cuda.synchronize
    runs: dict[str, Run] = {"pytorch eager f16": (calling(net), wait), "pytorch CUDA graph f16": (launch_plain, wait)}
    if "not fused" in fused.description:
        failed["pytorch fused f16"] = fused.description
    else:
        runs["pytorch fused f16"] = (launch_fused, wait)
    try:
        calling(compiled)()
        wait()
    except Exception as exc:  # whatever a compiler raises
        failed["pytorch compiled f16"] = str(exc).splitlines()[0]
    else:
        runs["pytorch compiled f16"] = (calling(compiled), wait)
    return runs
