"""How steady a painted video is: the warping error of Lai et al. 2018 ("Learning Blind Video Temporal Consistency").

Where something moves, a steady painting moves with it. The error is the squared difference between a painted frame and
the one before, warped along the motion of the *input*; the input's own error is the floor. Two departures from the
paper: the flow is OpenCV's DIS (Kroeger et al. 2016) instead of FlowNet 2, and occlusion is the forward-backward check
alone. Blur would win this measure, so likeness to the style picture, or to another rendering, belongs beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from styles.evaluation.painter import Painter
from styles.support.optical_flow import LEAST_SIDES

Frame = NDArray[np.uint8]


class VideoError(ValueError):
    """A video cannot be read, or is too short."""


@dataclass(frozen=True)
class Steadiness:
    """The warping errors of a painted video and of its input: mean squares of values in 0..1 over `pairs` of frames.

    `ssim` is the mean likeness to another rendering of the same frames, if there was one; 1 is equal.
    """

    pairs: int
    warping_error: float
    input_warping_error: float
    ssim: float | None = None

    @property
    def excess(self) -> float:
        """The warping error that the painting adds to the input's own."""
        return self.warping_error - self.input_warping_error


def video_frames(path: Path, most: int | None = None, width: int | None = None) -> Iterator[Frame]:
    """Yields the first frames, H x W x 3 uint8 RGB, scaled to `width` if given. Raises VideoError."""
    if not path.is_file():
        raise VideoError(f"no video at {path}")
    try:
        with av.open(path) as container:
            for frame in itertools.islice(container.decode(video=0), most):
                picture = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                yield picture if width is None else _scaled(picture, width)
    except (av.FFmpegError, IndexError) as exc:
        raise VideoError(f"{path} cannot be read as a video: {exc}") from exc


def measure_steadiness(
    frames: Iterable[Frame], paintings: Iterable[Frame], others: Iterable[Frame] | None = None
) -> Steadiness:
    """Returns how steady paintings are.

    Args:
        frames: what was painted, H x W x 3 uint8, all of one size.
        paintings: of the frames, in their order.
        others: another rendering of the frames, for SSIM.

    Raises:
        VideoError: there are fewer than two frames, or they are too small.
    """
    errors: list[tuple[float, float]] = []
    likenesses: list[float] = []
    rendering = itertools.repeat(None) if others is None else others
    before: tuple[Frame, Frame] | None = None
    for frame, painting, other in zip(frames, paintings, rendering, strict=False):
        if other is not None:
            likenesses.append(ssim(painting, other))
        if before is not None:
            flow, valid = motion(before[0], frame)
            if valid.any():
                errors.append(
                    (warping_error(before[1], painting, flow, valid), warping_error(before[0], frame, flow, valid))
                )
        before = frame, painting
    if not errors:
        raise VideoError("no two frames that show the same thing; steadiness needs at least two")
    painted, plain = np.mean(errors, axis=0)
    likeness = float(np.mean(likenesses)) if likenesses else None
    return Steadiness(len(errors), float(painted), float(plain), likeness)


def motion(before: Frame, after: Frame) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns where each pixel of `after` was in `before` (H x W x 2, x and y offsets), and where that can be trusted.

    Trusted is what was inside the picture and comes back when the flow is followed there and back (Sundaram et al.
    2010, with their constants).
    """
    back = _dis_flow(after, before)
    forth = warp(_dis_flow(before, after), back)
    slack = 0.01 * (np.square(back).sum(axis=2) + np.square(forth).sum(axis=2)) + 0.5
    comes_back = np.square(back + forth).sum(axis=2) <= slack
    height, width = after.shape[:2]
    x, y = _sources(back)
    return back, comes_back & (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)


def warp(image: NDArray[Any], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the image (H x W x C, any number type) after the motion: pixel p is taken from p + flow, as float32."""
    x, y = _sources(flow)
    moved = cv2.remap(image.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)


def warping_error(before: Frame, after: Frame, flow: NDArray[np.float32], valid: NDArray[np.bool_]) -> float:
    """Returns the mean squared difference of `after` to the warped `before` over valid pixels, values in 0..1."""
    difference = (after - warp(before, flow)) / 255
    return float(np.square(difference[valid]).mean())


def ssim(one: Frame, other: Frame) -> float:
    """Returns the mean structural similarity of two pictures in grey (Wang et al. 2004: Gaussian window, sigma 1.5)."""
    a, b = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in (one, other))
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b, cov = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2, _blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float(likeness.mean())


def still_scene_ratio(paint: Painter, photo: Frame, frames: int = 60, sigma: float = 3.0, seed: int = 0) -> float:
    """Returns how much livelier a still scene with sensor noise is painted than seen; 1 is as still as the camera.

    The ratio of the standard deviations over time, in the mean over all values, of the paintings and of `frames` copies
    of the photograph with fresh Gaussian noise of `sigma` (in 0..255).
    """
    rng = np.random.default_rng(seed)
    spreads = _Spread(), _Spread()
    for _ in range(frames):
        noisy = np.clip(np.rint(photo + sigma * rng.standard_normal(photo.shape)), 0, 255).astype(np.uint8)
        spreads[0].add(paint(noisy))
        spreads[1].add(noisy)
    return spreads[0].mean() / spreads[1].mean()


class _Spread:
    """The standard deviation of each value over frames, summed up frame by frame."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, frame: Frame) -> None:
        values = frame.astype(np.float64)
        self.count, self.sum, self.squares = self.count + 1, self.sum + values, self.squares + values**2

    def mean(self) -> float:
        variance = self.squares / self.count - (self.sum / self.count) ** 2
        return float(np.sqrt(np.maximum(variance, 0)).mean())


def _dis_flow(start: Frame, end: Frame) -> NDArray[np.float32]:
    """Returns where each pixel of `start` is in `end`: H x W x 2, x and y offsets."""
    height, width = start.shape[:2]
    least, most = LEAST_SIDES
    if min(height, width) < least or max(height, width) < most:
        raise VideoError(
            f"frames of {width}x{height} are too small to follow motion in; expected {most}x{least} or more"
        )
    grey_start, grey_end = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (start, end))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((*grey_start.shape, 2), np.float32)
    return np.asarray(dis.calc(grey_start, grey_end, still), dtype=np.float32)


def _sources(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns x and y of the place from which each pixel comes."""
    height, width = flow.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return columns + flow[..., 0], rows + flow[..., 1]


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT))


def _scaled(picture: Frame, width: int) -> Frame:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
