"""How videos are encoded: which encoders there are, which options each has, and which containers hold them."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
from av.codec.codec import UnknownCodecError

from realtime.frames import Size
from styles.support.readers import quoted

# Default quality of all encoders that are not lossless.
CRF = 18
# The AVX-512 code of x264's macroblock tree reads memory that was never written: at some sizes, encoding the same
# frames twice gives different bytes. The number is OpenCV's (core/cvdef.h), which has no name for it in Python.
_AVX512F = 13
# With another number of threads H.264, H.265 and VP9 come out otherwise. Where the same frames are to give the same
# bytes, on any machine, it is this one.
REPEATABLE_THREADS = 4
# Frames that an encoder looks ahead are lost in a crash.
_MAX_LOOKAHEAD_S = Fraction(1, 2)
# Large enough for every hardware encoder to open.
_PROBE_SIDE = 256
# Every encoder takes frames of such sides.
_USUAL_SIDE = 4096
_X26_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip


class OutputError(ValueError):
    """An output cannot be written as asked: it exists, its folder is missing, or its format is unknown."""


class OutputFailedError(OutputError):
    """An output cannot be written although it was asked for rightly: the disk is full or fails, its folder is gone."""


class EncodingError(ValueError):
    """Encoder, container, quality and preset do not go together."""


class EncoderUnavailableError(RuntimeError):
    """The requested encoder does not run here."""


@dataclass(frozen=True)
class Encoding:
    """How a video is to be encoded.

    Args:
        encoder: a name in ENCODERS, or "auto" for the container's usual one.
        crf: quality, 0 (best) to the encoder's `worst`; None for CRF.
        preset: the encoder's preset; None for its usual one.
        bit_rate: bits per second, in place of a quality; None for a quality.
        constant_bit_rate: fill up to the bit rate where the picture needs less.
        low_latency: no frame is held back, and speed matters more than size.
        repeatable: the same frames give the same bytes every time, however many cores there are.
        pipe_format: a name in PIPE_FORMATS, in place of what the output's name says; "" for what it says.
    """

    encoder: str = "auto"
    crf: int | None = None
    preset: str | None = None
    bit_rate: int | None = None
    constant_bit_rate: bool = False
    low_latency: bool = False
    repeatable: bool = False
    pipe_format: str = ""


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg and the names of its options.

    Args:
        suffixes: the containers that can hold it, as they are named in CONTAINERS and PIPE_FORMATS.
        pixel_format: what it is given, by FFmpeg's name.
        quality_option: the option for the quality, of which 0 is best and `worst` worst; None if it is lossless.
        preset_option: the option for the preset, which is one of `presets`.
        preset: the usual preset.
        low_latency_preset: the usual preset for `Encoding.low_latency`.
        options: options that are always given.
        low_latency_options: options that make it hold no frame back.
        constant_rate_options: options that fill up to the bit rate.
        quick_options: turns off what the usual preset spends time on without gain for painted frames.
        even: whether both sides must be even.
        writes_sample_aspect_ratio: whether its stream says how wide a pixel is; PyAV cannot make the container say so.
        lookahead: the option for the number of frames that it looks ahead, and the usual number.
        tag: the codec tag by which Apple's players know its stream.
        needs: what it takes to run it.
    """

    suffixes: Sequence[str]
    pixel_format: str = "yuv420p"
    quality_option: str | None = "crf"
    worst: int = 51
    preset_option: str = "preset"
    presets: Sequence[str] = ()
    preset: str | None = None
    low_latency_preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    low_latency_options: Mapping[str, str] = field(default_factory=dict)
    constant_rate_options: Mapping[str, str] = field(default_factory=dict)
    quick_options: Mapping[str, str] = field(default_factory=dict)
    even: bool = True
    writes_sample_aspect_ratio: bool = True
    lookahead: tuple[str, int] | None = None
    tag: str | None = None
    needs: str = "an FFmpeg that was built with it"


