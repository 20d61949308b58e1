"""Which programs' nets are known, by the names and shapes of their tensors.

- pytorch/examples' fast_neural_style, also of the years in which instance norms saved running means
- rrmina's fast-neural-style-pytorch, with residual and with ResNeXt blocks
- fast-style-transfer, the article's own program: TensorFlow's variables in a safetensors file

What is not certain is refused: a net that is painted with by mistake looks wrong, and nobody knows why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from build_engines.imports.layers import (
    Array,
    Conv,
    Enlarge,
    ForeignNet,
    ForeignNetError,
    InstanceNorm,
    Layer,
    Levels,
    Pad,
    Relu,
    Residual,
    Tanh,
    TransposedConv,
)
from styles.support.readers import quoted

Tensors = Mapping[str, Array]
# PyTorch's eps, and TensorFlow's as the article has it.
_EPS, _ARTICLE_EPS = 1e-5, 1e-3
# What instance norms saved until PyTorch 0.4, and never used.
_UNUSED = re.compile(r"in\d+\.(running_mean|running_var|num_batches_tracked)$")
# rrmina's nets end with 150 * tanh(x) or without; the names of their tensors are the same. What goes into the tanh is
# small, and what comes out without it are levels. Between these two sizes it is not certain.
_MOST_BEFORE_TANH, _LEAST_WITHOUT = 6.0, 20.0
_TANH_FACTOR = 150.0
_ARTICLE_BLOCKS = range(3, 13, 2)
_MOST_BLOCKS = 64


def foreign_net(tensors: Tensors) -> ForeignNet:
    """Returns the net that these tensors are. Raises ForeignNetError if they are none that is known."""
    for name, (mark, build) in _FAMILIES.items():
        if mark in tensors:
            source = _Source(tensors)
            layers, levels = build(source)
            source.check_all_used()
            return ForeignNet(name, layers, levels)
    named = _named(tensors) or "nothing"
    raise ForeignNetError(f"it holds {named}; expected a net of {', '.join(_FAMILIES)}")


def _named(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, sorted(names)[:3]))


class _Source:
    """Named tensors, of which each must be used."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = {name: values for name, values in tensors.items() if not _UNUSED.search(name)}
        self._order = {name: place for place, name in enumerate(self._tensors)}
        self._used: set[str] = set()

    def take(self, name: str, dimensions: int) -> Array:
        if name not in self._tensors:
            raise ForeignNetError(f"it lacks {name}")
        values = self._tensors[name]
        if values.ndim != dimensions or not values.size:
            raise ForeignNetError(f"{name} has the shape {list(values.shape)}; expected {dimensions} dimensions")
        self._used.add(name)
        return values

    def has(self, name: str) -> bool:
        return name in self._tensors

    def comes_before(self, name: str, other: str) -> bool:
        return self._order.get(name, 0) < self._order.get(other, 0)

    def check_all_used(self) -> None:
        if left := sorted(set(self._tensors) - self._used):
            raise ForeignNetError(f"it has more than such a net: {_named(left)}")

    def conv(self, name: str, stride: int = 1) -> list[Layer]:
        """Returns a convolution of PyTorch and the mirrored edges before it."""
        weight = self.take(f"{name}.weight", 4)
        margin = weight.shape[2] // 2
        conv = Conv(weight, self.bias(name, weight.shape[0]), stride)
        return [Pad("reflect", margin), conv] if margin else [conv]

    def bias(self, name: str, channels: int) -> Array:
        """Returns a bias, or zeros where the layer was trained without."""
        return self.take(f"{name}.bias", 1) if self.has(f"{name}.bias") else np.zeros(channels, np.float32)

    def norm(self, name: str) -> InstanceNorm:
        return InstanceNorm(self.take(f"{name}.weight", 1), self.take(f"{name}.bias", 1), _EPS)


def _of_pytorch_examples(source: _Source) -> tuple[Sequence[Layer], Levels]:
    layers: list[Layer] = []
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        layers += [*source.conv(f"conv{number}.conv2d", stride), source.norm(f"in{number}"), Relu()]
    for number in range(1, _MOST_BLOCKS):
        block = f"res{number}"
        if not source.has(f"{block}.conv1.conv2d.weight"):
            break
        first = [*source.conv(f"{block}.conv1.conv2d"), source.norm(f"{block}.in1"), Relu()]
        layers.append(Residual([*first, *source.conv(f"{block}.conv2.conv2d"), source.norm(f"{block}.in2")]))
    for number in (1, 2):
        enlarged = [Enlarge(2), *source.conv(f"deconv{number}.conv2d")]
        layers += [*enlarged, source.norm(f"in{number + 3}"), Relu()]
    return [*layers, *source.conv("deconv3.conv2d")], Levels()


