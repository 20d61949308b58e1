"""Synthetic camera motion and noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from styles.training.motion import (
    MAX_LOCAL_SHIFT,
    MAX_ROTATION,
    MAX_SHIFT,
    MAX_ZOOM,
    Motion,
    camera_noise,
    random_motion,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def identity_grid(count: int, height: int, width: int) -> torch.Tensor:
    theta = torch.eye(2, 3).repeat(count, 1, 1)
    return F.affine_grid(theta, [count, 3, height, width], align_corners=False)


def test_a_third_of_the_pictures_stand_still_and_are_not_touched() -> None:
    images = torch.rand(60, 3, 24, 32, generator=seeded(1))
    motion = random_motion(60, 24, 32, seeded())
    still = (motion.grid - identity_grid(60, 24, 32)).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert 10 <= still.sum() <= 30
    torch.testing.assert_close(motion.move(images)[still], images[still], atol=1e-4, rtol=0)
    assert motion.valid[still].all()


def test_a_third_of_the_pictures_are_shifted_by_whole_pixels_and_stay_as_sharp() -> None:
    height, width = 24, 32
    images = torch.rand(60, 3, height, width, generator=seeded(1))
    motion = random_motion(60, height, width, seeded())
    pixels = (motion.grid - identity_grid(60, height, width)) / torch.tensor([2 / width, 2 / height])
    offsets = pixels.flatten(1, 2).round()
    shifted = ((pixels.flatten(1, 2) - offsets[:, :1]).abs() < 1e-3).all(dim=2).all(dim=1) & offsets[:, 0].any(dim=1)
    assert 10 <= shifted.sum() <= 30
    moved = motion.move(images)
    for index in shifted.nonzero().flatten().tolist():
        right, down = (int(offset) for offset in offsets[index, 0])
        expected = images[index].roll((-down, -right), dims=(1, 2))
        inside = (slice(None), slice(6, height - 6), slice(6, width - 6))
        torch.testing.assert_close(moved[index][inside], expected[inside], atol=1e-4, rtol=0)


def test_motion_stays_within_its_bounds() -> None:
    height, width = 64, 96
    motion = random_motion(50, height, width, seeded())
    pixels = (motion.grid - identity_grid(50, height, width)) / torch.tensor([2 / width, 2 / height])
    corner = (height**2 + width**2) ** 0.5 / 2
    # The bicubic interpolation of the local warp may overshoot a little.
    bound = 2**0.5 * (MAX_SHIFT + 1.5 * MAX_LOCAL_SHIFT) + corner * (MAX_ZOOM + MAX_ROTATION) * 1.1
    farthest = pixels.norm(dim=3).max()
    assert MAX_SHIFT / 2 < farthest < bound


def test_a_grid_shifted_by_a_pixel_moves_the_picture_by_a_pixel() -> None:
    image = torch.rand(1, 3, 8, 8, generator=seeded())
    grid = identity_grid(1, 8, 8) + torch.tensor([2 / 8, 0.0])
    moved = Motion(grid, torch.ones(1, 1, 8, 8)).move(image)
    torch.testing.assert_close(moved[..., :-1], image[..., 1:])


def test_valid_is_where_the_motion_stays_inside() -> None:
    motion = random_motion(50, 32, 32, seeded())
    inside = (motion.grid.abs() <= 1).all(dim=3)
    assert torch.equal(motion.valid[:, 0] > 0, inside)
    assert 0.5 < motion.valid.mean() < 1


def test_camera_noise_is_fresh_small_and_in_range() -> None:
    images = torch.rand(4, 3, 32, 32, generator=seeded())
    one, other = (camera_noise(images, seeded(seed)) for seed in (1, 2))
    assert one.min() >= 0
    assert one.max() <= 1
    assert 0 < (one - images).abs().mean() < 0.1
    assert not torch.equal(one, other)
    assert torch.equal(one, camera_noise(images, seeded(1)))


def test_some_of_the_noise_is_soft_as_compression_leaves_it() -> None:
    images = torch.full((16, 3, 64, 64), 0.5)
    noise = camera_noise(images, seeded()) - 0.5
    noise -= noise.mean(dim=(1, 2, 3), keepdim=True)  # the exposure
    blurred = F.avg_pool2d(noise, 8)
    # of white noise, a 64th of the variance would be left
    assert float(blurred.var()) > 1.5 * float(noise.var()) / 64
