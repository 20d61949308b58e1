"""The layers of nets that other people have trained, as data: files are read into them, and graphs made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
# Pixels before and after, on both axes.
Margins = tuple[int, int]


class ForeignNetError(ValueError):
    """A file holds no net that is known here, or one whose meaning is not certain."""


@dataclass(frozen=True, eq=False)
class Conv:
    """A convolution: weight is out x in x height x width; padding is with zeros."""

    weight: Array
    bias: Array
    stride: int = 1
    padding: Margins = (0, 0)


@dataclass(frozen=True, eq=False)
class TransposedConv:
    """A transposed convolution: weight is in x out x height x width; padding is what is cut off."""

    weight: Array
    bias: Array
    stride: int
    padding: Margins
    extra: int = 0


@dataclass(frozen=True)
class Pad:
    """Edges that are mirrored without their outermost pixel (reflect), or repeated (edge)."""

    mode: Literal["reflect", "edge"]
    width: int


@dataclass(frozen=True, eq=False)
class InstanceNorm:
    """Mean 0 and variance 1 of each map, then scale and shift."""

    scale: Array
    shift: Array
    eps: float


@dataclass(frozen=True, eq=False)
class Affine:
    """Scale and shift of each map: a batch norm that has learned its statistics."""

    scale: Array
    shift: Array


@dataclass(frozen=True)
class Relu:
    """Nothing below zero."""


@dataclass(frozen=True)
class Enlarge:
    """Each pixel becomes factor x factor of its kind."""

    factor: int


@dataclass(frozen=True)
class Tanh:
    """factor * tanh(x) + offset."""

    factor: float
    offset: float = 0.0


@dataclass(frozen=True)
class Residual:
    """What layers make of x, plus x without so many pixels of each edge."""

    layers: Sequence[Layer]
    shaved: int = 0


Layer = Conv | TransposedConv | Pad | InstanceNorm | Affine | Relu | Enlarge | Tanh | Residual


@dataclass(frozen=True)
class Levels:
    """What a net takes and gives in place of levels in 0..255: (level - mean) / deviation.

    Args:
        bgr: whether blue comes first.
        means: for each channel in the net's order.
        deviations: for each channel in the net's order.
    """

    bgr: bool = False
    means: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviations: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class ForeignNet:
    """A net that somebody else has trained.

    Args:
        family: whose program it was trained with.
        layers: from pixels to pixels, 3 x H x W.
        levels: what its pixels mean.
    """

    family: str
    layers: Sequence[Layer]
    levels: Levels = Levels()

    @property
    def size_multiple(self) -> int:
        """Widths and heights that the net takes are multiples of this."""
        multiple = 1
        for layer in self.layers:
            if isinstance(layer, Conv):
                multiple *= layer.stride
        return multiple


def check_net(net: ForeignNet) -> None:
    """Checks that a net makes pictures of pictures, as large as they are.

    Raises:
        ForeignNetError: it does not, or its values are not numbers.
    """
    side = 64 * net.size_multiple
    channels, painted = _painted(net.layers, 3, side)
    if channels != 3 or painted != side:
        raise ForeignNetError(f"it makes {channels} x {painted} x {painted} of pictures of 3 x {side} x {side}")


def _painted(layers: Sequence[Layer], channels: int, side: int) -> tuple[int, int]:
    """Returns how many channels layers make, and their side. Raises ForeignNetError if they do not fit together."""
    for layer in layers:
        _check_values(layer)
        takes = _takes(layer)
        if takes is not None and takes != channels:
            raise ForeignNetError(f"a layer for {takes} channels follows one that makes {channels}")
        channels, side = _after(layer, channels, side)
        if side < 1:
            raise ForeignNetError("its layers leave nothing of a picture")
    return channels, side


def _takes(layer: Layer) -> int | None:
    match layer:
        case Conv(weight=weight):
            return int(weight.shape[1])
        case TransposedConv(weight=weight):
            return int(weight.shape[0])
        case InstanceNorm(scale=scale) | Affine(scale=scale):
            return len(scale)
        case _:
            return None


def _after(layer: Layer, channels: int, side: int) -> tuple[int, int]:
    match layer:
        case Conv(weight, bias, stride, padding):
            return len(bias), (side + sum(padding) - weight.shape[2]) // stride + 1
        case TransposedConv(weight, bias, stride, padding, extra):
            return len(bias), (side - 1) * stride + weight.shape[2] - sum(padding) + extra
        case Pad(width=width):
            if width >= side:
                raise ForeignNetError(f"it mirrors {width} pixels at each edge of {side}")
            return channels, side + 2 * width
        case Enlarge(factor):
            return channels, side * factor
        case Residual(inner, shaved):
            kept = side - 2 * shaved
            if _painted(inner, channels, side) != (channels, kept):
                raise ForeignNetError("a residual block makes maps of another size than it takes")
            return channels, kept
        case _:
            return channels, side


def _check_values(layer: Layer) -> None:
    arrays = [value for value in vars(layer).values() if isinstance(value, np.ndarray)]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ForeignNetError("its weights have values that are not numbers (NaN or infinite)")
    if isinstance(layer, Conv | TransposedConv) and layer.weight.shape[2] != layer.weight.shape[3]:
        raise ForeignNetError("a convolution has a kernel that is not square")
