"""The net in half precision with everything between its convolutions fused, for CUDA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from build_engines.onnx.options import MIDDLE_LEVEL

if TYPE_CHECKING:
    import torch

    from build_engines.onnx.pixel_net import PixelNet
    from styles.network import ConvLayer


@dataclass(frozen=True)
class _Conv:
    """A convolution, with the padding that its input needs."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: int
    upsamples: bool
    pad: int
    repeats: bool


@dataclass(frozen=True)
class _Normed:
    """A convolution and where its scales and shifts are in the style vector. adds: the number of the result that is
    added to its own, -1 for none. relu: before that.
    """

    conv: _Conv
    offset: int
    width: int
    relu: bool
    adds: int = -1


@dataclass(frozen=True)
class _Bordered:
    """A result with the border that the next convolution needs, 1 x C x (H + 2 pad) x (W + 2 pad), channels last."""

    tensor: torch.Tensor
    pad: int


class FusingStoppedError(RuntimeError):
    """Nobody needs the fused net any more."""


class FusedNet:
    """Paints what a `PixelNet` in half precision paints, in a fraction of the memory traffic.

    Its kernels are compiled when they are first needed, which takes seconds; Triton keeps them for the next run.

    Args:
        net: a halved net, channels last, on the device that paints. It is not changed.
        stopped: returns whether painting is to end within a frame, since kernels are compiled there.

    Raises:
        ImportError: Triton is not there.
    """

    def __init__(self, net: PixelNet, stopped: Callable[[], bool] = lambda: False) -> None:
        import torch

        from realtime.backends import triton_kernels
        from styles.network import INSTANCE_NORM_EPS

        self._torch, self._kernels, self._eps = torch, triton_kernels, INSTANCE_NORM_EPS
        self._stopped = stopped
        self._head = _conv_of(net.net.head)
        self._layers = list(_layers_of(net))
        self._baked: torch.Tensor | None = None if net.style is None else net.get_buffer("style")

    def paint(self, frame: torch.Tensor, style: torch.Tensor | None, painted: torch.Tensor) -> None:
        """Paints a frame.

        Args:
            frame: H x W x 3 uint8 RGB.
            style: float32[K]; None for the style inside.
            painted: H x W x 3 uint8 RGB, written.

        Raises:
            FusingStoppedError: `stopped` says so.
        """
        vector = self._baked if style is None else style
        assert vector is not None
        convs = [*(layer.conv for layer in self._layers), self._head]
        x = self._levels(frame, convs[0].pad)
        results: list[_Bordered] = []
        for layer, following in zip(self._layers, convs[1:], strict=True):
            if self._stopped():
                raise FusingStoppedError
            added = results[layer.adds] if layer.adds >= 0 else None
            x = self._normed(self._convolved(x, layer.conv), layer, vector, following, added)
            results.append(x)
        self._kernels.to_bytes(self._convolved(x, self._head), painted)

    def _levels(self, frame: torch.Tensor, pad: int) -> _Bordered:
        height, width, _ = frame.shape
        levels = self._empty(frame, 3, height + 2 * pad, width + 2 * pad, self._torch.float32)
        self._kernels.from_bytes(frame, levels, pad, MIDDLE_LEVEL)
        return _Bordered(levels, pad)

    def _convolved(self, x: _Bordered, conv: _Conv) -> torch.Tensor:
        y = self._torch.nn.functional.conv2d(x.tensor, conv.weight, conv.bias, conv.stride)
        return y.contiguous(memory_format=self._torch.channels_last)

    def _normed(
        self, y: torch.Tensor, layer: _Normed, style: torch.Tensor, following: _Conv, added: _Bordered | None
    ) -> _Bordered:
        torch, kernels, pad = self._torch, self._kernels, following.pad
        sums = torch.empty((kernels.SUMMING_PROGRAMS, 2, y.shape[1]), dtype=torch.float32, device=y.device)
        factors = torch.empty((2, layer.width), dtype=torch.float32, device=y.device)
        kernels.channel_sums(y, sums)
        kernels.norm_factors(y, sums, style[layer.offset : layer.offset + 2 * layer.width], factors, self._eps)
        height, width = (side * (2 if layer.conv.upsamples else 1) for side in y.shape[2:])
        out = self._empty(y, layer.width, height + 2 * pad, width + 2 * pad, self._head.weight.dtype)
        kernels.apply_norm(
            y,
            factors,
            out,
            pad=pad,
            repeats=following.repeats,
            relu=layer.relu,
            added=None if added is None else added.tensor,
            added_pad=0 if added is None else added.pad,
        )
        return _Bordered(out, pad)

    def _empty(self, like: torch.Tensor, channels: int, height: int, width: int, dtype: torch.dtype) -> torch.Tensor:
        rows = self._torch.empty((1, height, width, channels), dtype=dtype, device=like.device)
        return rows.permute(0, 3, 1, 2)


def _layers_of(net: PixelNet) -> Iterator[_Normed]:
    """Yields the normed convolutions of a net in the order in which they run; each result goes into the next one."""
    from torch import nn

    from styles.network import NormedConv

    config = net.net.config
    skips: dict[int, int] = {}
    number, resolution = -1, 1
    for stages, modules, down in ((config.down, net.net.down, True), (config.up, net.net.up, False)):
        for stage, layers in zip(stages, modules, strict=True):
            assert isinstance(layers, nn.ModuleList)
            resolution = resolution * stage.scale if down else resolution // stage.scale
            for place, layer in enumerate(layers):
                assert isinstance(layer, NormedConv)
                number += 1
                adds = -1
                if place == 0 and not down and stage.skip:
                    adds = skips[resolution]
                elif place and place % 2 == 0:  # the second of a residual block
                    adds = number - 2
                yield _Normed(_conv_of(layer.conv), layer.offset, layer.width, adds < 0 or place == 0, adds)
            if down:
                skips[resolution] = number


def _conv_of(layer: ConvLayer) -> _Conv:
    import torch

    weight, bias = layer.weight.detach(), None if layer.bias is None else layer.bias.detach()
    pad, repeats = weight.shape[-1] // 2, layer.upsample and layer.bias is None
    if layer.upsample:
        weight, bias = _phases_first(weight), None if bias is None else _phases_first(bias)
    weight = weight.contiguous(memory_format=torch.channels_last)
    return _Conv(weight, bias, layer.stride, layer.upsample, pad, repeats)


def _phases_first(values: torch.Tensor) -> torch.Tensor:
    """Returns the kernels for upsampling with the four pixels of a place outside and the channels inside."""
    return values.reshape(-1, 4, *values.shape[1:]).transpose(0, 1).flatten(0, 1)