_MP4_SUFFIXES = (".mp4", ".m4v", ".mov")
_H26_SUFFIXES = (*_MP4_SUFFIXES, ".mkv", "mpegts", "mkv")
ENCODERS: Mapping[str, Encoder] = {
    "libx264": Encoder(
        _H26_SUFFIXES,
        presets=_X26_PRESETS,
        preset="veryfast",
        low_latency_preset="ultrafast",
        low_latency_options={"tune": "zerolatency", "forced-idr": "1"},
        # a frame lasts until the next one comes, and not always as long as the rate says
        constant_rate_options={"nal-hrd": "cbr", "x264-params": "force-cfr=0"},
        quick_options={
            "coder": "0",
            "subq": "0",
            "motion-est": "dia",
            "partitions": "i8x8",
            "bf": "0",
            "chromaoffset": "-3",
        },
        lookahead=("rc-lookahead", 10),
    ),
    "libx265": Encoder(
        _H26_SUFFIXES,
        presets=_X26_PRESETS,
        preset="veryfast",
        low_latency_preset="ultrafast",
        # by default it writes pages of log to stderr
        options={"x265-params": "log-level=error"},
        low_latency_options={"tune": "zerolatency", "forced-idr": "1"},
        tag="hvc1",
    ),
    "h264_nvenc": Encoder(
        _H26_SUFFIXES,
        quality_option="cq",
        presets=tuple(f"p{number}" for number in range(1, 8)),
        preset="p4",
        low_latency_preset="p1",
        options={"rc": "vbr", "b": "0"},
        low_latency_options={"tune": "ull", "zerolatency": "1", "delay": "0", "forced-idr": "1"},
        constant_rate_options={"rc": "cbr", "cbr_padding": "1"},
        needs="an NVIDIA card with its driver",
    ),
    "libvpx-vp9": Encoder(
        (".webm", ".mkv", ".mp4", "mkv"),
        worst=63,
        preset_option="cpu-used",
        presets=tuple(map(str, range(9))),
        preset="6",
        low_latency_preset="8",
        options={"row-mt": "1", "deadline": "realtime", "b": "0"},
        low_latency_options={"lag-in-frames": "0"},
        lookahead=("lag-in-frames", 25),
        even=False,
        writes_sample_aspect_ratio=False,
    ),
    "libsvtav1": Encoder(
        (".mkv", ".webm", ".mp4", "mkv"),
        worst=63,
        presets=tuple(map(str, range(14))),
        preset="10",
        low_latency_preset="12",
        even=False,
        writes_sample_aspect_ratio=False,
    ),
    # lossless: exactly what was painted
    "ffv1": Encoder(
        (".mkv", "mkv"), pixel_format="bgr0", quality_option=None, even=False, writes_sample_aspect_ratio=False
    ),
    "gif": Encoder((".gif",), pixel_format="pal8", quality_option=None, even=False, writes_sample_aspect_ratio=False),
    "png": Encoder((".png",), pixel_format="rgb24", quality_option=None, even=False, writes_sample_aspect_ratio=False),
    # not compressed at all
    "rawvideo": Encoder(("raw",), quality_option=None, even=False, writes_sample_aspect_ratio=False),
}


@dataclass(frozen=True)
class Container:
    """How a container is written.

    Args:
        encoder: the encoder that "auto" stands for.
        options: options of the muxer.
        format: FFmpeg's name of the format, if the file's suffix is not enough.
        audio: the encoder for live audio, "" if the container holds none.
        seeks: whether the muxer goes back to what is written already, which no pipe allows.
        constant_rate: whether it says only how many frames there are a second, and not when each is shown.
        time_base: one tick of the clock that it has, in seconds; None if it takes any.
        least_ticks: for how many of them each frame is shown at least.
    """

    encoder: str
    options: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    audio: str = "aac"
    seeks: bool = False
    constant_rate: bool = False
    time_base: Fraction | None = None
    least_ticks: int = 1


