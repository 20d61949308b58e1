"""Between the pictures of files and RGB: colour matrices and ranges, high dynamic range, rotation, odd sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter

from realtime.frames import UNSPECIFIED, Pixels, Presentation
from realtime.media.encoders import Encoder
from realtime.sources.base import Size

# swscale's quick ways round down: all pictures would come out one level of 255 darker.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
# Pictures larger than this are in the colours of HD where a file does not say theirs: what players take for granted.
_SD_SIZE = (1279, 576)
# Of ITU-T H.273: matrices and primaries of HD and SD, transfers of high dynamic range.
_BT709, _BT601, _RGB = 1, 6, 0
_HDR_TRANSFERS = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
# OpenCV's codes of flips left to right and top to bottom.
_FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}
_PRIMARIES = {int(value) for value in ColorPrimaries}
_TRANSFERS = {int(value) for value in ColorTrc}


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes an upright one: rows and columns are swapped first, then it is flipped."""

    swapped: bool = False
    flipped_x: bool = False
    flipped_y: bool = False

    def size(self, stored: Size) -> Size:
        """Returns the upright size of a picture of a stored size, and the other way round."""
        return stored[::-1] if self.swapped else stored

    def apply(self, pixels: Pixels) -> Pixels:
        if self.swapped:
            pixels = np.asarray(cv2.transpose(pixels), dtype=np.uint8)
        if self.flipped_x or self.flipped_y:
            pixels = np.asarray(cv2.flip(pixels, _FLIPS[self.flipped_x, self.flipped_y]), dtype=np.uint8)
        return pixels


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """Returns how a picture is to be turned by its display matrix (ISO 14496-12, 6.2.2), to the nearest right angle."""
    data: Any = picture.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), np.int32).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def hdr_name(picture: av.VideoFrame) -> str | None:
    """Returns "PQ" or "HLG" for a picture of high dynamic range."""
    return _HDR_TRANSFERS.get(ColorTrc(picture.color_trc)) if picture.color_trc in _TRANSFERS else None


def presentation_of(picture: av.VideoFrame, sample_aspect_ratio: Fraction, turn: Orientation) -> Presentation:
    """Returns what is to be said of a picture once it is upright RGB of ordinary dynamic range."""
    aspect = 1 / sample_aspect_ratio if turn.swapped else sample_aspect_ratio
    if hdr_name(picture) is not None:
        return Presentation(aspect, int(ColorPrimaries.BT709), int(ColorTrc.BT709))
    return Presentation(aspect, picture.color_primaries, picture.color_trc)


def is_see_through(picture: av.VideoFrame) -> bool:
    """Returns whether a picture has alpha that hides something."""
    if not any(component.is_alpha for component in picture.format.components):
        return False
    return bool(picture.to_ndarray(format="rgba")[..., 3].min() < 255)


