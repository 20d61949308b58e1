"""The small copy of its picture that a style file holds, so that a later net can paint the style again. Needs no torch.

A style vector belongs to one training of one net. With the picture beside it, another net can learn, or predict, the
same style without the user having to look for the picture.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from styles.weights import WeightsError, picture_bytes

SHORT_SIDE = 256
# WebP ends at 16383 pixels, and of a picture this long a part would do as well.
_LONG_SIDE = 4096
_QUALITY = 90


def small_copy(picture: NDArray[np.uint8]) -> bytes:
    """Returns a WebP with a short side of at most 256 pixels of a picture, H x W x 3 uint8 RGB."""
    image = Image.fromarray(picture)
    scale = min(1.0, SHORT_SIDE / min(image.size), _LONG_SIDE / max(image.size))
    if scale < 1:
        size = [max(1, round(side * scale)) for side in image.size]
        image = image.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=_QUALITY)
    return file.getvalue()


def kept_picture(path: Path) -> NDArray[np.uint8] | None:
    """Returns the picture that a style file holds, H x W x 3 uint8 RGB, or None if it holds none.

    Raises:
        WeightsError: the file or the picture in it is damaged.
    """
    data = picture_bytes(path)
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.array(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError) as exc:
        raise WeightsError(f"{path} holds a picture that cannot be read: {exc}") from exc
