"""Grows a trained net into a larger one that paints the same, and can learn what the smaller could not.

What the small net has learned stays, as a part of the large one that ignores the rest: new channels start from random
weights that nothing reads yet, and new residual blocks add nothing (compare Chen, Goodfellow, Shlens 2016,
"Net2Net", which copies channels instead). Training then goes on from paintings instead of noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from styles.architecture import NetworkConfig, Stage
from styles.network import ConvLayer, NormedConv, TransformNet


class GrowthError(ValueError):
    """The larger net is not an enlargement of the smaller one."""


@torch.no_grad()
def grown(net: TransformNet, vectors: Tensor, config: NetworkConfig) -> tuple[TransformNet, Tensor]:
    """Returns a larger net and the same styles for it, S x K'; they paint the same.

    Random numbers come from torch's global generator.

    Args:
        net: the trained net.
        vectors: its styles, float S x K.
        config: the shape of the larger net.

    Raises:
        GrowthError: `config` has a stage that is narrower, has fewer blocks or resamples in another way than that of
            `net`.
    """
    _check(net.config, config)
    large = TransformNet(config)
    new_vectors = large.plain_style().repeat(len(vectors), 1)
    for ours, theirs in zip([*large.down, *large.up], [*net.down, *net.up], strict=True):
        assert isinstance(ours, nn.ModuleList)
        assert isinstance(theirs, nn.ModuleList)
        for index, layer in enumerate(ours):
            assert isinstance(layer, NormedConv)
            if index < len(theirs):
                _take_over(layer, theirs[index], new_vectors, vectors)
            elif index % 2 == 0:  # the second of a new block, whose result is added
                new_vectors[:, layer.offset : layer.offset + layer.width] = 0
    _embed(large.head, net.head)
    return large, new_vectors


def _take_over(large: NormedConv, small: nn.Module, new_vectors: Tensor, vectors: Tensor) -> None:
    assert isinstance(small, NormedConv)
    _embed(large.conv, small.conv)
    for half in (0, 1):  # scales, then shifts
        start, ours = small.offset + half * small.width, large.offset + half * large.width
        new_vectors[:, ours : ours + small.width] = vectors[:, start : start + small.width]


def _embed(large: ConvLayer, small: ConvLayer) -> None:
    """Puts the small layer's weights into the large one, and none from new channels to old ones."""
    outputs, inputs = small.weight.shape[:2]
    large.weight[:outputs] = 0
    large.weight[:outputs, :inputs] = small.weight
    if large.bias is not None and small.bias is not None:
        large.bias[:outputs] = small.bias


def _check(small: NetworkConfig, large: NetworkConfig) -> None:
    def fits(ours: Stage, theirs: Stage) -> bool:
        same = (ours.kernel, ours.scale, ours.skip) == (theirs.kernel, theirs.scale, theirs.skip)
        return same and ours.width >= theirs.width and ours.blocks >= theirs.blocks

    pairs = [(large.down, small.down), (large.up, small.up)]
    heads = [(net.head_kernel, net.head_scale) for net in (small, large)]
    if (
        heads[0] != heads[1]
        or any(len(ours) != len(theirs) for ours, theirs in pairs)
        or not all(fits(*stages) for both in pairs for stages in zip(*both, strict=True))
    ):
        raise GrowthError(
            f"a net of the kind {small.name!r} cannot grow into one of the kind {large.name!r}, which is not the same "
            "with more channels and blocks"
        )
