"""A single picture as a file: read upright and in sRGB, written with its alpha, its EXIF data and its resolution."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from realtime.frames import Pixels
from realtime.sinks.recorder import OutputError
from realtime.sources.base import SourceError

# What Pillow is told for each kind of file that it writes.
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
# A picture larger than this is taken for a damaged header.
_MOST_PIXELS = 2**31
# Pictures are converted in strips, so that a huge one is never in memory twice.
_STRIP_ROWS = 256
# Pillow's own limit is below what cameras make; ours is _MOST_PIXELS.
Image.MAX_IMAGE_PIXELS = None
# The colour spaces that a profile may be for, by Pillow's names of what it applies to.
_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}


# How a file is laid out, which TIFF tells by the same means as who took the picture (TIFF 6.0; 34675: colour profile).
_LAYOUT_TAGS = frozenset(
    {*range(254, 260), 262, 266, 273, *range(277, 280), 282, 283, 284, 296, 317, 318, 319, *range(320, 326), 338, 339}
    | {*range(512, 522), *range(529, 533), 34675}
)
# Tags that point to groups of tags: EXIF, GPS, interoperability.
_GROUP_TAGS = frozenset({34665, 34853, 40965})
# What needs a package of its own, under the licence of libheif.
HEIF_SUFFIXES = frozenset({".heic", ".heif"})


class PhotoError(SourceError):
    """A file is not a picture that can be read."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture in memory, and what its file says beside it.

    pixels: H x W x 3 uint8 sRGB, upright. alpha: H x W uint8, None where all is opaque. exif: without orientation and
    thumbnail. dpi: dots per inch, in x and y. note: what could not be honoured, for the person who asked.
    """

    pixels: Pixels
    alpha: NDArray[np.uint8] | None = None
    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    note: str = ""


def photo_size(path: Path) -> tuple[int, int]:
    """Returns width and height as the file has them, before it is turned upright. Raises PhotoError."""
    with _opened(path) as image:
        return image.size


def read_photo(path: Path) -> Photo:
    """Returns the picture in a file; of one that moves, the first. 16 bits become 8. Raises PhotoError."""
    with _opened(path) as image, _translated(path):
        image.load()
        dpi = image.info.get("dpi")
        ImageOps.exif_transpose(image, in_place=True)
        exif = _exif(image)
        pixels, alpha, note = _in_srgb(image)
    return Photo(pixels, alpha, exif, None if dpi is None else (float(dpi[0]), float(dpi[1])), note)


def check_photo_size(path: Path, size: tuple[int, int]) -> None:
    """Raises OutputError where the format of the path's suffix holds no picture of that width and height."""
    largest = _LARGEST_SIDES.get(path.suffix.lower())
    if largest is not None and max(size) > largest:
        raise OutputError(
            f"cannot write {path}: its format holds no side above {largest} pixels, and this picture is "
            f"{size[0]}x{size[1]}; wanted --max-size {largest}, or a name ending in .png or .tif"
        )


def write_photo(path: Path, photo: Photo) -> None:
    """Writes a picture in the format of the path's suffix, whole or not at all. Raises OutputError.

    A format without alpha gets the picture laid on white.
    """
    suffix = path.suffix.lower()
    options = dict(PHOTO_FORMATS[suffix])
    if photo.alpha is not None and suffix in _WITHOUT_ALPHA:
        photo = _laid_on_white(photo)
    image = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    if suffix != ".bmp":
        options["icc_profile"] = _srgb_profile()
        if photo.exif:
            options["exif"] = photo.exif
            if suffix in {".tif", ".tiff"} and _has_groups(photo.exif):
                # what compresses, libtiff, writes no groups of tags
                options["compression"] = None
    if photo.dpi is not None and suffix != ".webp":
        options["dpi"] = photo.dpi
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        image.save(partial, **options)  # type: ignore[arg-type]
        partial.replace(path)
    except (OSError, ValueError, RuntimeError) as exc:
        raise OutputError(f"cannot write {path}: {getattr(exc, 'strerror', None) or exc}") from exc
    finally:
        partial.unlink(missing_ok=True)


