"""The layers of a net in the order of its style vector, and the frame sizes it can paint. Needs no torch, no onnx."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from styles.architecture import NetworkConfig
from styles.weights import NetworkWeights, WeightsError


def normed_convolutions(config: NetworkConfig) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Yields the name and kernel shape (out, in, height, width) of each layer, in the order of the style vector."""
    inputs = 3
    for way, stages in (("down", config.down), ("up", config.up)):
        for i, stage in enumerate(stages):
            for j in range(1 + 2 * stage.blocks):
                side = 3 if j else stage.kernel
                yield f"{way}.{i}.{j}", (stage.width, inputs, side, side)
                inputs = stage.width


def style_size(config: NetworkConfig) -> int:
    """Returns K, the length of a net's style vectors: one scale and one shift for each normalized channel."""
    return sum(2 * shape[0] for _, shape in normed_convolutions(config))


def plain_style(config: NetworkConfig) -> NDArray[np.float32]:
    """Returns the style vector that scales by 1 and shifts by 0: float32[K]."""
    scales_and_shifts = [(np.ones(shape[0]), np.zeros(shape[0])) for _, shape in normed_convolutions(config)]
    return np.concatenate([part for pair in scales_and_shifts for part in pair]).astype(np.float32)


def check_weights(weights: NetworkWeights) -> None:
    """Checks that the weights fit their config.

    Raises:
        WeightsError: an array is missing, or its shape differs from the config.
    """
    config = weights.config
    expected: dict[str, tuple[int, ...]] = {f"{name}.conv.weight": shape for name, shape in normed_convolutions(config)}
    head_inputs = (config.up or config.down)[-1].width
    expected |= {"head.weight": (3, head_inputs, config.head_kernel, config.head_kernel), "head.bias": (3,)}
    shapes = {name: array.shape for name, array in weights.arrays.items()}
    wrong = [name for name, shape in expected.items() if shapes.get(name) != shape]
    if wrong:
        raise WeightsError(f"the weights do not fit the net {config.name!r}: {', '.join(wrong[:3])}")
    if weights.vector is not None and weights.vector.shape != (style_size(config),):
        raise WeightsError(f"the style inside has shape {weights.vector.shape}, expected ({style_size(config)},)")


class FrameSizeError(ValueError):
    """A net cannot paint frames of this size."""


def check_size(config: NetworkConfig, width: int, height: int) -> None:
    """Checks that a net can paint frames of a size.

    Args:
        config: the net.
        width: the width of the frames in pixels.
        height: the height of the frames in pixels.

    Raises:
        FrameSizeError: it cannot; the message names the nearest size that it can paint.
    """
    check_steps(config.name, width, height, multiple=config.size_multiple, least=smallest_side(config))


def check_steps(name: str, width: int, height: int, *, multiple: int, least: int) -> None:
    """Checks a frame size against the limits of a net.

    Args:
        name: the net's name, for the message.
        width: the width of the frames in pixels.
        height: the height of the frames in pixels.
        multiple: width and height must be multiples of this.
        least: the smallest width and height.

    Raises:
        FrameSizeError: the size does not fit; the message names the nearest size that does.
    """
    nearest = tuple(max(least, round(side / multiple) * multiple) for side in (width, height))
    if (width, height) != nearest:
        raise FrameSizeError(
            f"the net {name!r} takes frames from {least}x{least} in steps of {multiple}, not {width}x{height}; "
            f"the nearest is {nearest[0]}x{nearest[1]}"
        )


def smallest_side(config: NetworkConfig) -> int:
    """Returns the smallest side in pixels: reflection padding must be smaller than the picture at every resolution."""
    multiple, resolution = config.size_multiple, 1
    least = multiple
    for stage in config.down:
        least = max(least, resolution * (stage.kernel // 2 + 1))
        resolution *= stage.scale
        least = max(least, resolution * 2)  # the 3 x 3 kernels of the blocks and of what follows
    return -(-max(least, config.head_kernel // 2 + 1) // multiple) * multiple
