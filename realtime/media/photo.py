"""Image files: read upright and in sRGB, written with their alpha, EXIF data and resolution."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import os
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from realtime.frames import Pixels
from realtime.media import exif
from realtime.media.decoding import SourceError
from realtime.media.encoders import OutputError, OutputFailedError
from realtime.media.free_memory import shortage
from styles.support.atomic_file import atomic_path

# Pillow's arguments for each kind of file that it writes.
PHOTO_FORMATS: Mapping[str, Mapping[str, object]] = {
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"},
    ".png": {"format": "PNG", "compress_level": 3},
    ".webp": {"format": "WEBP", "quality": 95},
    ".tif": {"format": "TIFF", "compression": "tiff_lzw"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    ".bmp": {"format": "BMP"},
}
_WITHOUT_ALPHA = frozenset({".jpg", ".jpeg", ".bmp"})
_LARGEST_SIDES = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
_WHITE = 255
# A picture that claims to be larger has a damaged header.
_MAX_PIXELS = 2**31
# Pictures are converted in strips, so that a huge one does not take its memory twice.
_STRIP_ROWS = 256
# What a pixel takes: in Pillow and, with its alpha, here; then, while it is painted, it and the net's features.
_BYTES_A_PIXEL_READ = 4 + 4
_BYTES_A_PIXEL_PAINTED = 3 + 3 + 8
# A larger JPEG that is made smaller anyway is decoded smaller: still twice as large as wanted, so that nothing is lost.
_MOST_PIXELS_WHOLE = 2**26
_SPARE_SCALE = 2
# PNG: the most bytes that one gives (the longest match of deflate is 258 bytes, in two bits), and the samples of a
# pixel by its color type.
_DEFLATE_RATIO = 1032
# JPEG: the most pixels that one byte gives: each block of 8 x 8 has a bit of its own, also in a progressive file.
_JPEG_RATIO = 8 * 8 * 8
# WebP: its bytes can give any number of pixels, but not of a picture.
_WEBP_RATIO = 2**16
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# How animated files begin: eight bytes and the chunks of PNG; RIFF with the flags of a VP8X chunk.
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WEBP_ANIMATED = 2
_HEAD_BYTES = 32
# EXIF's orientations, and what turns the stored picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST_DPI = 65_535
# Pillow's own limit is lower than the resolution of some cameras; ours is _MAX_PIXELS.
Image.MAX_IMAGE_PIXELS = None
# The color spaces of profiles, by Pillow's modes.
_COLOR_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
_DECODE_ERRORS = (OSError, ValueError, SyntaxError, LookupError, TypeError, EOFError, ArithmeticError, RuntimeError)
# These need the package pillow-heif, which is under the licence of libheif.
HEIF_SUFFIXES = frozenset({".heic", ".heif"})


class PhotoError(SourceError):
    """A file is not a picture, or cannot be read."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture in memory, with what its file says about it.

    Args:
        pixels: H x W x 3 uint8 sRGB, upright.
        alpha: H x W uint8; None if everything is opaque.
        exif: EXIF data without orientation and thumbnail.
        dpi: dots per inch, in x and y; None if the file does not say.
        note: what in the file had to be ignored, "" for nothing.
        full_size: width and height of the whole picture, upright, if it was decoded smaller.
    """

    pixels: Pixels
    alpha: NDArray[np.uint8] | None = None
    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    note: str = ""
    full_size: tuple[int, int] | None = None


def photo_size(path: Path) -> tuple[int, int]:
    """Returns width and height as the file has them, before it is turned upright.

    Raises:
        PhotoError: the file is not a picture.
    """
    with opened(path) as image:
        return image.size


def read_photo(path: Path, longest: int | None = None) -> Photo:
    """Returns the picture in a file; of an animation, the first frame. 16 bits per sample become 8.

    Args:
        path: the file.
        longest: the pixels of the longer side that the caller will make of the picture, None to leave it as it is. A
            huge JPEG is then decoded smaller, and never smaller than that.

    Raises:
        PhotoError: the file is not a picture, is damaged, or does not fit into memory.
    """
    with opened(path) as image, translated(path):
        stored = image.size
        if longest is not None and image.format == "JPEG" and math.prod(stored) > _MOST_PIXELS_WHOLE:
            factor = min(1.0, _SPARE_SCALE * longest / max(stored))
            image.draft(image.mode, (math.ceil(stored[0] * factor), math.ceil(stored[1] * factor)))
        check_memory(path, image, longest)
        image.load()
        dpi = _dpi(image)
        orientation = exif.orientation(image)
        upright = turned_upright(image, orientation)
        data, exif_note = exif.read(image)
        pixels, alpha, note = in_srgb(upright)
        moving = "only the first frame of the animation is painted" if is_animation(path) else ""
    turned = stored[::-1] if orientation in exif.SIDEWAYS else stored
    full_size = None if turned == upright.size else turned
    return Photo(pixels, alpha, data, dpi, "; ".join(filter(None, (moving, note, exif_note))), full_size)


def is_animation(path: Path) -> bool:
    """Returns whether a file is an animated WebP or PNG, by its header; False for one that cannot be read.

    A GIF is a video here.
    """
    try:
        if not path.is_file():  # what is read of a pipe is gone
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head[:4] + head[8:16] == b"RIFFWEBPVP8X":
                return bool(head[20] & _WEBP_ANIMATED)
            if not head.startswith(_PNG_SIGNATURE):
                return False
            file.seek(len(_PNG_SIGNATURE))
            while len(chunk := file.read(8)) == 8 and chunk[4:] not in {b"IDAT", b"IEND"}:
                if chunk[4:] == b"acTL":
                    return True
                file.seek(int.from_bytes(chunk[:4], "big") + 4, os.SEEK_CUR)
    except (OSError, IndexError):
        pass
    return False


def turned_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Returns a picture that is stored in one of EXIF's orientations, 1 to 8, upright."""
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def check_photo_size(path: Path, size: tuple[int, int]) -> None:
    """Checks whether the format of a path's suffix can hold a picture of a width and height.

    Raises:
        OutputError: it cannot.
    """
    largest = _LARGEST_SIDES.get(path.suffix.lower())
    if largest is not None and max(size) > largest:
        raise OutputError(
            f"cannot write {path}: its format holds no side above {largest} pixels, and this picture is "
            f"{size[0]}x{size[1]}; add --max-size {largest}, or choose a name ending in .png or .tif"
        )


