"""Between RGB and the frames of files: color matrices and ranges, high dynamic range, orientation, odd sides."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from PIL import Image

from realtime.frames import UNSPECIFIED, Pixels, Presentation, Size
from realtime.media.encoders import Encoder
from realtime.media.yuv import ToYuv420

# Without these flags swscale rounds down: all frames would come out one level of 255 darker.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
# Video that is larger in width or height is taken for HD if it does not say its color matrix, as players do.
_SD_SIZE = (1279, 576)
# Numbers of ITU-T H.273: matrices and primaries of HD and SD, and no matrix at all.
_BT709, _BT601, _RGB = 1, 6, 0
# The transfers of high dynamic range.
_HDR_TRANSFERS = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
# OpenCV's codes of flips left to right and top to bottom.
_FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}
_PRIMARIES = {int(value) for value in ColorPrimaries}
_TRANSFERS = {int(value) for value in ColorTrc}
_COLORSPACES = {_BT709: Colorspace.ITU709, _BT601: Colorspace.ITU601}


@dataclass(frozen=True)
class Orientation:
    """How a stored frame becomes an upright one: rows and columns are swapped first, then it is flipped."""

    swapped: bool = False
    flipped_x: bool = False
    flipped_y: bool = False

    def size(self, stored: Size) -> Size:
        """Returns the upright size for a stored size, and the other way round."""
        return stored[::-1] if self.swapped else stored

    def apply(self, pixels: Pixels) -> Pixels:
        """Returns the upright frame, H x W x 3 uint8."""
        if self.swapped:
            pixels = np.asarray(cv2.transpose(pixels), dtype=np.uint8)
        if self.flipped_x or self.flipped_y:
            pixels = np.asarray(cv2.flip(pixels, _FLIPS[self.flipped_x, self.flipped_y]), dtype=np.uint8)
        return pixels


# The values of EXIF's tag (CIPA DC-008, 4.6.4).
_ORIENTATION_TAG = 0x0112
_EXIF_ORIENTATIONS: Mapping[Any, Orientation] = {
    2: Orientation(False, True, False),
    3: Orientation(False, True, True),
    4: Orientation(False, False, True),
    5: Orientation(True, False, False),
    6: Orientation(True, True, False),
    7: Orientation(True, True, True),
    8: Orientation(True, False, True),
}
# By quarter turns counterclockwise.
_TURNS = (
    Orientation(),
    Orientation(True, False, True),
    Orientation(False, True, True),
    Orientation(True, True, False),
)
# Each of their frames is an image file.
_IMAGE_CODECS = frozenset(
    {"apng", "bmp", "exr", "gif", "jpeg2000", "jpegls", "jpegxl", "jpegxl_anim", "ljpeg", "mjpeg", "mjpegb", "png"}
    | {"libjxl", "libjxl_anim", "libopenjpeg", "tiff", "webp"}
)


def orientation_of(decoded: av.VideoFrame, stream: Any, packet: bytes = b"") -> Orientation:
    """Returns how a frame becomes upright, to the nearest right angle.

    Args:
        decoded: the frame.
        stream: its stream.
        packet: what it was decoded from, whose EXIF data count if it is an image file of its own.
    """
    if stream.codec_context.name in _IMAGE_CODECS:
        # PyAV crashes on the color profile of such a frame, and does not know its EXIF data
        tag = _exif_orientation(packet, decoded.width * decoded.height)
        return _EXIF_ORIENTATIONS.get(tag) or _turned(decoded.rotation)
    try:
        data: Any = decoded.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # FFmpeg has kinds of side data that PyAV does not know
        return _turned(decoded.rotation)
    return Orientation() if data is None else _asked_by_matrix(bytes(data))


def has_side_data(decoded: av.VideoFrame, stream: Any, kind: str) -> bool:
    """Returns whether a frame comes with side data, by PyAV's name of its kind."""
    if stream.codec_context.name in _IMAGE_CODECS:
        return False
    try:
        return decoded.side_data.get(kind) is not None
    except ValueError:
        return False


