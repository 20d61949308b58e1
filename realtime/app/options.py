"""What can be typed after `nst-live`: the options, their help and their defaults."""

from __future__ import annotations

import argparse
from argparse import BooleanOptionalAction
from pathlib import Path

from realtime import __version__
from realtime.app.readers import (
    parse_count,
    parse_level,
    parse_mix,
    parse_rate,
    parse_scale,
    parse_seconds,
    parse_share,
    parse_size,
    parse_target,
    parse_time,
)
from realtime.backends import BACKENDS
from realtime.media.encoders import CRF, ENCODERS
from realtime.session import DEFAULT_STEADINESS, HUDS, key_help
from realtime.stylize.styles import DEFAULT_STYLE


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser: every option with its reading, its help and its default."""
    parser = argparse.ArgumentParser(
        prog="nst-live",
        description="See a camera, a video file or a stream painted in the style of a famous picture, live.",
        epilog="also: nst-live gallery PHOTO -o SHEET paints a photograph in every style; nst-live bench measures;\n"
        "nst-live doctor says what this machine can run; each has its own --help\n\nkeys in the window:\n"
        + "\n".join(f"  {keys:<12} {meaning}" for keys, meaning in key_help()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--camera", metavar="N|PATH|NAME", help="a camera, by index, device or part of its name (default: the first)"
    )
    source.add_argument(
        "-i",
        "--input",
        nargs="+",
        metavar="FILE|FOLDER|URL|test",
        help="a video or a picture, several of them or a folder, numbered pictures as frame_%%05d.png, "
        "a network stream, or the bundled scene",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE|FOLDER",
        help="record into this file (mp4, mkv, mov, webm, gif, frame_%%05d.png; of a picture jpg, png, webp, tif, bmp) "
        "or into this folder",
    )
    _add_on_air(parser)
    parser.add_argument("-y", "--overwrite", action="store_true", help="overwrite the output if it exists")
    parser.add_argument(
        "--resume", action="store_true", help="keep what is done when interrupted; the same command goes on from there"
    )
    parser.add_argument(
        "--workers",
        type=parse_count,
        metavar="N",
        help="so many of several files at once (default: by the cores)",
    )
    parser.add_argument(
        "--style",
        default=DEFAULT_STYLE,
        metavar="NAME|FILE",
        help="a style by name, or a .safetensors or .onnx file (default: %(default)s)",
    )
    parser.add_argument(
        "--net", default="auto", metavar="auto|full|fast", help="which net paints (default: %(default)s)"
    )
    parser.add_argument(
        "--backend", default="auto", choices=("auto", *BACKENDS), help="what runs the net (default: %(default)s)"
    )
    parser.add_argument("--mix", type=parse_mix, metavar="NAME:W,NAME:W", help="a mix of styles, as wave:0.6,udnie:0.4")
    parser.add_argument(
        "--playlist", metavar="NAME:S,NAME:S", help="styles in turn, each for so many seconds, as wreck:20,wave:20"
    )
    parser.add_argument(
        "--fade",
        type=parse_seconds,
        default=0.5,
        metavar="S",
        help="seconds from one style to the next, 0 for a cut (default: %(default)s)",
    )
    parser.add_argument(
        "--strength", type=parse_share, default=1.0, metavar="0..1", help="how strongly to paint (default: %(default)s)"
    )
    parser.add_argument(
        "--keep-colors",
        action=BooleanOptionalAction,
        default=False,
        help="the style's brightness in the camera's colours",
    )
    parser.add_argument(
        "--steady",
        type=parse_share,
        default=DEFAULT_STEADINESS,
        metavar="0..1",
        help="how firmly to hold the painting against flicker, 0 for not at all (default: %(default)s)",
    )
    parser.add_argument(
        "--mirror", action=BooleanOptionalAction, default=False, help="mirror the picture, left to right"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--size",
        type=parse_size,
        metavar="WxH",
        help="size to paint at (default: 640x480 for cameras, else the input's own)",
    )
    size.add_argument("--max-size", type=parse_count, metavar="N", help="paint a file with no side above N pixels")
    size.add_argument("--scale", type=parse_scale, metavar="F", help="paint a file at F times its size, as 0.5 or 1/3")
    parser.add_argument("--start", type=parse_time, metavar="TIME", help="begin there in a file: 90, 1:30 or 0:01:30.5")
    parser.add_argument("--end", type=parse_time, metavar="TIME", help="end there in a file")
    parser.add_argument(
        "--loop",
        action=BooleanOptionalAction,
        default=False,
        help="play a file over and over, in the window or, with its sound, on air",
    )
    parser.add_argument(
        "--encoder", default="auto", choices=("auto", *ENCODERS), help="what encodes the output (default: %(default)s)"
    )
    parser.add_argument(
        "--crf",
        type=parse_level,
        metavar="N",
        help=f"quality of the output, 0 the best; larger numbers make smaller files (default: {CRF})",
    )
    parser.add_argument("--preset", metavar="NAME", help="the encoder's preset, as veryfast for libx264 or 8 for AV1")
    parser.add_argument(
        "--fps",
        type=parse_rate,
        metavar="F",
        help="frames per second, as 25, 29.97 or 30000/1001 (default: the input's own)",
    )
    parser.add_argument("--frames", type=parse_count, metavar="N", help="stop after so many frames")
    parser.add_argument(
        "--target-fps",
        type=parse_target,
        metavar="F",
        help="rate to hold by painting smaller, 0 for none (default: the camera's own; for files none)",
    )
    parser.add_argument(
        "--hud", default=HUDS[0], choices=HUDS, help="what is written over the picture (default: %(default)s)"
    )
    parser.add_argument(
        "--fullscreen", action=BooleanOptionalAction, default=False, help="begin with a window as large as the screen"
    )
    parser.add_argument(
        "--no-window", action="store_true", default=None, help="open no window (the default with -i FILE -o FILE)"
    )
    parser.add_argument("--window", dest="no_window", action="store_false", help="open one, also with -i FILE -o FILE")
    parser.add_argument(
        "--replay",
        type=parse_seconds,
        default=15.0,
        metavar="S",
        help="seconds that the key b saves, 0 for none (default: %(default)g)",
    )
    parser.add_argument(
        "--captures",
        type=Path,
        metavar="DIR",
        help="folder for snapshots, replays and recordings by key (default: your videos folder)",
    )
    parser.add_argument(
        "--styles", type=Path, metavar="DIR", help="folder of your own styles (default: in your data folder)"
    )
    parser.add_argument(
        "--engines", type=Path, metavar="DIR", help="folder of TensorRT engines (default: in your cache folder)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help='settings, as style = "wave" (default: config.toml in your settings folder); $NST_LIVE_STYLE before it',
    )
    parser.add_argument("--print-config", action="store_true", help="tell all settings, as a settings file, and stop")
    parser.add_argument("--list-styles", action="store_true", help="tell which styles there are")
    parser.add_argument("--list-cameras", action="store_true", help="tell which cameras there are, and their sizes")
    parser.add_argument("--list-microphones", action="store_true", help="tell which microphones there are")
    parser.add_argument(
        "--list-backends", action="store_true", help="tell what can run the nets here, and why the rest cannot"
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.add_argument("-V", "--version", action="version", version=f"nst-live {__version__}")
    return parser


def _add_on_air(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stream", metavar="URL", help="go on air at this server: rtmp://, rtmps://, rtsp:// or udp:// (MPEG-TS)"
    )
    parser.add_argument(
        "--bitrate",
        type=parse_count,
        metavar="KBIT",
        help="of the stream's pictures, in kbit/s, as 4500 (default: what suits their size)",
    )
    parser.add_argument(
        "--virtual-cam",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="be a camera for Zoom, Teams, OBS and browsers: this virtual camera, or the first there is",
    )
    parser.add_argument(
        "--microphone",
        nargs="?",
        const="",
        metavar="N|NAME",
        help="hear this microphone, or the system's own choice, on air and in recordings (default: the sound of the "
        "input, if it has any)",
    )
