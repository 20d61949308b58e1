"""The small copy of its picture that a style file holds, so that a later net can paint the style again. Needs no torch.

A style vector belongs to one training of one net. With the picture beside it, another net can learn, or predict, the
same style without the user having to look for the picture.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from styles.encoder_weights import SHORT_SIDE
from styles.weights import WeightsError, picture_bytes

# WebP ends at 16383 pixels, and of a picture this long a part would do as well.
_LONG_SIDE = 4096
_QUALITY = 90
# A copy is a WebP; others may make packs with the other two.
_FORMATS = ("WEBP", "JPEG", "PNG")
# Damaged files make Pillow's decoders raise almost anything.
_DECODE_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, ArithmeticError, MemoryError, struct.error)


def small_copy(picture: NDArray[np.uint8]) -> bytes:
    """Returns a WebP of the picture (H x W x 3 uint8 RGB) with the short side that the style encoder looks at.

    A smaller picture is kept as it is.
    """
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
        return decoded_picture(data)
    except WeightsError as exc:
        raise WeightsError(f"{path} holds {exc}") from exc


def decoded_picture(data: bytes) -> NDArray[np.uint8]:
    """Returns the picture in the bytes of a kept copy, H x W x 3 uint8 RGB.

    Copies come from strangers, too: nothing is decoded that is larger than a copy can be.

    Raises WeightsError where the bytes are damaged, or something else than a copy.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if max(image.size) > _LONG_SIDE or min(image.size) < 1:
                raise ValueError(f"it is {image.width}x{image.height}, expected no side above {_LONG_SIDE}")
            return np.array(image.convert("RGB"))
    except _DECODE_ERRORS as exc:
        reason = "its format is unknown" if isinstance(exc, UnidentifiedImageError) else exc
        raise WeightsError(f"a picture that cannot be read: {reason}") from exc
