"""The nets of jcjohnson's fast-neural-style, as Torch7 keeps them: a module is an object with a few fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from build_engines.imports.layers import (
    Affine,
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
from build_engines.imports.torch7 import TorchObject

_FAMILY = "jcjohnson/fast-neural-style"
# What the program makes of the levels of pictures before the net, by the name of its option -preprocessing.
_PREPROCESSING: Mapping[str, Levels] = {
    "vgg": Levels(True, (103.939, 116.779, 123.68)),
    "resnet": Levels(False, (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)),
}
_DEEPEST = 8
_MOST_MODULES = 500


def torch7_net(checkpoint: Any) -> ForeignNet:
    """Returns the net in what a file of Torch7 holds. Raises ForeignNetError if it is none that is known."""
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("model"), TorchObject):
        raise ForeignNetError(f"it holds no checkpoint of {_FAMILY}: expected a table with 'model' and 'opt'")
    options = checkpoint.get("opt")
    if not isinstance(options, dict):
        raise ForeignNetError("it lacks the options of its training, so what its levels mean is not certain")
    preprocessing = options.get("preprocessing", "vgg")
    if preprocessing not in _PREPROCESSING:
        raise ForeignNetError(f"its preprocessing is {str(preprocessing)[:40]!r}; expected vgg or resnet")
    return ForeignNet(_FAMILY, list(_layers(checkpoint["model"])), _PREPROCESSING[preprocessing])


def _layers(module: TorchObject, depth: int = 0) -> Iterator[Layer]:
    """Yields the layers of a module and of those inside it."""
    if depth > _DEEPEST:
        raise ForeignNetError("its modules lie too deep inside each other")
    kind = _kind(module)
    if kind != "Sequential":
        if kind not in _MODULES:
            raise ForeignNetError(f"it has a module {module.kind[:60]!r}, which is not known here")
        yield from _MODULES[kind](module)
        return
    inner = iter(_modules(module))
    for each in inner:
        if _kind(each) == "ConcatTable":
            if _kind(next(inner, TorchObject(""))) != "CAddTable":
                raise ForeignNetError("it has a ConcatTable without a CAddTable")
            yield _residual(each, depth)
        else:
            yield from _layers(each, depth + 1)


def _residual(table: TorchObject, depth: int) -> Residual:
    """Returns a block whose second way is as good as empty."""
    ways = _modules(table)
    if len(ways) != 2 or _kind(ways[1]) not in {"Identity", "ShaveImage"}:
        raise ForeignNetError("it has a block of another kind than residual")
    shaved = _whole(ways[1], "size") if _kind(ways[1]) == "ShaveImage" else 0
    return Residual(list(_layers(ways[0], depth + 1)), shaved)


def _modules(module: TorchObject) -> Sequence[TorchObject]:
    """Returns the modules in a module, which are a table with the keys 1, 2, …"""
    table = module.fields.get("modules")
    if not isinstance(table, dict) or len(table) > _MOST_MODULES:
        raise ForeignNetError(f"a {module.kind[:60]} has no modules")
    found = [table.get(float(place)) for place in range(1, len(table) + 1)]
    modules = [each for each in found if isinstance(each, TorchObject)]
    if len(modules) != len(table):
        raise ForeignNetError(f"a {module.kind[:60]} holds something else than modules")
    return modules


def _kind(module: TorchObject) -> str:
    """Returns the name of a module's class; cudnn's do the same as nn's."""
    return module.kind.removeprefix("nn.").removeprefix("cudnn.")


def _conv(module: TorchObject) -> Iterator[Layer]:
    inputs, outputs, kernel = (_whole(module, name) for name in ("nInputPlane", "nOutputPlane", "kW"))
    _check_equal(module, ("kW", "kH"), ("dW", "dH"), ("padW", "padH"))
    # older versions kept the weight as a matrix
    weight = _array(module, "weight", (outputs, inputs, kernel, kernel))
    padding = _whole(module, "padW", 0)
    yield Conv(weight, _bias(module, outputs), _whole(module, "dW", 1), (padding, padding))


