"""The small valid files that are damaged: videos, pictures, style files. Made here, the same bytes each time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image, ImageCms

import styles
from styles.kept_picture import small_copy
from styles.pack import PackedStyle, write_pack
from styles.registry import NETWORK_SHA256
from styles.weights import load_style

SIZE = (64, 48)
FRAMES = 10
RATE = Fraction(25)
_SOUND_RATE = 48_000
_SOUND_S = FRAMES / RATE


@dataclass(frozen=True)
class Video:
    """How a sample video is made: its suffix, encoders, pixel format and options of muxer and video encoder."""

    suffix: str
    codec: str
    pixel_format: str = "yuv420p"
    sound: str | None = None
    muxer: str | None = None
    options: Mapping[str, str] | None = None
    codec_options: Mapping[str, str] | None = None


_X264 = {"preset": "ultrafast", "g": "5"}
VIDEOS: Mapping[str, Video] = {
    "mp4": Video(".mp4", "libx264", sound="aac", codec_options=_X264),
    "mp4 with its index first": Video(".mp4", "libx264", sound="aac", options={"movflags": "faststart"}),
    "mp4 in fragments": Video(
        ".mp4", "libx264", sound="aac", options={"movflags": "frag_keyframe+empty_moov"}, codec_options=_X264
    ),
    "mov": Video(".mov", "mjpeg", "yuvj420p", "pcm_s16le"),
    "mkv": Video(".mkv", "libx264", sound="flac", codec_options=_X264),
    "mkv of ffv1": Video(".mkv", "ffv1", sound="ac3"),
    "webm": Video(".webm", "libvpx", sound="libopus", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "webm of vp9": Video(".webm", "libvpx-vp9", codec_options={"deadline": "realtime", "cpu-used": "8"}),
    "avi": Video(".avi", "mpeg4", sound="libmp3lame"),
    "avi of mjpeg": Video(".avi", "mjpeg", "yuvj420p", "pcm_s16le"),
    "ts": Video(".ts", "libx264", sound="aac", codec_options=_X264),
    "ts of mpeg2": Video(".ts", "mpeg2video", sound="mp2"),
    "flv": Video(".flv", "flv", sound="libmp3lame"),
    "flv of h264": Video(".flv", "libx264", sound="aac", codec_options=_X264),
    "gif": Video(".gif", "gif", "rgb8"),
    "y4m": Video(".y4m", "rawvideo", muxer="yuv4mpegpipe"),
    "wmv": Video(".wmv", "wmv2", sound="wmav2"),
    "mpg": Video(".mpg", "mpeg1video", sound="mp2"),
    "ogv": Video(".ogv", "libvpx", sound="libopus", codec_options={"deadline": "realtime"}, muxer="ogg"),
    "3gp": Video(".3gp", "mpeg4", sound="aac"),
}

# Pillow's names of formats and options, and the mode of the picture.
_PICTURES: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "jpg": (".jpg", "RGB", {"format": "JPEG"}),
    "jpg with EXIF": (".jpg", "RGB", {"format": "JPEG", "exif": True, "dpi": (72, 72)}),
    "jpg with a profile": (".jpg", "RGB", {"format": "JPEG", "icc_profile": True}),
    "jpg, progressive": (".jpg", "L", {"format": "JPEG", "progressive": True}),
    "jpg of CMYK": (".jpg", "CMYK", {"format": "JPEG"}),
    "png": (".png", "RGB", {"format": "PNG"}),
    "png with alpha and EXIF": (".png", "RGBA", {"format": "PNG", "exif": True}),
    "png with a profile": (".png", "RGB", {"format": "PNG", "icc_profile": True}),
    "png with a palette": (".png", "P", {"format": "PNG", "dpi": (72, 72)}),
    "png of 16 bits": (".png", "I;16", {"format": "PNG"}),
    "png that moves": (".png", "RGB", {"format": "PNG", "save_all": True}),
    "webp": (".webp", "RGB", {"format": "WEBP"}),
    "webp without loss": (".webp", "RGBA", {"format": "WEBP", "lossless": True, "exif": True}),
    "webp that moves": (".webp", "RGB", {"format": "WEBP", "save_all": True, "duration": 40}),
    "tif": (".tif", "RGB", {"format": "TIFF"}),
    "tif, packed": (".tif", "RGB", {"format": "TIFF", "compression": "tiff_lzw", "dpi": (72, 72)}),
    "tif of CMYK": (".tif", "CMYK", {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
    "bmp": (".bmp", "RGB", {"format": "BMP"}),
    "bmp with a palette": (".bmp", "P", {"format": "BMP"}),
    "ppm": (".ppm", "RGB", {"format": "PPM"}),
    "tga": (".tga", "RGB", {"format": "TGA", "compression": "tga_rle"}),
    "jp2": (".jp2", "RGB", {"format": "JPEG2000"}),
    "avif": (".avif", "RGB", {"format": "AVIF"}),
}


@dataclass(frozen=True)
class Samples:
    """Valid files by kind, each with its suffix and its bytes; and the nets that cost nothing."""

    videos: Mapping[str, tuple[str, bytes]]
    pictures: Mapping[str, tuple[str, bytes]]
    styles: Mapping[str, tuple[str, bytes]]
    pack: bytes

    @property
    def identity(self) -> bytes:
        """A net that paints everything as it is, for --style."""
        return self.styles["onnx"][1]


def make_samples(folder: Path) -> Samples:
    """Makes them all.

    Args:
        folder: an empty folder for files on the way.
    """
    videos = {kind: (video.suffix, _video(folder, video)) for kind, video in VIDEOS.items()}
    pictures = {kind: (suffix, _picture(mode, options)) for kind, (suffix, mode, options) in _PICTURES.items()}
    trained = Path(styles.__file__).parent / "trained" / "fast"
    of_styles = {
        "onnx": (".onnx", _identity()),
        "safetensors": (".safetensors", (trained / "wave.safetensors").read_bytes()),
        "safetensors of a net": (".safetensors", trained.with_suffix(".safetensors").read_bytes()),
    }
    return Samples(videos, pictures, of_styles, _pack(folder, trained / "wave.safetensors"))


def _pack(folder: Path, wave: Path) -> bytes:
    """A pack of a style with its vector and its picture, and of a picture alone."""
    style, picture = load_style(wave), small_copy(drawing(0))
    vectors = {"fast": (style.metadata[NETWORK_SHA256], style.vector)}
    path = folder / "sample.nstyle"
    write_pack(path, [PackedStyle("packed", {"title": "Packed"}, picture, vectors), PackedStyle("other", {}, picture)])
    return path.read_bytes()


def drawing(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Returns a frame, H x W x 3 uint8, with a square that moves over a shaded ground."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    frame = np.stack([4 * columns, 4 * rows, 2 * (rows + columns)], axis=2).astype(np.uint8)
    frame[10:30, 3 * index : 3 * index + 20] = (240, 200, 40)
    return frame


def _video(folder: Path, video: Video) -> bytes:
    path = folder / f"sample{video.suffix}"
    options = {"fflags": "+bitexact", **(video.options or {})}
    with av.open(str(path), "w", format=video.muxer, options=options) as container:
        codec_options = {"threads": "1", **(video.codec_options or {})}
        stream: Any = container.add_stream(video.codec, rate=RATE, options=codec_options)
        stream.width, stream.height, stream.pix_fmt = *SIZE, video.pixel_format
        sound: Any = None if video.sound is None else container.add_stream(video.sound, rate=_SOUND_RATE)
        if sound is not None:
            sound.layout, sound.bit_rate = "stereo", 64_000
        container.start_encoding()
        packets = [*_encoded_frames(stream), *([] if sound is None else _encoded_sound(sound))]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path.read_bytes()


def _encoded_frames(stream: Any) -> Iterator[Any]:
    for index in range(FRAMES):
        frame = av.VideoFrame.from_ndarray(drawing(index), format="rgb24").reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = index, 1 / RATE
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded_sound(sound: Any) -> Iterator[Any]:
    resampler = av.AudioResampler(sound.format, sound.layout, _SOUND_RATE, sound.frame_size or 1024)
    at_s = np.arange(round(_SOUND_RATE * _SOUND_S)) / _SOUND_RATE
    tone = np.repeat((8000 * np.sin(2 * np.pi * 440 * at_s)).astype(np.int16), 2).reshape(1, -1)
    whole = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
    whole.rate, whole.pts, whole.time_base = _SOUND_RATE, 0, Fraction(1, _SOUND_RATE)
    for piece in [*resampler.resample(whole), *resampler.resample(None)]:
        yield from sound.encode(piece)
    yield from sound.encode(None)


def _picture(mode: str, options: Mapping[str, Any]) -> bytes:
    given = dict(options)
    if given.get("exif"):
        given["exif"] = _exif()
    if given.get("icc_profile"):
        # the profile says when it was made
        profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        profile[24:36] = bytes(12)
        given["icc_profile"] = bytes(profile)
    if given.get("save_all"):
        given["append_images"] = [Image.fromarray(drawing(index)) for index in range(1, 4)]
    image = Image.fromarray(drawing(0))
    if mode == "I;16":
        image = Image.fromarray(drawing(0)[..., 0].astype(np.uint16) * 257)
    data = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(data, **given)
    return data.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Maker", "Model"
    exif.get_ifd(0x8769)[0x829A] = 0.01
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif.tobytes()


def _identity() -> bytes:
    shape: Sequence[str | int | None] = [1, "height", "width", 3]
    ends = [helper.make_tensor_value_info(end, TensorProto.UINT8, shape) for end in ("frame", "painted")]
    node = helper.make_node("Identity", ["frame"], ["painted"])
    graph = helper.make_graph([node], "identity", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    data: bytes = model.SerializeToString()
    onnx.checker.check_model(model)
    return data