def write_photo(path: Path, photo: Photo) -> str:
    """Writes a picture in the format of the path's suffix, whole or not at all.

    If the format has no alpha, the picture is laid on white. EXIF data that the format does not take are left out.

    Returns:
        What was left out, "" for nothing.

    Raises:
        OutputError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    options = dict(PHOTO_FORMATS[suffix])
    note = ""
    if suffix in _WITHOUT_ALPHA:
        photo = laid_on_white(photo)
    image = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    if suffix != ".bmp":
        options["icc_profile"] = _srgb_profile()
        if suffix in {".tif", ".tiff"} and exif.has_groups(photo.exif):
            # libtiff, which compresses, cannot write groups of tags
            options["compression"] = None
        data, note = exif.fitting(photo.exif, options)
        if data:
            options["exif"] = data
    if photo.dpi is not None and suffix != ".webp":
        options["dpi"] = photo.dpi
    try:
        with atomic_path(path) as partial:
            image.save(partial, **options)  # type: ignore[arg-type]
    except (OSError, ValueError, RuntimeError, struct.error) as exc:
        # what the format cannot hold is asked of before; what is left is the disk
        kind = OutputFailedError if isinstance(exc, OSError) else OutputError
        raise kind(f"cannot write {path}: {getattr(exc, 'strerror', None) or exc}") from exc
    return note


def save_snapshot(path: Path, pixels: Pixels) -> None:
    """Writes H x W x 3 uint8 RGB as a PNG.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def has_alpha(path: Path) -> bool:
    """Returns whether the format of a path's suffix can hold an alpha channel."""
    return path.suffix.lower() not in _WITHOUT_ALPHA


def resized(photo: Photo, size: tuple[int, int]) -> Photo:
    """Returns the picture scaled to a width and height."""

    def fitting(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        smaller = size[0] < array.shape[1]
        interpolation = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(array, size, interpolation=interpolation), dtype=np.uint8)

    return replace(photo, pixels=fitting(photo.pixels), alpha=None if photo.alpha is None else fitting(photo.alpha))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Opens a picture file; what goes wrong inside is translated.

    Raises:
        PhotoError: it is not a picture, or it cannot be as large as it claims.
    """
    if not path.is_file():
        raise PhotoError(f"no file {path}")
    if path.suffix.lower() in HEIF_SUFFIXES:
        _register_heif(path)
    with translated(path), warnings.catch_warnings():
        # Pillow warns about damaged metadata, which painting does not need
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            _check_plausible(path, image)
            yield image


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError as exc:
        raise PhotoError(f"{path} cannot be read without pillow-heif; type: pip install pillow-heif") from exc
    pillow_heif.register_heif_opener()


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns whatever Pillow raises about a file into a PhotoError that names it."""
    try:
        yield
    except PhotoError:
        raise
    except MemoryError as exc:
        raise PhotoError(f"{path} does not fit into memory") from exc
    # damaged files make Pillow's decoders raise almost anything
    except (*_DECODE_ERRORS, struct.error) as exc:
        reason = "it is empty (0 bytes)" if not path.stat().st_size else getattr(exc, "strerror", None) or str(exc)
        if isinstance(exc, UnidentifiedImageError) and path.stat().st_size:
            reason = "its format is unknown"
        raise PhotoError(f"{path} cannot be read as a picture: {reason}") from exc


