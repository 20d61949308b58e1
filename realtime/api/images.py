"""Reads and writes single images."""

from __future__ import annotations

from pathlib import Path

from realtime.api.checks import check_may_write, check_pixels
from realtime.frames import Pixels
from realtime.media.encoders import OutputError
from realtime.media.photo import PHOTO_FORMATS, Photo, check_photo_size, read_photo, write_photo


def read_image(path: str | Path) -> Pixels:
    """Returns the image in a file.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP and whatever else Pillow reads; HEIC with the extra `heic`.

    Returns:
        H x W x 3 uint8 RGB, upright and in sRGB; of an animation the first frame. Transparency is ignored.

    Raises:
        PhotoError: the file is missing or not an image.
    """
    return read_photo(Path(path)).pixels


def write_image(path: str | Path, pixels: Pixels, *, overwrite: bool = False) -> None:
    """Writes an image into a file, completely or not at all.

    Args:
        path: a name that ends in .jpg, .jpeg, .png, .webp, .tif, .tiff or .bmp.
        pixels: H x W x 3 uint8 RGB in sRGB.
        overwrite: whether the file may exist.

    Raises:
        OutputError: the file cannot be written, or exists.
        TypeError: `pixels` is not a uint8 array.
        ValueError: `pixels` is not of that shape.
    """
    path = Path(path)
    check_pixels(pixels)
    check_may_write(path, overwrite)
    if path.suffix.lower() not in PHOTO_FORMATS:
        raise OutputError(f"cannot write {path}: expected a name that ends in {', '.join(PHOTO_FORMATS)}")
    check_photo_size(path, (pixels.shape[1], pixels.shape[0]))
    write_photo(path, Photo(pixels))