def has_alpha(path: Path) -> bool:
    """Returns whether the format of a path's suffix holds an alpha channel."""
    return path.suffix.lower() not in _WITHOUT_ALPHA


def resized(photo: Photo, size: tuple[int, int]) -> Photo:
    """Returns the picture with the wanted width and height."""

    def fitting(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        smaller = size[0] < array.shape[1]
        interpolation = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(array, size, interpolation=interpolation), dtype=np.uint8)

    return replace(photo, pixels=fitting(photo.pixels), alpha=None if photo.alpha is None else fitting(photo.alpha))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    if not path.is_file():
        raise PhotoError(f"no file {path}")
    if path.suffix.lower() in HEIF_SUFFIXES:
        _learn_heif(path)
    with _translated(path), warnings.catch_warnings():
        # Pillow warns of damaged metadata, which the painting does without
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise PhotoError(f"{path} claims to be {image.width}x{image.height}; that is taken for a damaged file")
            yield image


def _learn_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError as exc:
        raise PhotoError(f"{path} needs a package to be read; type: pip install pillow-heif") from exc
    pillow_heif.register_heif_opener()


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except PhotoError:
        raise
    except MemoryError as exc:
        raise PhotoError(f"{path} does not fit into memory") from exc
    # Pillow's decoders raise whatever a damaged file leads them to
    except (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, EOFError) as exc:
        reason = "it is empty (0 bytes)" if not path.stat().st_size else getattr(exc, "strerror", None) or str(exc)
        if isinstance(exc, UnidentifiedImageError) and path.stat().st_size:
            reason = "its format is unknown"
        raise PhotoError(f"{path} cannot be read as a picture: {reason}") from exc


def _in_srgb(image: Image.Image) -> tuple[Pixels, NDArray[np.uint8] | None, str]:
    """Returns colours and alpha of an upright picture, and what could not be honoured."""
    if image.mode == "F":
        raise PhotoError("it holds floating-point numbers, of which nobody knows which one is white")
    if image.mode.startswith("I"):
        stored = np.asarray(image)
        # OpenCV knows no byte order but this machine's
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
    """Returns what turns parts of the picture, their alpha taken off, into sRGB, and what could not be honoured."""

    def plainly(part: Image.Image) -> Image.Image:
        return part.convert("RGB")

    data = image.info.get("icc_profile")
    if not data:
        return plainly, ""
    mode = "RGB" if image.has_transparency_data or image.mode == "P" else image.mode
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        # ICC.1: the space that the profile is for, padded to four characters
        if _SPACES.get(mode) != profile.profile.xcolor_space.strip():
            return plainly, f"its colour profile is not for {mode} pictures and is ignored"
        if "sRGB" in (profile.profile.profile_description or ""):
            return plainly, ""
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as exc:
        return plainly, f"its colour profile cannot be read and is ignored ({exc})"

    def through_profile(part: Image.Image) -> Image.Image:
        return ImageCms.applyTransform(part.convert(mode), transform) or part

    return through_profile, ""


def _exif(image: Image.Image) -> bytes:
    """Returns the EXIF data of an upright picture; the thumbnail, which is not painted, is left out."""
    exif = image.getexif()
    for tag in _LAYOUT_TAGS & set(exif):
        del exif[tag]
    return exif.tobytes() if exif else b""


def _has_groups(data: bytes) -> bool:
    exif = Image.Exif()
    exif.load(data)
    return bool(_GROUP_TAGS & set(exif))


def _laid_on_white(photo: Photo) -> Photo:
    assert photo.alpha is not None
    share = photo.alpha[:, :, None].astype(np.uint16)
    mixed = (photo.pixels * share + _WHITE * (255 - share) + 127) // 255
    return replace(photo, pixels=mixed.astype(np.uint8), alpha=None)


@functools.cache
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