def in_srgb(image: Image.Image) -> tuple[Pixels, NDArray[np.uint8] | None, str]:
    """Returns colors (H x W x 3 uint8) and alpha of a loaded picture, and what had to be ignored."""
    if image.mode == "F":
        raise PhotoError("its samples are floating-point numbers, and nothing says which one is white")
    if image.mode.startswith("I"):
        stored = np.asarray(image)
        # OpenCV supports only this machine's byte order
        native = stored.astype(stored.dtype.newbyteorder("="))
        grey = np.asarray(cv2.convertScaleAbs(native, alpha=1 / 257), dtype=np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2), None, ""
    transparent = image.has_transparency_data
    convert, note = _converter(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty(pixels.shape[:2], np.uint8) if transparent else None
    for top in range(0, image.height, _STRIP_ROWS):
        rows = slice(top, min(top + _STRIP_ROWS, image.height))
        strip = image.crop((0, rows.start, image.width, rows.stop))
        strip.info = image.info  # where a PNG keeps its transparent colour
        if alpha is not None:
            strip = strip.convert("RGBA")
            alpha[rows] = np.asarray(strip.getchannel("A"))
            strip = strip.convert("RGB")
        pixels[rows] = np.asarray(convert(strip))
    return pixels, alpha, note


def _converter(image: Image.Image) -> tuple[Callable[[Image.Image], Image.Image], str]:
    """Returns what turns parts of the picture, without their alpha, into sRGB, and what had to be ignored."""

    def without_profile(part: Image.Image) -> Image.Image:
        return part.convert("RGB")

    data = image.info.get("icc_profile")
    if not data:
        return without_profile, ""
    mode = "RGB" if image.has_transparency_data or image.mode == "P" else image.mode
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        # ICC.1: the space that the profile is for, padded to four characters
        if _COLOR_SPACES.get(mode) != profile.profile.xcolor_space.strip():
            return without_profile, f"its color profile is not for {mode} pictures and is ignored"
        if "sRGB" in (profile.profile.profile_description or ""):
            return without_profile, ""
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as exc:
        return without_profile, f"its color profile cannot be read and is ignored ({exc})"

    def through_profile(part: Image.Image) -> Image.Image:
        return ImageCms.applyTransform(part.convert(mode), transform) or part

    return through_profile, ""


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Returns the resolution that a file states, if it makes sense."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across <= _MOST_DPI and 0 < down <= _MOST_DPI else None


def check_memory(path: Path, image: Image.Image, longest: int | None) -> None:
    """Checks before a picture is decoded whether there is memory for it and for its painting.

    Raises:
        PhotoError: there is not.
    """
    pixels = math.prod(image.size)
    factor = 1.0 if longest is None else min(1.0, longest / max(image.size))
    needed = max(pixels * _BYTES_A_PIXEL_READ, round(pixels * factor**2) * _BYTES_A_PIXEL_PAINTED)
    if short := shortage(needed):
        hint = "; add --max-size 4096" if image.format == "JPEG" and longest is None else ""
        raise PhotoError(f"{path} does not fit into memory: for {image.width}x{image.height} pixels {short}{hint}")


def _check_plausible(path: Path, image: Image.Image) -> None:
    """Checks whether a file can be as large a picture as it claims.

    Raises:
        PhotoError: it cannot, so it is damaged.
    """
    claimed = math.prod(image.size)
    possible = _MAX_PIXELS
    if image.format == "PNG":
        with path.open("rb") as file:
            depth, color_type = file.read(26)[24:]
        bits = depth * _PNG_SAMPLES.get(color_type, 1)
        possible = min(possible, path.stat().st_size * _DEFLATE_RATIO * 8 // max(1, bits))
    if image.format in {"JPEG", "MPO"}:
        possible = min(possible, path.stat().st_size * _JPEG_RATIO)
    if image.format == "WEBP":
        possible = min(possible, max(_MOST_PIXELS_WHOLE, path.stat().st_size * _WEBP_RATIO))
    if claimed > possible:
        raise PhotoError(f"{path} claims to be {image.width}x{image.height}, so it must be damaged")


def laid_on_white(photo: Photo) -> Photo:
    """Returns the picture without transparent parts: white shows through them."""
    if photo.alpha is None:
        return photo
    share = photo.alpha[:, :, None].astype(np.uint16)
    mixed = (photo.pixels * share + _WHITE * (255 - share) + 127) // 255
    return replace(photo, pixels=mixed.astype(np.uint8), alpha=None)


@functools.cache
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
