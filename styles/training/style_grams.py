"""What a style picture asks of a painting: its Gram matrices, at its own size or a smaller one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.training.loss_network import SMALLEST_SIDE, LossNetwork
from styles.training.pictures import PictureError, resize_short_side, to_tensor

# A picture is looked at in one piece, which takes about a gigabyte of memory a megapixel. The largest of the article's
# six has 1.1.
_MOST_PIXELS = 2_000_000


@dataclass(frozen=True)
class StyleReference:
    """A style picture (H x W x 3 uint8 RGB) and its Gram matrices, one 1 x C x C per layer."""

    picture: NDArray[np.uint8]
    grams: tuple[Tensor, ...]


def style_reference(picture: NDArray[np.uint8], network: LossNetwork, style_scale: int | None = None) -> StyleReference:
    """Returns what paintings in the style of that picture are compared with."""
    return StyleReference(picture, style_grams(picture, network, style_scale))


def style_size(picture: NDArray[np.uint8], style_scale: int | None = None) -> NDArray[np.uint8]:
    """Returns H x W x 3 uint8 with a short side of `style_scale` pixels, or without one as it is.

    Either way at most two megapixels, and no side that the loss network could not look at. Raises PictureError for a
    picture so long that there is no such size.
    """
    height, width = picture.shape[:2]
    if SMALLEST_SIDE**2 * max(height, width) > _MOST_PIXELS * min(height, width):
        longest = _MOST_PIXELS // SMALLEST_SIDE**2
        raise PictureError(f"a style picture of {width}x{height}; expected at most {longest} times as long as wide")
    own = min(height, width)
    most = int(own * (_MOST_PIXELS / (height * width)) ** 0.5)
    side = max(SMALLEST_SIDE, min(style_scale or own, most))
    return picture if side == own else resize_short_side(picture, side)


def style_grams(picture: NDArray[np.uint8], network: LossNetwork, style_scale: int | None = None) -> tuple[Tensor, ...]:
    """Returns the Gram matrices, one 1 x C x C per layer, of a style picture at `style_size`."""
    image = to_tensor(style_size(picture, style_scale)).to(next(network.buffers()).device)
    with torch.no_grad():
        grams: tuple[Tensor, ...] = network(image).grams
    return grams
