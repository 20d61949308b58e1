"""Animated WebP and PNG: every frame as it is seen, with the time for which it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import ImageSequence

from realtime.frames import Pixels, Size
from realtime.media import exif
from realtime.media.photo import check_memory, in_srgb, opened, translated, turned_upright

# A frame that says nothing, or nothing possible, is shown that long, as browsers do.
_USUAL_DURATION_S = Fraction(1, 10)
_MS_PER_S = 1000


@dataclass(frozen=True, eq=False)
class AnimationFrame:
    """One frame.

    Args:
        pixels: H x W x 3 uint8 sRGB, upright.
        duration_s: how long it is shown, in seconds.
        transparent: whether it has an alpha channel that hides something.
    """

    pixels: Pixels
    duration_s: Fraction
    transparent: bool


@dataclass(frozen=True)
class AnimationInfo:
    """What the header of an animation says: its upright size, and how many frames there are to be."""

    size: Size
    frame_count: int


def animation_info(path: Path) -> AnimationInfo:
    """Returns what a file says of itself.

    Raises:
        PhotoError: it is not a picture.
    """
    with opened(path) as image:
        sideways = exif.orientation(image) in exif.SIDEWAYS
        # a PNG may have a picture for viewers that know no animations
        hidden = bool(getattr(image, "default_image", False))
        return AnimationInfo(image.size[::-1] if sideways else image.size, getattr(image, "n_frames", 1) - hidden)


def read_animation(path: Path) -> Iterator[AnimationFrame]:
    """Yields the frames of a file.

    Raises:
        PhotoError: it is not a picture, is damaged from here on, or does not fit into memory.
    """
    with opened(path) as image, translated(path):
        check_memory(path, image, None)
        orientation = exif.orientation(image)
        frames = ImageSequence.Iterator(image)
        if getattr(image, "default_image", False):
            next(frames)
        for frame in frames:
            frame.load()
            duration_s = _duration_s(frame.info.get("duration"))
            pixels, alpha, _ = in_srgb(turned_upright(frame, orientation))
            yield AnimationFrame(pixels, duration_s, alpha is not None and bool(alpha.min() < 255))


def _duration_s(stated_ms: Any) -> Fraction:
    try:
        return Fraction(stated_ms).limit_denominator(_MS_PER_S) / _MS_PER_S or _USUAL_DURATION_S
    except (TypeError, ValueError, ArithmeticError):
        return _USUAL_DURATION_S
