"""How videos are encoded: the encoders there are, what each takes, and which container holds what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import cv2
from av.codec.codec import UnknownCodecError

CRF = 18
# The AVX-512 code of x264's macroblock tree reads what nobody wrote: of some sizes no two encodings are alike. The
# number is OpenCV's (core/cvdef.h), which has no name for it in Python.
_AVX512F = 13
# What an encoder looks ahead is lost in a crash.
_MOST_LOOKED_AHEAD_S = Fraction(1, 2)
_X26_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip


class EncodingError(ValueError):
    """What was chosen does not go together: an encoder, a container, a quality, a preset."""


class EncoderUnavailableError(RuntimeError):
    """The encoder asked for does not run here."""


@dataclass(frozen=True)
class Encoding:
    """What a user chose: an encoder or "auto"; `crf` and `preset` are the encoder's usual ones where None.

    `repeatable`: the same pictures become the same bytes each time.
    """

    encoder: str = "auto"
    crf: int | None = None
    preset: str | None = None
    repeatable: bool = False


@dataclass(frozen=True)
class Encoder:
    """One encoder and the names of its options.

    suffixes: the containers that hold it. quality_option: None where it is lossless; 0 is best, `worst` is worst.
    preset: the usual one, `live_preset` where a camera waits; `live_options` have it keep no picture back then.
    quick_options: what of the usual preset is not worth its time for paintings. even: whether both sides must be even.
    tells_sample_aspect_ratio: whether its stream says how wide a pixel is, which PyAV cannot
    have the container say. lookahead: the option that says how many pictures it looks ahead, and the usual number. tag:
    what players of Apple know its stream by.
    """

    suffixes: Sequence[str]
    pixel_format: str = "yuv420p"
    quality_option: str | None = "crf"
    worst: int = 51
    preset_option: str = "preset"
    presets: Sequence[str] = ()
    preset: str | None = None
    live_preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    live_options: Mapping[str, str] = field(default_factory=dict)
    quick_options: Mapping[str, str] = field(default_factory=dict)
    even: bool = True
    tells_sample_aspect_ratio: bool = True
    lookahead: tuple[str, int] | None = None
    tag: str | None = None
    needs: str = "an FFmpeg that was built with it"


_MP4_SUFFIXES = (".mp4", ".m4v", ".mov")
ENCODERS: Mapping[str, Encoder] = {
    "libx264": Encoder(
        (*_MP4_SUFFIXES, ".mkv"),
        presets=_X26_PRESETS,
        preset="veryfast",
        live_preset="ultrafast",
        live_options={"tune": "zerolatency"},
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
        (*_MP4_SUFFIXES, ".mkv"),
        presets=_X26_PRESETS,
        preset="veryfast",
        live_preset="ultrafast",
        # by itself it tells its whole life on stderr
        options={"x265-params": "log-level=error"},
        live_options={"tune": "zerolatency"},
        tag="hvc1",
    ),
    "h264_nvenc": Encoder(
        (*_MP4_SUFFIXES, ".mkv"),
        quality_option="cq",
        presets=tuple(f"p{number}" for number in range(1, 8)),
        preset="p4",
        live_preset="p1",
        options={"rc": "vbr", "b": "0"},
        live_options={"zerolatency": "1", "delay": "0"},
        needs="an NVIDIA card with its driver",
    ),
    "libvpx-vp9": Encoder(
        (".webm", ".mkv", ".mp4"),
        worst=63,
        preset_option="cpu-used",
        presets=tuple(map(str, range(9))),
        preset="6",
        live_preset="8",
        options={"row-mt": "1", "deadline": "realtime", "b": "0"},
        live_options={"lag-in-frames": "0"},
        lookahead=("lag-in-frames", 25),
        even=False,
        tells_sample_aspect_ratio=False,
    ),
    "libsvtav1": Encoder(
        (".mkv", ".webm", ".mp4"),
        worst=63,
        presets=tuple(map(str, range(14))),
        preset="10",
        live_preset="12",
        even=False,
        tells_sample_aspect_ratio=False,
    ),
    # the painting itself, bit by bit
    "ffv1": Encoder((".mkv",), pixel_format="bgr0", quality_option=None, even=False, tells_sample_aspect_ratio=False),
    "gif": Encoder((".gif",), pixel_format="pal8", quality_option=None, even=False, tells_sample_aspect_ratio=False),
    "png": Encoder((".png",), pixel_format="rgb24", quality_option=None, even=False, tells_sample_aspect_ratio=False),
}


@dataclass(frozen=True)
class Container:
    """How a container is written: the encoder of "auto", the muxer's options, the format where a name is not enough.

    sound: the encoder of sound that is heard live, "" where it holds none.
    """

    encoder: str
    options: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    sound: str = "aac"


# Without it FFmpeg keeps what it writes until there is much of it, which of a quiet picture can be minutes.
_AT_ONCE = {"flush_packets": "1"}
# Written in fragments, so that a crash loses little, and turned into an ordinary file at the end. delay_moov: without
# an edit list, which needs it, picture and sound would be shifted against each other by the encoder's delay.
_MP4 = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000", **_AT_ONCE}
# In ms: a cluster is written when it is complete.
_MATROSKA = {"cluster_time_limit": "500", **_AT_ONCE}
CONTAINERS: Mapping[str, Container] = {
    ".mp4": Container("libx264", _MP4),
    ".m4v": Container("libx264", _MP4),
    ".mov": Container("libx264", _MP4),
    ".mkv": Container("libx264", _MATROSKA),
    ".webm": Container("libvpx-vp9", _MATROSKA, sound="libopus"),
    ".gif": Container("gif", sound=""),
    # a row of numbered pictures
    ".png": Container("png", format="image2", sound=""),
}


def encoder_for(path: Path, encoding: Encoding) -> str:
    """Returns the name of the encoder for a file. Raises EncodingError for what does not go together."""
    suffix = path.suffix.lower()
    name = CONTAINERS[suffix].encoder if encoding.encoder == "auto" else encoding.encoder
    encoder = ENCODERS[name]
    if suffix not in encoder.suffixes:
        raise EncodingError(f"{suffix} does not hold {name}; wanted a name ending in {', '.join(encoder.suffixes)}")
    if encoding.crf is not None and encoder.quality_option is None:
        raise EncodingError(f"{name} is lossless and takes no --crf")
    if encoding.crf is not None and encoding.crf > encoder.worst:
        raise EncodingError(f"--crf {encoding.crf} is too much for {name}; wanted 0 (best) to {encoder.worst}")
    if encoding.preset is not None and encoding.preset not in encoder.presets:
        wanted = f"wanted one of {', '.join(encoder.presets)}" if encoder.presets else "it takes none"
        raise EncodingError(f"{name} has no preset {encoding.preset!r}; {wanted}")
    return name


def encoder_options(name: str, encoding: Encoding, live: bool, rate: Fraction) -> dict[str, str]:
    """Returns what FFmpeg's encoder is told; `live`: a camera waits, and the picture is not made small with care."""
    encoder = ENCODERS[name]
    options = {**encoder.options, **(encoder.live_options if live else {})}
    if encoder.quality_option is not None:
        options[encoder.quality_option] = str(CRF if encoding.crf is None else encoding.crf)
    preset = encoding.preset or (encoder.live_preset if live else encoder.preset)
    if preset is not None:
        options[encoder.preset_option] = preset
    if not live and encoding.preset is None:
        options.update(encoder.quick_options)
        if encoder.lookahead is not None:
            option, pictures = encoder.lookahead
            options[option] = str(max(1, min(pictures, round(rate * _MOST_LOOKED_AHEAD_S))))
    if encoding.repeatable and name == "libx264" and cv2.checkHardwareSupport(_AVX512F):
        options["x264-params"] = "asm=AVX2,BMI2,FMA3"
    return options


def add_encoder(container: Any, name: str, rate: Fraction, options: dict[str, str]) -> Any:
    """Returns a new stream of a container. Raises EncoderUnavailableError where the FFmpeg here lacks the encoder."""
    try:
        return container.add_stream(name, rate=rate, options=options)
    except UnknownCodecError as exc:
        raise EncoderUnavailableError(f"{name} is not in the FFmpeg that PyAV brings; try --encoder auto") from exc


def open_encoder(name: str, context: Any) -> None:
    """Opens an encoder whose codec context is ready. Raises EncoderUnavailableError where it does not run here."""
    encoder = ENCODERS[name]
    if encoder.tag is not None:
        context.codec_tag = encoder.tag
    if name == "libsvtav1":
        # its log goes to stderr past FFmpeg's own
        os.environ.setdefault("SVT_LOG", "0")
    try:
        context.open()
    except av.error.FFmpegError as exc:
        raise EncoderUnavailableError(
            f"{name} does not start here ({exc.strerror}); it needs {encoder.needs}; try --encoder auto"
        ) from exc