class ToRgb:
    """Turns decoded pictures into upright H x W x 3 uint8 RGB of one size, in one pass; a picture of high dynamic range
    into one of the ordinary, by swscale's perceptual mapping. It keeps what swscale prepares, so it is made once.
    """

    def __init__(self, size: Size, turn: Orientation = Orientation()) -> None:
        self._size, self._turn = turn.size(size), turn
        self._reformatter = VideoReformatter()

    def __call__(self, picture: av.VideoFrame) -> Pixels:
        scaled = (picture.width, picture.height) != self._size
        how = (Interpolation.BICUBIC if scaled else Interpolation.BILINEAR) | _EXACT
        colours: dict[str, Any] = {}
        if hdr_name(picture) is not None:
            # with that flag swscale's mapping mixes up the lines of the chroma
            how &= ~Interpolation.FULL_CHR_H_INT
            if picture.color_primaries == UNSPECIFIED:
                picture.color_primaries = ColorPrimaries.BT2020
            colours = {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
        if picture.colorspace == UNSPECIFIED:
            colours["src_colorspace"] = (
                Colorspace.ITU709 if _is_hd((picture.width, picture.height)) else Colorspace.ITU601
            )
        rgb = self._reformatter.reformat(
            picture,
            width=self._size[0],
            height=self._size[1],
            # swscale makes planes in less than half the time of pixels, and joining them costs next to nothing
            format="gbrp",
            dst_color_range=ColorRange.JPEG,
            interpolation=how,
            threads=1,
            **colours,
        )
        green, blue, red = (_samples(plane) for plane in rgb.planes)
        return self._turn.apply(np.asarray(cv2.merge([red, green, blue]), dtype=np.uint8))


def _samples(plane: Any) -> Pixels:
    """Returns H x W uint8, where the plane keeps them; its rows may be longer."""
    rows: Pixels = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


@dataclass(frozen=True)
class EncodedPicture:
    """What an encoder is given and told: sizes in pixels, colours in the numbers of ITU-T H.273."""

    fitted: Size
    size: Size
    pixel_format: str
    sample_aspect_ratio: Fraction
    matrix: int
    primaries: int
    transfer: int
    notes: Sequence[str] = ()

    @property
    def range(self) -> int:
        return int(ColorRange.JPEG if self.matrix == _RGB else ColorRange.MPEG)


def picture_for(encoder: Encoder, size: Size, presentation: Presentation) -> EncodedPicture:
    """Returns how pictures of a size are encoded; its notes tell what differs from the original."""
    notes, aspect, fitted = [], presentation.sample_aspect_ratio, size
    if aspect != 1 and not encoder.tells_sample_aspect_ratio:
        fitted = (round(size[0] * aspect), size[1]) if aspect > 1 else (size[0], round(size[1] / aspect))
        notes.append(f"pixels are made square: {_by(size)} becomes {_by(fitted)} (H.264 in mp4, mov or mkv keeps them)")
        aspect = Fraction(1)
    even = (fitted[0] + fitted[0] % 2, fitted[1] + fitted[1] % 2)
    encoded = even if encoder.even else fitted
    if encoded != fitted:
        notes.append(
            f"H.264 and H.265 need even sides: {_by(fitted)} becomes {_by(encoded)}, its last line repeated "
            "(webm and ffv1 keep it)"
        )
    usual = _BT709 if _is_hd(encoded) else _BT601
    planar = encoder.pixel_format.startswith("yuv")
    return EncodedPicture(
        fitted,
        encoded,
        encoder.pixel_format,
        aspect,
        usual if planar else _RGB,
        _known(presentation.primaries, _PRIMARIES, usual),
        _known(presentation.transfer, _TRANSFERS, usual),
        tuple(notes),
    )


def _is_hd(size: Size) -> bool:
    return size[0] > _SD_SIZE[0] or size[1] > _SD_SIZE[1]


def _known(value: int, known: set[int], usual: int) -> int:
    return value if value in known and value != UNSPECIFIED else usual


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


class _Palette:
    """Gives each picture the 256 colours that suit it best."""

    def __init__(self, size: Size) -> None:
        self._graph = graph = Graph()
        source = graph.add_buffer(width=size[0], height=size[1], format=av.VideoFormat("rgb24"), time_base=Fraction(1))
        split, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use, sink = graph.add("paletteuse", "new=1"), graph.add("buffersink")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._count = 0

    def __call__(self, rgb: av.VideoFrame) -> av.VideoFrame:
        rgb.pts, rgb.time_base = self._count, Fraction(1)
        self._count += 1
        self._graph.vpush(rgb)
        return self._graph.vpull()


class FromRgb:
    """Turns H x W x 3 uint8 RGB into what an encoder takes."""

    def __init__(self, picture: EncodedPicture) -> None:
        self._picture = picture
        self._reformatter = VideoReformatter()
        self._palette = _Palette(picture.size) if picture.pixel_format == "pal8" else None

    def __call__(self, pixels: Pixels) -> av.VideoFrame:
        rgb = av.VideoFrame.from_ndarray(self._fitting(pixels), format="rgb24")
        picture = self._picture
        if self._palette is not None:
            return self._palette(rgb)
        if picture.matrix == _RGB:
            return self._reformatter.reformat(rgb, format=picture.pixel_format, threads=1)
        return self._reformatter.reformat(
            rgb,
            format=picture.pixel_format,
            dst_colorspace=Colorspace.ITU709 if picture.matrix == _BT709 else Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC | _EXACT,
            threads=1,
        )

    def _fitting(self, pixels: Pixels) -> Pixels:
        """Returns the picture in the size of the file."""
        (width, height), fitted, size = pixels.shape[1::-1], self._picture.fitted, self._picture.size
        if (width, height) != fitted:
            enlarged = fitted[0] * fitted[1] > width * height
            how = cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA
            pixels = np.asarray(cv2.resize(pixels, fitted, interpolation=how), dtype=np.uint8)
        right, bottom = size[0] - fitted[0], size[1] - fitted[1]
        if right or bottom:
            pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
        return np.ascontiguousarray(pixels)
