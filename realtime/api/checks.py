"""Checks what a caller passes in."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np

from realtime.media.encoders import OutputError
from realtime.media.rates import exact_rate


def check_pixels(pixels: object) -> None:
    """Raises TypeError or ValueError unless `pixels` is H x W x 3 uint8, not empty."""
    if not isinstance(pixels, np.ndarray):
        raise TypeError(f"expected a frame or an array of H x W x 3 uint8 RGB, got {type(pixels).__name__}")
    if pixels.dtype != np.uint8:
        hint = " (multiply by 255 first?)" if np.issubdtype(pixels.dtype, np.floating) else ""
        raise TypeError(f"the pixels are {pixels.dtype}, expected uint8{hint}")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"the pixels have the shape {pixels.shape}, expected (height, width, 3)")


def checked_share(name: str, value: float) -> float:
    """Returns a number from 0 to 1. Raises ValueError for any other."""
    return checked_number(name, value, 0, 1)


def checked_number(name: str, value: float, smallest: float, largest: float) -> float:
    """Returns a number within bounds. Raises ValueError for any other."""
    if not smallest <= value <= largest:
        raise ValueError(f"{name} is {value}, expected a number from {smallest:g} to {largest:g}")
    return float(value)


def checked_seconds(name: str, value: float | Fraction) -> float:
    """Returns a time of 0 or more. Raises ValueError for any other."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}, expected seconds, 0 or more")
    return float(value)


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """Returns width and height, 1 or more each. Raises ValueError for anything else."""
    width, height = size
    if min(width, height) < 1:
        raise ValueError(f"size is {width}x{height}, expected width and height of 1 or more, e.g. (640, 480)")
    return int(width), int(height)


def checked_rate(fps: float | Fraction) -> Fraction:
    """Returns frames per second, exactly: 29.97 means 30000/1001. Raises ValueError unless above 0 and up to 1000."""
    if not 0 < fps <= 1000:
        raise ValueError(
            f"fps is {fps}, expected a number above 0 and up to 1000, e.g. 25, 29.97 or Fraction(30000, 1001)"
        )
    return exact_rate(exact(fps))


def exact(number: float | Fraction) -> Fraction:
    """Returns the number as it is written: 0.1 is 1/10."""
    return number if isinstance(number, Fraction) else Fraction(str(number))


def check_may_write(path: Path, overwrite: bool) -> None:
    """Raises OutputError if there is no folder for a file, or the file exists and may not be overwritten."""
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; to overwrite it, pass overwrite=True")