def _of_rrmina(source: _Source) -> tuple[Sequence[Layer], Levels]:
    layers: list[Layer] = []
    for place, stride in ((0, 1), (2, 2), (4, 2)):
        layers += [*_normed(source, f"ConvBlock.{place}", stride), Relu()]
    for number in range(_MOST_BLOCKS):
        block = f"ResidualBlock.{number}"
        names = [f"{block}.conv{each}" for each in (1, 2, 3) if source.has(f"{block}.conv{each}.conv_layer.weight")]
        if not names:
            break
        inner = [part for name in names for part in (*_normed(source, name), Relu())]
        layers.append(Residual(inner[:-1]))
    for place in (0, 2):
        name = f"DeconvBlock.{place}"
        weight = source.take(f"{name}.conv_transpose.weight", 4)
        margin = weight.shape[2] // 2
        bias = source.bias(f"{name}.conv_transpose", weight.shape[1])
        norm = source.norm(f"{name}.norm_layer")
        layers += [TransposedConv(weight, bias, 2, (margin, margin), extra=1), norm, Relu()]
    last = source.conv("DeconvBlock.4.conv_layer")
    return [*layers, *last, *_end_of_rrmina(norm, last[-1])], Levels(bgr=True)


def _normed(source: _Source, name: str, stride: int = 1) -> list[Layer]:
    # blocks that normalize first have the same names in another order
    if source.comes_before(f"{name}.norm_layer.weight", f"{name}.conv_layer.weight"):
        raise ForeignNetError(f"{name} normalizes before it convolves; expected the other way round")
    return [*source.conv(f"{name}.conv_layer", stride), source.norm(f"{name}.norm_layer")]


def _end_of_rrmina(norm: InstanceNorm, last: Layer) -> Sequence[Layer]:
    """Returns what follows the last convolution, which the file does not say: its results are levels, or go into tanh.

    What comes out of the norm before it has about a normal distribution, and so its mean after ReLU is known.
    """
    if not isinstance(last, Conv) or last.weight.shape[1] != len(norm.scale):
        raise ForeignNetError("its last layers do not fit together")
    means = np.array([_mean_after_relu(*pair) for pair in zip(norm.shift, norm.scale, strict=True)], np.float32)
    size = float(np.abs(last.weight.sum(axis=(2, 3)) @ means + last.bias).mean())
    if size < _MOST_BEFORE_TANH:
        return [Tanh(_TANH_FACTOR)]
    if size > _LEAST_WITHOUT:
        return []
    raise ForeignNetError("it is not certain whether it ends with a tanh")


def _mean_after_relu(mean: float, deviation: float) -> float:
    deviation = max(abs(deviation), 1e-6)
    ratio = mean / deviation
    density = math.exp(-ratio * ratio / 2) / math.sqrt(2 * math.pi)
    return deviation * density + mean * (1 + math.erf(ratio / math.sqrt(2))) / 2


def _of_fast_style_transfer(source: _Source) -> tuple[Sequence[Layer], Levels]:
    """Layer i has the kernel `Variable_{3i}`, height x width x in x out, then shift and scale of its instance norm.

    Padding is TensorFlow's SAME, which gives the odd pixel to the end.
    """

    def kernel(index: int) -> Array:
        return np.ascontiguousarray(source.take(_variable(3 * index), 4).transpose(3, 2, 0, 1))

    def norm(index: int) -> InstanceNorm:
        shift, scale = (source.take(_variable(3 * index + part), 1) for part in (1, 2))
        return InstanceNorm(scale, shift, _ARTICLE_EPS)

    def conv(index: int, stride: int = 1) -> list[Layer]:
        weight = kernel(index)
        total = max(0, weight.shape[2] - stride)
        bias = np.zeros(len(weight), np.float32)
        return [Conv(weight, bias, stride, (total // 2, total - total // 2)), norm(index)]

    layers: list[Layer] = []
    for index, stride in enumerate((1, 2, 2)):
        layers += [*conv(index, stride), Relu()]
    layers += [Residual([*conv(index), Relu(), *conv(index + 1)]) for index in _ARTICLE_BLOCKS]
    for index in (13, 14):
        weight = kernel(index)
        # a transposed kernel has its outputs before its inputs, which is the order wanted here once it is turned round
        layers += [TransposedConv(weight, np.zeros(weight.shape[1], np.float32), 2, (0, 1)), norm(index), Relu()]
    return [*layers, *conv(15), Tanh(_TANH_FACTOR, 127.5)], Levels()


def _variable(number: int) -> str:
    return f"Variable_{number}" if number else "Variable"


# By the name of the program: a tensor that no other's nets have, and what makes layers of the tensors.
_FAMILIES: Mapping[str, tuple[str, Callable[[_Source], tuple[Sequence[Layer], Levels]]]] = {
    "pytorch/examples": ("deconv3.conv2d.weight", _of_pytorch_examples),
    "rrmina/fast-neural-style-pytorch": ("DeconvBlock.4.conv_layer.weight", _of_rrmina),
    "fast-style-transfer": ("Variable_47", _of_fast_style_transfer),
}
