"""What a camera does between two frames, made from one photograph with exactly known flow: motion, noise, exposure.

The temporal loss trains on such pairs, so no video and no optical flow are needed (compare Eilertsen et al. 2019,
"Single-frame Regularization for Temporally Stable CNNs").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT = 6.0  # pixels
MAX_ZOOM = 0.03
MAX_ROTATION = math.radians(2.0)
MAX_LOCAL_SHIFT = 2.0  # pixels
MAX_EXPOSURE = 0.06
MAX_GAMMA = 0.06
MAX_NOISE = 5.0 / 255
# What video compression leaves is weaker and softer than a sensor's noise: so strong, at these shares of the size.
MAX_SOFT_NOISE, _SOFT_SCALES = 1.5 / 255, (2, 8)
# The cells of the local warp: about one every 64 pixels of a 256-pixel crop.
_LOCAL_CELLS = 5


@dataclass(frozen=True)
class Motion:
    """A sampling grid N x H x W x 2 (grid_sample's -1..1) and a mask of 1 inside the picture, N x 1 x H x W."""

    grid: Tensor
    valid: Tensor

    def move(self, images: Tensor) -> Tensor:
        """Returns N x C x H x W images as the camera sees them after the motion."""
        return F.grid_sample(images, self.grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def random_motion(count: int, height: int, width: int, generator: torch.Generator) -> Motion:
    """Returns small random motions: a third of the pictures stand still, a third are shifted by whole pixels.

    The others are shifted, zoomed, rotated and warped. Whole pixels need no interpolation, which would forgive a mesh
    of single pixels that stays with the sensor when the picture moves.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    kind = torch.randint(3, (count,), generator=generator)
    moving, whole = (kind == 2).float(), (kind == 1).float()[:, None]
    angle, zoom = MAX_ROTATION * uniform(count) * moving, 1 + MAX_ZOOM * uniform(count) * moving
    pixel = torch.tensor([2 / width, 2 / height])
    offset = MAX_SHIFT * uniform(count, 2)
    shift = (offset * moving[:, None] + offset.round() * whole) * pixel
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    aspect = height / width
    affine = torch.stack(
        [
            torch.stack([cos, -sin * aspect, shift[:, 0]], dim=1),
            torch.stack([sin / aspect, cos, shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(affine, [count, 3, height, width], align_corners=False)
    cells = MAX_LOCAL_SHIFT * uniform(count, 2, _LOCAL_CELLS, _LOCAL_CELLS) * moving[:, None, None, None]
    local = F.interpolate(cells, size=(height, width), mode="bicubic", align_corners=True)
    grid = grid + local.permute(0, 2, 3, 1) * pixel
    valid = (grid.abs() <= 1).all(dim=3)[:, None].float()
    return Motion(grid, valid)


def camera_noise(images: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the images with another exposure and gamma and fresh noise of sensor and compression, in 0..1."""
    count = images.shape[0]

    def around_one(spread: float) -> Tensor:
        return (1 + spread * (torch.rand(count, 1, 1, 1, generator=generator) * 2 - 1)).to(images.device)

    sigma = MAX_NOISE * torch.rand(count, 1, 1, 1, generator=generator).to(images.device)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    exposed = images.clamp(min=1e-4) ** around_one(MAX_GAMMA) * around_one(MAX_EXPOSURE)
    seen = exposed + sigma * noise
    for scale in _SOFT_SCALES:
        size = [max(1, side // scale) for side in images.shape[2:]]
        soft = torch.randn(count, images.shape[1], *size, generator=generator)
        soft *= MAX_SOFT_NOISE * torch.rand(count, 1, 1, 1, generator=generator)
        seen = seen + F.interpolate(soft.to(images.device), size=images.shape[2:], mode="bicubic", align_corners=False)
    return seen.clamp(0, 1)
