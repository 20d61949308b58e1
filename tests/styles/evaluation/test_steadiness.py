"""The steadiness measure on sequences whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from styles.evaluation.steadiness import (
    VideoError,
    measure_steadiness,
    motion,
    ssim,
    still_scene_ratio,
    video_frames,
    warp,
    warping_error,
)
from tests.styles.conftest import textured, write_video

Frame = NDArray[np.uint8]
PAN = (3, 2)  # pixels a frame, across and down


@pytest.fixture(scope="module")
def pan() -> list[Frame]:
    """A camera panning over a large picture."""
    scene = textured(160, 200, seed=1, grain=2.5)
    return [scene[PAN[1] * t : PAN[1] * t + 96, PAN[0] * t : PAN[0] * t + 128].copy() for t in range(5)]


def test_warp_takes_each_pixel_from_where_the_flow_points(pan: list[Frame]) -> None:
    flow = np.empty((96, 128, 2), np.float32)
    flow[:] = PAN  # what is at p now was at p + PAN before
    moved = warp(pan[0], flow)
    np.testing.assert_allclose(moved[: 96 - PAN[1], : 128 - PAN[0]], pan[1][: 96 - PAN[1], : 128 - PAN[0]], atol=1e-3)


def test_motion_of_a_pan_is_found(pan: list[Frame]) -> None:
    flow, valid = motion(pan[0], pan[1])
    assert valid.mean() > 0.85
    np.testing.assert_allclose(np.median(flow[valid], axis=0), PAN, atol=0.2)


def test_what_was_hidden_before_is_not_valid() -> None:
    background, block = textured(96, 128, seed=2), textured(40, 40, seed=3, grain=1.5)
    before, after = background.copy(), background.copy()
    before[30:70, 40:80] = block
    after[30:70, 52:92] = block
    _, valid = motion(before, after)
    uncovered = valid[34:66, 41:51]
    assert uncovered.mean() < 0.5
    assert valid[:, :30].mean() > 0.95


def test_paintings_that_move_with_the_scene_have_no_excess(pan: list[Frame]) -> None:
    negative = [255 - frame for frame in pan]
    steady = measure_steadiness(pan, negative)
    assert steady.pairs == 4
    assert steady.warping_error < 2e-3
    assert abs(steady.excess) < 1e-7  # a negative is as steady as its positive


def test_a_pattern_that_stands_before_a_moving_scene_is_counted(pan: list[Frame]) -> None:
    curtain = textured(96, 128, seed=4, grain=1.5)
    assert measure_steadiness(pan, [curtain] * 5).excess > 0.01


def test_flicker_is_counted_at_its_own_size() -> None:
    still = [textured(96, 128, seed=5)] * 6
    flicker = [np.full_like(frame, 100 + 20 * (t % 2)) for t, frame in enumerate(still)]
    steady = measure_steadiness(still, flicker)
    assert steady.warping_error == pytest.approx((20 / 255) ** 2, rel=1e-4)
    assert steady.input_warping_error == 0


def test_only_valid_pixels_are_counted() -> None:
    before, after = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    after[:, :2] = 51
    valid = np.zeros((4, 4), bool)
    valid[:, :2] = True
    assert warping_error(before, after, np.zeros((4, 4, 2), np.float32), valid) == pytest.approx(0.04)


def test_ssim_agrees_with_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    one, other = textured(64, 80, seed=6), textured(64, 80, seed=6, grain=3.5)
    import cv2

    greys = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float) for picture in (one, other)]
    wanted = metrics.structural_similarity(
        *greys, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )[1]
    assert ssim(one, other) == pytest.approx(wanted.mean(), abs=2e-3)
    assert ssim(one, one) == pytest.approx(1)


def test_likeness_to_another_rendering_is_reported(pan: list[Frame]) -> None:
    assert measure_steadiness(pan, pan).ssim is None
    assert measure_steadiness(pan, pan, pan).ssim == pytest.approx(1)
    assert measure_steadiness(pan, pan, [255 - frame for frame in pan]).ssim < 0.5  # type: ignore[operator]


def test_one_frame_is_too_few(pan: list[Frame]) -> None:
    with pytest.raises(VideoError, match="steadiness needs at least two"):
        measure_steadiness(pan[:1], pan[:1])


def test_frames_too_small_for_optical_flow_are_refused() -> None:
    frames = [np.zeros((16, 200, 3), np.uint8)] * 2
    with pytest.raises(VideoError, match="frames of 200x16 are too small to follow motion in; expected 96x32 or more"):
        measure_steadiness(frames, frames)


def test_a_still_scene_is_as_lively_as_it_is_painted() -> None:
    photo = np.clip(textured(32, 32, seed=7), 70, 180)
    assert still_scene_ratio(lambda frame: frame, photo, frames=20) == pytest.approx(1)
    doubled = still_scene_ratio(lambda frame: (2 * (frame.astype(int) - 60)).clip(0, 255).astype(np.uint8), photo, 20)
    assert doubled == pytest.approx(2, rel=0.05)
    assert still_scene_ratio(np.zeros_like, photo, frames=5) == 0


def test_frames_of_a_video_come_in_order_and_size(tmp_path: Path) -> None:
    path = tmp_path / "grey.mp4"
    write_video(path, [np.full((48, 64, 3), shade, np.uint8) for shade in (40, 120, 200)])
    frames = list(video_frames(path))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert [round(float(frame.mean()) / 40) for frame in frames] == [1, 3, 5]
    assert [frame.shape for frame in video_frames(path, most=2, width=32)] == [(24, 32, 3)] * 2


def test_something_else_than_a_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("text")
    with pytest.raises(VideoError, match=r"a\.mp4 cannot be read as a video"):
        list(video_frames(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match=r"no video at .*b\.mp4"):
        list(video_frames(tmp_path / "b.mp4"))