# Without it FFmpeg buffers what it writes, which can be minutes of a scene in which little moves.
_UNBUFFERED = {"flush_packets": "1"}
# Written in fragments, so that a crash loses little, and turned into an ordinary file at the end. delay_moov allows an
# edit list, without which video and audio would be shifted against each other by the encoder's delay.
_MP4 = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000", **_UNBUFFERED}
# In ms; a cluster is written when it is complete.
_MATROSKA = {"cluster_time_limit": "500", **_UNBUFFERED}
CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container("libx264", _MP4, seeks=True),
    # by its name FFmpeg would choose a format for old players that holds no H.265
    ".m4v": Container("libx264", _MP4, format="mp4", seeks=True),
    ".mov": Container("libx264", _MP4, seeks=True),
    ".mkv": Container("libx264", _MATROSKA, format="matroska"),
    ".webm": Container("libvpx-vp9", _MATROSKA, format="webm", audio="libopus"),
    # programs show a frame that asks for less than two ticks for ten
    ".gif": Container("gif", format="gif", audio="", time_base=Fraction(1, 100), least_ticks=2),
    # an image sequence, of which each picture is there whole or not at all
    ".png": Container("png", {"atomic_writing": "1"}, format="image2", audio="", seeks=True),
}
# What can be written forward only, by the names that are typed after --format.
PIPE_FORMATS: Mapping[str, Container] = {
    "mpegts": Container("libx264", _UNBUFFERED, format="mpegts"),
    "mkv": Container("libx264", _MATROSKA, format="matroska"),
    # YUV4MPEG2: unlike bare pixels it says how large they are, how many a second, and where each frame begins
    "raw": Container("rawvideo", format="yuv4mpegpipe", audio="", constant_rate=True),
}
DEFAULT_PIPE_FORMAT = "mkv"


def container_of(path: Path, encoding: Encoding) -> Container:
    """Returns how an output is written.

    Raises:
        KeyError: its name says nothing about it, and neither does the encoding.
    """
    return PIPE_FORMATS[encoding.pipe_format] if encoding.pipe_format else CONTAINERS[path.suffix.lower()]


def encoder_for(path: Path, encoding: Encoding) -> str:
    """Returns the name of the encoder for an output.

    Raises:
        EncodingError: the encoding does not go with the output's container.
    """
    suffix = encoding.pipe_format or path.suffix.lower()
    name = container_of(path, encoding).encoder if encoding.encoder == "auto" else encoding.encoder
    encoder = ENCODERS[name]
    if suffix not in encoder.suffixes:
        raise EncodingError(f"{suffix} cannot hold {name}; {_expected_containers(encoder, bool(encoding.pipe_format))}")
    if encoding.crf is not None and encoder.quality_option is None:
        raise EncodingError(f"{name} is lossless and takes no --crf")
    if encoding.crf is not None and encoding.crf > encoder.worst:
        raise EncodingError(f"--crf {encoding.crf} is too high for {name}; expected 0 (best) to {encoder.worst}")
    if encoding.preset is not None and encoding.preset not in encoder.presets:
        expected = f"expected one of {', '.join(encoder.presets)}" if encoder.presets else "it has no presets"
        raise EncodingError(f"{name} has no preset {quoted(encoding.preset)}; {expected}")
    return name


def _expected_containers(encoder: Encoder, piped: bool) -> str:
    """Returns what was expected in place of a container that does not hold an encoder."""
    names = [suffix for suffix in encoder.suffixes if suffix in CONTAINERS]
    if names and not piped:
        return f"expected a name ending in {', '.join(names)}"
    formats = [suffix for suffix in encoder.suffixes if suffix in PIPE_FORMATS]
    return f"expected -o - with --format {' or '.join(formats)}" if formats else "it goes into a file, not into a pipe"


