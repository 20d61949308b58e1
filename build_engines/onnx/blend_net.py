"""The blend of the temporal stabilizer in PyTorch, from bytes to bytes; see `blend.blend`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from build_engines.onnx.blend import EVERY_ROWS, BlendInputs, blend


def blend_in_torch(last: Tensor, painted: Tensor, flow: Tensor, new: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Returns what is shown and what is kept, both 1 x H x W x 3 uint8 RGB.

    Args:
        last: what is kept of the last painting, 1 x H x W x 3 uint8 RGB.
        painted: the new painting, 1 x H x W x 3 uint8 RGB.
        flow: where each pixel of the reduced frame was, as an offset in pixels of the painting, 1 x 2 x h x w float32.
        new: 255 where nothing of the last painting stays, else 0; 1 x h x w uint8.
        kept: how much of the last painting stays elsewhere, float32[1].
    """
    before, now = (picture.permute(0, 3, 1, 2).float() for picture in (last, painted))
    mask = new[:, None].float() * (1 / 255)
    results = blend(_TorchOps(), BlendInputs(before, now, flow, mask, kept))
    shown, mixed = (picture.permute(0, 2, 3, 1).to(torch.uint8) for picture in results)
    return shown, mixed


class _TorchOps:
    """The steps of the blend; see `blend.BlendOps`."""

    def moved(self, picture: Tensor, flow: Tensor) -> Tensor:
        height, width = picture.shape[2:]
        x, y = (
            (torch.arange(side, device=flow.device, dtype=flow.dtype) + 0.5) * (2 / side) - 1
            for side in (width, height)
        )
        places = x + flow[:, 0] * (2 / width), y[:, None] + flow[:, 1] * (2 / height)
        return F.grid_sample(picture, torch.stack(places, -1), padding_mode="border", align_corners=False)

    def enlarged(self, flow: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(flow, like.shape[2:], mode="bilinear", align_corners=False)

    def repeated(self, mask: Tensor, like: Tensor) -> Tensor:
        # `F.interpolate` rounds the scale to float32, and so misses a pixel here and there
        rows, columns = (
            torch.arange(side, device=mask.device) * of // side
            for side, of in zip(like.shape[2:], mask.shape[2:], strict=True)
        )
        return mask[:, :, rows][:, :, :, columns]

    def highest_around(self, picture: Tensor) -> Tensor:
        return F.max_pool2d(picture, 3, stride=1, padding=1)

    def mean_around(self, picture: Tensor, side: int) -> Tensor:
        return F.avg_pool2d(F.pad(picture, (side // 2,) * 4, mode="reflect"), side, stride=1).round()

    def row_means(self, picture: Tensor, width: int) -> Tensor:
        rows = F.pad(picture[:, :, ::EVERY_ROWS], (width // 2, width // 2, 0, 0), mode="reflect")
        return F.avg_pool2d(rows, (1, width), stride=1).round()

    def mean_difference(self, one: Tensor, other: Tensor) -> Tensor:
        return (one - other).abs().mean().reshape(1, 1, 1, 1)

    def within(self, values: Tensor, lowest: Tensor | float, highest: Tensor | float) -> Tensor:
        return values.clamp(lowest, highest)  # type: ignore[arg-type]

    def if_above(self, values: Tensor, least: float) -> Tensor:
        return values * (values >= least)

    def rounded(self, values: Tensor) -> Tensor:
        return values.round()
