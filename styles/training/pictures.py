"""Photographs and style pictures for training: read once, then cropped and scaled without touching the disk again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from styles.encoder_weights import LONG_SIDE, SHORT_SIDE
from styles.support.progress import Report

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


class PictureError(ValueError):
    """A picture, or a folder of them, cannot be used."""


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Returns the picture as H x W x 3 uint8 RGB, upright. Raises PictureError if it cannot be read."""
    if not path.is_file():
        raise PictureError(f"no picture at {path}")
    # imdecode and not imread: imread cannot open non-ASCII paths on Windows
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except OSError as exc:
        raise PictureError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except cv2.error as exc:
        raise PictureError(f"{path} is not a picture that OpenCV can read: {exc.err or exc}") from exc
    if bgr is None:
        raise PictureError(f"{path} is not a picture that OpenCV can read; expected JPEG, PNG, WebP, BMP or TIFF")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def resize_short_side(picture: NDArray[np.uint8], short_side: int) -> NDArray[np.uint8]:
    """Returns the picture scaled so that its shorter side has `short_side` pixels."""
    scale = short_side / min(picture.shape[:2])
    size = tuple(max(short_side, round(side * scale)) for side in picture.shape[1::-1])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), dtype=np.uint8)


def centre_crop(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Returns the size x size middle of the picture."""
    top, left = ((side - size) // 2 for side in picture.shape[:2])
    return picture[top : top + size, left : left + size]


def centre_square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Returns the middle of the picture, as large as it is high or wide, scaled to side x side."""
    return centre_crop(resize_short_side(picture, side), side)


def planes(picture: NDArray[np.uint8]) -> Tensor:
    """Returns 3 x H x W uint8 from H x W x 3."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def to_tensor(picture: NDArray[np.uint8]) -> Tensor:
    """Returns 1 x 3 x H x W float32 in 0..1 from H x W x 3 uint8."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255


def encoder_input(picture: NDArray[np.uint8]) -> Tensor:
    """Returns a picture, H x W x 3 uint8, as the encoder looks at it: 1 x 3 x H' x W' in 0..1."""
    scaled = resize_short_side(picture, SHORT_SIDE)
    top, left = (max(0, (side - LONG_SIDE) // 2) for side in scaled.shape[:2])
    return to_tensor(scaled[top : top + LONG_SIDE, left : left + LONG_SIDE])


def to_picture(image: Tensor) -> NDArray[np.uint8]:
    """Returns H x W x 3 uint8 from 3 x H x W or 1 x 3 x H x W in 0..1, clamped and rounded."""
    pixels = image.detach().float().reshape(3, *image.shape[-2:]).mul(255).round().clamp(0, 255)
    return pixels.permute(1, 2, 0).to(torch.uint8).cpu().numpy()


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Writes H x W x 3 uint8 RGB in the format of the path's suffix. Raises PictureError if that fails."""
    try:
        done, data = cv2.imencode(path.suffix or ".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except cv2.error as exc:
        raise PictureError(f"cannot write {path}: {path.suffix} is not a picture format that OpenCV writes") from exc
    if not done:
        raise PictureError(f"cannot write {path}: OpenCV could not encode it")
    path.write_bytes(data.tobytes())


def picture_paths(folders: Sequence[Path]) -> list[Path]:
    """Returns the pictures below the folders, sorted. Raises PictureError if a folder is missing or has none."""
    return [path for folder in folders for path in _below(folder)]


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PictureError(f"no folder of photographs at {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    if not paths:
        raise PictureError(
            f"no photographs in {folder}; expected files ending in {', '.join(sorted(PICTURE_SUFFIXES))}"
        )
    return paths


# How near training looks at photographs: from the whole to what a face fills that leans towards a webcam. The logarithm
# of the zoom is spread evenly, and what would be further away than the whole is the whole, in some 8 of 100.
MAX_ZOOM = 2.1
_MIN_ZOOM = 0.94
# This share is overexposed, like a room against a window: skies and lamps become flat and white.
_OVEREXPOSED_SHARE = 0.125
_MAX_GAIN = 2.0


@dataclass(frozen=True)
class PhotoSet:
    """Photographs in memory, each 3 x H x W uint8 with a short side of `short_side`; `skipped` could not be used.

    `fingerprint` tells one choice of files from another, by their names and sizes.
    """

    photos: tuple[Tensor, ...]
    short_side: int
    skipped: tuple[str, ...] = ()
    fingerprint: str = ""

    def to(self, device: torch.device) -> PhotoSet:
        """Returns the photographs in the memory of `device`, which then crops and scales them."""
        return replace(self, photos=tuple(photo.to(device) for photo in self.photos))

    def batch(self, count: int, crop: int, rng: np.random.Generator) -> tuple[Tensor, NDArray[np.float64]]:
        """Returns `count` different photographs, zoomed, cropped, mirrored and exposed at random, and each one's zoom.

        N x 3 x crop x crop in 0..1, and float64[N] in 1..MAX_ZOOM: 1 if the crop is as high (or wide) as the
        photograph, 2 if it shows half of that.
        """
        chosen = rng.choice(len(self.photos), size=count, replace=len(self.photos) < count)
        zooms = np.exp(rng.uniform(np.log(_MIN_ZOOM), np.log(MAX_ZOOM), count)).clip(min=1.0)
        crops = [self._crop(self.photos[i], crop, zoom, rng) for i, zoom in zip(chosen, zooms, strict=True)]
        return torch.cat(crops), zooms

    def _crop(self, photo: Tensor, crop: int, zoom: float, rng: np.random.Generator) -> Tensor:
        window = round(self.short_side / zoom)
        top, left = (int(rng.integers(0, side - window + 1)) for side in photo.shape[1:])
        piece = photo[:, top : top + window, left : left + window][None].float() / 255
        if rng.random() < 0.5:
            piece = piece.flip(3)
        if rng.random() < _OVEREXPOSED_SHARE:
            piece = (piece * (1 + (_MAX_GAIN - 1) * rng.random())).clamp(max=1)
        if window == crop:
            return piece
        return F.interpolate(piece, size=(crop, crop), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def style_picture(folder: Path, name: str) -> Path:
    """Returns the picture of that name, with any suffix, in a folder of style pictures. Raises PictureError."""
    paths = [path for path in sorted(folder.glob(f"{name}.*")) if path.suffix.lower() in PICTURE_SUFFIXES]
    if not paths:
        raise PictureError(
            f"no picture of the style {name!r} in {folder} (expected {name}.jpg, {name}.png …); "
            "name another with STYLE=…, or its folder with --pictures DIR"
        )
    return paths[0]


def load_photos(
    folders: Sequence[Path], crop: int, most: int | None = None, report: Report = lambda *_: None
) -> PhotoSet:
    """Returns the photographs below the folders, decoded once; of more than `most`, an even choice.

    Those that cannot be read or are smaller than `crop` are skipped. Raises PictureError if none is left.
    """
    short_side = crop * 5 // 4
    photos, skipped = [], []
    paths = _even_choice(picture_paths(folders), most)
    for done, path in enumerate(paths):
        if done:
            report(done, done / len(paths), {})
        try:
            picture = _read_photo(path, crop)
        except PictureError as exc:
            skipped.append(str(exc))
            continue
        photos.append(planes(resize_short_side(picture, short_side)))
    if not photos:
        raise PictureError(f"no usable photograph in {', '.join(map(str, folders))}: {skipped[0]}")
    return PhotoSet(tuple(photos), short_side, tuple(skipped), fingerprint(folders, paths))


def fingerprint(folders: Sequence[Path], paths: Iterable[Path]) -> str:
    """Returns what tells one choice of files below the folders from another: a checksum of their names and sizes."""

    def below(path: Path) -> str:
        folder = next(folder for folder in folders if path.is_relative_to(folder))
        return path.relative_to(folder).as_posix()

    files = "\n".join(f"{below(path)} {path.stat().st_size}" for path in paths)
    return hashlib.sha256(files.encode()).hexdigest()


def _even_choice(paths: list[Path], most: int | None) -> list[Path]:
    if most is None or len(paths) <= most:
        return paths
    return [paths[i * len(paths) // most] for i in range(most)]


def _read_photo(path: Path, crop: int) -> NDArray[np.uint8]:
    picture = read_picture(path)
    if min(picture.shape[:2]) < crop:
        size = f"{picture.shape[1]} x {picture.shape[0]}"
        raise PictureError(f"{path} is {size}, smaller than the crop of {crop} (see --crop)")
    return picture