def encoder_options(name: str, encoding: Encoding, rate: Fraction) -> dict[str, str]:
    """Returns the options for FFmpeg's encoder: the one definition for files, streams and the replay.

    Args:
        name: a name in ENCODERS.
        encoding: quality, preset and latency.
        rate: frames per second.
    """
    encoder, low_latency = ENCODERS[name], encoding.low_latency
    options = {**encoder.options, **(encoder.low_latency_options if low_latency else {})}
    if encoding.bit_rate is not None:
        options.update(dict.fromkeys(("b", "maxrate", "bufsize"), str(encoding.bit_rate)))
        options.update(encoder.constant_rate_options if encoding.constant_bit_rate else {})
    elif encoder.quality_option is not None:
        options[encoder.quality_option] = str(CRF if encoding.crf is None else encoding.crf)
    preset = encoding.preset or (encoder.low_latency_preset if low_latency else encoder.preset)
    if preset is not None:
        options[encoder.preset_option] = preset
    if not low_latency and encoding.preset is None:
        options.update(encoder.quick_options)
        if encoder.lookahead is not None:
            option, frames = encoder.lookahead
            options[option] = str(max(1, min(frames, round(rate * _MAX_LOOKAHEAD_S))))
    if encoding.repeatable and name == "libx264" and cv2.checkHardwareSupport(_AVX512F):
        options["x264-params"] = "asm=AVX2,BMI2,FMA3"
    return options


def add_encoder(container: Any, name: str, rate: Fraction, options: dict[str, str]) -> Any:
    """Returns a new video stream of an output container.

    Raises:
        EncoderUnavailableError: the FFmpeg that PyAV brings lacks the encoder.
    """
    try:
        return container.add_stream(name, rate=rate, options=options)
    except UnknownCodecError as exc:
        raise EncoderUnavailableError(f"{name} is not in the FFmpeg that PyAV brings; try --encoder auto") from exc


def open_encoder(name: str, context: Any) -> None:
    """Opens an encoder whose codec context is ready.

    Raises:
        EncodingError: it does not take frames of that size.
        EncoderUnavailableError: it does not start here, e.g. because its hardware is missing.
    """
    encoder = ENCODERS[name]
    if encoder.tag is not None:
        context.codec_tag = encoder.tag
    if name == "libsvtav1":
        # it logs to stderr, bypassing FFmpeg's own log, and takes its log level from nowhere else
        os.environ.setdefault("SVT_LOG", "0")
    try:
        context.open()
    except av.error.FFmpegError as exc:
        if runs_here(name):
            raise _too_large(name, (context.width, context.height)) from exc
        raise EncoderUnavailableError(
            f"{name} does not start here ({exc.strerror}); it needs {encoder.needs}; try --encoder auto"
        ) from exc


def check_frame_size(name: str, size: Size) -> None:
    """Checks, before anything large is loaded for them, whether an encoder that runs here takes frames of a size.

    Args:
        name: a name in ENCODERS.
        size: width and height.

    Raises:
        EncodingError: it does not.
    """
    if max(size) > _USUAL_SIDE and runs_here(name) and not runs_here(name, size):
        raise _too_large(name, size)


def _too_large(name: str, size: Size) -> EncodingError:
    width, height = size
    return EncodingError(
        f"{name} cannot encode frames of {width}x{height}; paint smaller ones, e.g. with --max-size 4096"
    )


@functools.cache
def runs_here(name: str, size: Size = (_PROBE_SIDE, _PROBE_SIDE)) -> bool:
    """Returns whether an encoder opens for frames of the usual kind.

    Args:
        name: a name in ENCODERS.
        size: width and height.
    """
    rate = Fraction(30)
    try:
        context: Any = av.CodecContext.create(name, "w")
        context.width, context.height = size
        context.pix_fmt, context.time_base = ENCODERS[name].pixel_format, 1 / rate
        context.options = encoder_options(name, Encoding(low_latency=True), rate)
        context.open()
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


@functools.cache
def live_h264_encoder() -> str:
    """Returns the H.264 encoder for live video: NVIDIA's if card and driver let it open, else x264."""
    return "h264_nvenc" if runs_here("h264_nvenc") else "libx264"