def scaled_aspect(aspect: Fraction, before: Size, after: Size) -> Fraction:
    """Returns the sample aspect ratio that keeps the shape of a frame whose size changes."""
    stretched = Fraction(before[0] * after[1], before[1] * after[0])
    # sides are whole numbers: what comes of rounding is not intended
    if abs(stretched - 1) < Fraction(1, 50) or before == after:
        return aspect
    return (aspect * stretched).limit_denominator(255)


def _exif_orientation(data: bytes, pixels: int) -> Any:
    """Returns the tag of an image file that was decoded to so many pixels; None if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                # Pillow decodes a PNG to find what lies behind its pixels; one that claims others may be a bomb
                return image.getexif().get(_ORIENTATION_TAG) if math.prod(image.size) == pixels else None
    except Exception:  # damaged files make Pillow raise almost anything
        return None


def _turned(degrees: int) -> Orientation:
    """Returns what a rotation by so many degrees, counterclockwise, asks for."""
    return _TURNS[round(degrees / 90) % 4]


def _asked_by_matrix(matrix: bytes) -> Orientation:
    """Returns what a display matrix asks for (ISO 14496-12, 6.2.2)."""
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)


def hdr_name(decoded: av.VideoFrame) -> str | None:
    """Returns "PQ" or "HLG" for a frame of high dynamic range, else None."""
    return _HDR_TRANSFERS.get(ColorTrc(decoded.color_trc)) if decoded.color_trc in _TRANSFERS else None


def presentation_of(decoded: av.VideoFrame, sample_aspect_ratio: Fraction, orientation: Orientation) -> Presentation:
    """Returns how a frame is to be shown once it is upright RGB of standard dynamic range.

    Args:
        decoded: the frame as it was decoded.
        sample_aspect_ratio: width of a stored pixel divided by its height.
        orientation: how the stored frame becomes upright.
    """
    aspect = 1 / sample_aspect_ratio if orientation.swapped else sample_aspect_ratio
    if hdr_name(decoded) is not None:
        return Presentation(aspect, int(ColorPrimaries.BT709), int(ColorTrc.BT709))
    return Presentation(aspect, decoded.color_primaries, decoded.color_trc)


def is_transparent(decoded: av.VideoFrame) -> bool:
    """Returns whether a frame has an alpha channel that hides something."""
    if not any(component.is_alpha for component in decoded.format.components):
        return False
    return bool(decoded.to_ndarray(format="rgba")[..., 3].min() < 255)


class ToRgb:
    """Turns decoded frames into upright H x W x 3 uint8 RGB of one size, in one pass.

    High dynamic range becomes standard by swscale's perceptual mapping. An instance is for one video: it keeps what
    swscale prepares.

    Args:
        size: width and height of the result.
        orientation: how the stored frames become upright.
    """

    def __init__(self, size: Size, orientation: Orientation = Orientation()) -> None:
        self._size, self._orientation = orientation.size(size), orientation
        self._reformatter = VideoReformatter()

    def __call__(self, decoded: av.VideoFrame) -> Pixels:
        scaled = (decoded.width, decoded.height) != self._size
        how = (Interpolation.BICUBIC if scaled else Interpolation.BILINEAR) | _EXACT
        colors: dict[str, Any] = {}
        if hdr_name(decoded) is not None:
            # with that flag swscale's mapping mixes up the lines of the chroma
            how &= ~Interpolation.FULL_CHR_H_INT
            if decoded.color_primaries == UNSPECIFIED:
                decoded.color_primaries = ColorPrimaries.BT2020
            colors = {"dst_color_trc": ColorTrc.BT709, "dst_color_primaries": ColorPrimaries.BT709}
        if decoded.colorspace == UNSPECIFIED:
            colors["src_colorspace"] = _COLORSPACES[_usual_matrix((decoded.width, decoded.height))]
        rgb = self._reformatter.reformat(
            decoded,
            width=self._size[0],
            height=self._size[1],
            # swscale makes planes in less than half the time of pixels, and merging them costs next to nothing
            format="gbrp",
            dst_color_range=ColorRange.JPEG,
            interpolation=how,
            threads=1,
            **colors,
        )
        green, blue, red = (_samples(plane) for plane in rgb.planes)
        return self._orientation.apply(np.asarray(cv2.merge([red, green, blue]), dtype=np.uint8))


def _samples(plane: Any) -> Pixels:
    """Returns H x W uint8 that shares the plane's memory, in which rows may be longer."""
    rows: Pixels = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