def _full_conv(module: TorchObject) -> Iterator[Layer]:
    inputs, outputs, kernel = (_whole(module, name) for name in ("nInputPlane", "nOutputPlane", "kW"))
    _check_equal(module, ("kW", "kH"), ("dW", "dH"), ("padW", "padH"), ("adjW", "adjH"))
    weight = _array(module, "weight", (inputs, outputs, kernel, kernel))
    padding = _whole(module, "padW", 0)
    stride, extra = _whole(module, "dW", 1), _whole(module, "adjW", 0)
    yield TransposedConv(weight, _bias(module, outputs), stride, (padding, padding), extra)


def _instance_norm(module: TorchObject) -> Iterator[Layer]:
    channels = _whole(module, "nOutput")
    scale, shift = (_array(module, name, (channels,)) for name in ("weight", "bias"))
    yield InstanceNorm(scale, shift, _number(module, "eps"))


def _batch_norm(module: TorchObject) -> Iterator[Layer]:
    means = module.fields.get("running_mean")
    if not isinstance(means, np.ndarray) or "running_var" not in module.fields:
        raise ForeignNetError("it has a batch norm without the means and variances that it has learned")
    shape = (means.size,)
    mean, variance = (_array(module, name, shape) for name in ("running_mean", "running_var"))
    with np.errstate(all="ignore"):  # what is no number is found out together with all other values
        scale = 1 / np.sqrt(variance + np.float32(_number(module, "eps")))
        if module.fields.get("weight") is not None:
            scale = scale * _array(module, "weight", shape)
        shift = -mean * scale
        if module.fields.get("bias") is not None:
            shift = shift + _array(module, "bias", shape)
    yield Affine(scale, shift)


def _padding(mode: str) -> Callable[[TorchObject], Iterator[Layer]]:
    def layers(module: TorchObject) -> Iterator[Layer]:
        _check_equal(module, ("pad_l", "pad_r"), ("pad_l", "pad_t"), ("pad_l", "pad_b"))
        width = _whole(module, "pad_l")
        if width:
            yield Pad("reflect" if mode == "reflect" else "edge", width)

    return layers


def _times(module: TorchObject) -> Iterator[Layer]:
    yield Affine(*(np.array([value] * 3, np.float32) for value in (_number(module, "constant_scalar"), 0.0)))


def _whole(module: TorchObject, name: str, default: int | None = None) -> int:
    value = module.fields.get(name, default)
    if not isinstance(value, float | int) or not 0 <= value <= 2**16 or value != int(value):
        raise ForeignNetError(f"a {module.kind[:60]} has {name} = {str(value)[:40]}")
    return int(value)


def _number(module: TorchObject, name: str) -> float:
    value = module.fields.get(name)
    if not isinstance(value, float):
        raise ForeignNetError(f"a {module.kind[:60]} has {name} = {str(value)[:40]}")
    return value


def _array(module: TorchObject, name: str, shape: tuple[int, ...]) -> Array:
    value = module.fields.get(name)
    if not isinstance(value, np.ndarray) or value.size != np.prod(shape, dtype=object) or not value.size:
        raise ForeignNetError(f"a {module.kind[:60]} has no {name} of {' x '.join(map(str, shape))}")
    return np.asarray(value, np.float32).reshape(shape)


def _bias(module: TorchObject, channels: int) -> Array:
    if module.fields.get("bias") is None:
        return np.zeros(channels, np.float32)
    return _array(module, "bias", (channels,))


def _check_equal(module: TorchObject, *pairs: tuple[str, str]) -> None:
    for one, other in pairs:
        if module.fields.get(one, 0.0) != module.fields.get(other, 0.0):
            raise ForeignNetError(f"a {module.kind[:60]} has {one} and {other} that differ")


# By the names of their classes.
_MODULES: Mapping[str, Callable[[TorchObject], Iterator[Layer]]] = {
    "SpatialConvolution": _conv,
    "SpatialConvolutionMM": _conv,
    "SpatialFullConvolution": _full_conv,
    "InstanceNormalization": _instance_norm,
    "SpatialBatchNormalization": _batch_norm,
    "SpatialReflectionPadding": _padding("reflect"),
    "SpatialReplicationPadding": _padding("edge"),
    "SpatialUpSamplingNearest": lambda module: iter([Enlarge(_whole(module, "scale_factor"))]),
    "ReLU": lambda _module: iter([Relu()]),
    "Tanh": lambda _module: iter([Tanh(1.0)]),
    "MulConstant": _times,
    # these change nothing but the training
    "TotalVariation": lambda _module: iter(()),
    "Identity": lambda _module: iter(()),
}