@dataclass(frozen=True)
class EncodedFormat:
    """What an encoder is given.

    Args:
        fitted: size to which frames are scaled, so that their pixels are square if they must be.
        size: `fitted` with even sides if they must be even.
        pixel_format: FFmpeg's name of it.
        sample_aspect_ratio: width of a pixel divided by its height.
        matrix: color matrix, a number of ITU-T H.273, like `primaries` and `transfer`.
        notes: what differs from the original, one line each.
    """

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
        """Full range for RGB, limited range for YUV."""
        return int(ColorRange.JPEG if self.matrix == _RGB else ColorRange.MPEG)


def encoded_format(encoder: Encoder, size: Size, presentation: Presentation) -> EncodedFormat:
    """Returns how an encoder is given frames.

    Args:
        encoder: the encoder.
        size: width and height of the frames.
        presentation: how they are to be shown.
    """
    notes, aspect, fitted = [], presentation.sample_aspect_ratio, size
    if aspect != 1 and not encoder.writes_sample_aspect_ratio:
        fitted = (round(size[0] * aspect), size[1]) if aspect > 1 else (size[0], round(size[1] / aspect))
        notes.append(
            f"pixels are made square: {_by(size)} becomes {_by(fitted)} (H.264 in mp4, mov or mkv keeps their shape)"
        )
        aspect = Fraction(1)
    even = (fitted[0] + fitted[0] % 2, fitted[1] + fitted[1] % 2)
    encoded = even if encoder.even else fitted
    if encoded != fitted:
        notes.append(
            f"H.264 and H.265 need even sides: {_by(fitted)} becomes {_by(encoded)}, its last line repeated "
            "(webm and ffv1 keep odd sides)"
        )
    usual = _usual_matrix(encoded)
    return EncodedFormat(
        fitted,
        encoded,
        encoder.pixel_format,
        aspect,
        usual if encoder.pixel_format.startswith("yuv") else _RGB,
        _known(presentation.primaries, _PRIMARIES, usual),
        _known(presentation.transfer, _TRANSFERS, usual),
        tuple(notes),
    )


def _usual_matrix(size: Size) -> int:
    """Returns BT.709 for HD and BT.601 for SD: what players assume if a video does not say."""
    return _BT709 if size[0] > _SD_SIZE[0] or size[1] > _SD_SIZE[1] else _BT601


def _known(value: int, known: set[int], usual: int) -> int:
    return value if value in known and value != UNSPECIFIED else usual


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


class _Palette:
    """Gives each frame the 256 colors that suit it best."""

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
    """Turns H x W x 3 uint8 RGB into what an encoder takes.

    Args:
        encoded: the format that the encoder takes.
    """

    def __init__(self, encoded: EncodedFormat) -> None:
        self._format = encoded
        self._to_yuv = None if encoded.matrix == _RGB else ToYuv420(encoded.matrix)
        self._reformatter = VideoReformatter()
        self._palette = _Palette(encoded.size) if encoded.pixel_format == "pal8" else None

    def __call__(self, pixels: Pixels) -> av.VideoFrame:
        fitting = self._fitting(pixels)
        if self._to_yuv is not None:
            return self._to_yuv(fitting)
        rgb = av.VideoFrame.from_ndarray(fitting, format="rgb24")
        if self._palette is not None:
            return self._palette(rgb)
        return self._reformatter.reformat(rgb, format=self._format.pixel_format, threads=1)

    def _fitting(self, pixels: Pixels) -> Pixels:
        """Returns the frame in the size of the file."""
        (width, height), fitted, size = pixels.shape[1::-1], self._format.fitted, self._format.size
        if (width, height) != fitted:
            enlarged = fitted[0] * fitted[1] > width * height
            how = cv2.INTER_CUBIC if enlarged else cv2.INTER_AREA
            pixels = np.asarray(cv2.resize(pixels, fitted, interpolation=how), dtype=np.uint8)
        right, bottom = size[0] - fitted[0], size[1] - fitted[1]
        if right or bottom:
            pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)
        return np.ascontiguousarray(pixels)
