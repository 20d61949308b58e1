"""The options of `nst-live`, as one table: each field of the classes here is an option with all that is known of it.

The command line, the settings file, the environment, --help, the reference page, --print-config and the rules of what
goes together are all read from here.
"""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints

from realtime.app.options.readers import (
    DEFAULT_CONTROL,
    DEFAULT_IDLE,
    OSC_ADDRESS,
    REFINING_MINUTES,
    mix_of,
    parse_brush,
    parse_control_address,
    parse_device,
    parse_ice_server,
    parse_idle_time,
    parse_milliseconds,
    parse_minutes,
    parse_mix,
    parse_osc_address,
    parse_part_length,
    parse_playlist,
    parse_rate,
    parse_ray_address,
    parse_scale,
    parse_target,
    parse_time,
    parse_token,
    parse_zoom,
    playlist_of,
    secret_in,
)
from realtime.app.versions import version_text
from realtime.backends import BACKENDS
from realtime.frames import Size
from realtime.media.encoders import CRF, DEFAULT_PIPE_FORMAT, ENCODERS, PIPE_FORMATS
from realtime.session import DEFAULT_STEADINESS, HUDS, Remapped, key_help
from realtime.sinks.output_file import is_pipe
from realtime.sources.network_stream import TRANSPORTS, NetworkOptions
from realtime.sources.video_file import ReadOptions
from realtime.stylize.styles import DEFAULT_STYLE
from styles.support.options import CommandParser, Kind, Option, build_parser, option, options_of, read_options
from styles.support.readers import parse_count, parse_number, parse_share, parse_size, parse_whole_number


class Use(Enum):
    """What is painted."""

    LIVE = "live"  # a camera, a network stream, the bundled scene
    FILE = "a video"  # also an image sequence
    PHOTO = "a picture"
    SEVERAL = "several files"


_FILES = frozenset({Use.FILE, Use.PHOTO, Use.SEVERAL})
_VIDEO = frozenset({Use.LIVE, Use.FILE, Use.SEVERAL})
_ONE_VIDEO = frozenset({Use.LIVE, Use.FILE})


@dataclass(frozen=True)
class LiveOption(Option):
    """An option of `nst-live`.

    Args:
        uses: where it means something.
        refused: typed elsewhere it is an error, and as a setting it waits; otherwise it is ignored there.
        needs: names of options without which it is refused in the same way.
        not_with: names of options with which it is refused in the same way, each with the reason.
        unfit: returns why it cannot be used with the values of all options, by name, and is refused in the same way; ""
            if it can.
        rivals: the name of a set of options; those that are set nearest to the command line put aside the others.
        secret: returns why a value must not be printed, "" if it can be.
        changes_pixels: whether the pixels of a painted file depend on it.
        once: it is a command and no setting.
    """

    uses: frozenset[Use] = frozenset(Use)
    refused: bool = False
    needs: tuple[str, ...] = ()
    not_with: Mapping[str, str] | None = None
    unfit: Callable[[Mapping[str, Any]], str] = lambda _values: ""
    rivals: str = ""
    secret: Callable[[Any], str] = lambda _value: ""
    changes_pixels: bool = False
    once: bool = False


def _unfit_format(values: Mapping[str, Any]) -> str:
    if is_pipe(values["output"]):
        return ""
    return "--format is for -o - and other pipes; the name of a file says its format"


# Options that other commands have too.
STYLE = LiveOption(
    "a style by name, any picture, or a .safetensors or .onnx file",
    default=DEFAULT_STYLE,
    metavar="NAME|FILE",
    rivals="style",
    changes_pixels=True,
)
NET = LiveOption("which net paints", default="auto", metavar="auto|full|fast")
BACKEND = LiveOption("what runs the net", default="auto", choices=("auto", *BACKENDS))
STRENGTH = LiveOption("how strongly to paint", read=parse_share, default=1.0, metavar="0..1", changes_pixels=True)
COLORS = LiveOption(
    "whose colors the painting has: style; source, of which it then changes only the brightness; or any picture's",
    default_text="style",
    metavar="style|source|PICTURE",
    rivals="colors",
    changes_pixels=True,
)
KEEP_COLORS = LiveOption(
    "short for --colors source",
    Kind.SWITCH,
    default=False,
    rivals="colors",
    not_with={"colors": "it means --colors source"},
    changes_pixels=True,
)
STYLES = LiveOption(
    "folder of your own styles: pictures, and what nst-train has made; or a pack of styles",
    read=Path,
    default_text="in your data folder",
    metavar="DIR|FILE.nstyle",
)
OVERWRITE = LiveOption("overwrite the output if it exists", Kind.FLAG, default=False, short="-y")
DEBUG = LiveOption("show the traceback of an error", Kind.FLAG, default=False, once=True)


@dataclass(frozen=True)
class SourceOptions:
    """What is painted: where it comes from, how much of it, how large and how fast."""

    camera: str | None = option(
        LiveOption(
            "a camera, by index, device or part of its name",
            default_text="the first",
            metavar="N|PATH|NAME",
            one_of="source",
            uses=frozenset({Use.LIVE}),
        )
    )
    input: tuple[str, ...] = option(
        LiveOption(
            "a video or a picture; several of them, a glob or a folder; numbered pictures, e.g. frame_%05d.png; "
            "a network stream (rtsp://, http://, udp:// …); - for a pipe; browser for the camera of a browser or a "
            "phone; or test for the bundled scene",
            Kind.VALUES,
            default=(),
            metavar="FILE|FOLDER|URL|browser|test",
            short="-i",
            one_of="source",
            secret=secret_in,
        )
    )
    rtsp_transport: str = option(
        LiveOption(
            "how a stream from rtsp:// is sent: tcp, udp, or auto for tcp and, if that is refused, udp",
            default=TRANSPORTS[0],
            choices=TRANSPORTS,
            uses=frozenset({Use.LIVE}),
        )
    )
    size: Size | None = option(
        LiveOption(
            "size to paint at; a file is shown in its own shape all the same",
            read=parse_size,
            default_text="640x480 for cameras, otherwise the input's own",
            metavar="WxH",
            one_of="size",
            changes_pixels=True,
        )
    )
    max_size: int | None = option(
        LiveOption(
            "paint a file with no side above N pixels",
            read=parse_count,
            metavar="N",
            one_of="size",
            uses=_FILES,
            refused=True,
            changes_pixels=True,
        )
    )
    scale: Fraction | None = option(
        LiveOption(
            "paint a file at F times its size, e.g. 0.5 or 1/3",
            read=parse_scale,
            metavar="F",
            one_of="size",
            uses=_FILES,
            refused=True,
            changes_pixels=True,
        )
    )
    start: Fraction | None = option(
        LiveOption(
            "where to start in a file, e.g. 90, 1:30 or 0:01:30.5",
            read=parse_time,
            metavar="TIME",
            uses=frozenset({Use.FILE, Use.SEVERAL}),
            refused=True,
            changes_pixels=True,
        )
    )
    end: Fraction | None = option(
        LiveOption(
            "where to end in a file",
            read=parse_time,
            metavar="TIME",
            uses=frozenset({Use.FILE, Use.SEVERAL}),
            refused=True,
            changes_pixels=True,
        )
    )
    loop: bool = option(
        LiveOption(
            "play a file again and again, in the window or, with its sound, on air",
            Kind.SWITCH,
            default=False,
            uses=frozenset({Use.FILE}),
            refused=True,
            not_with={"output": "the file would never end; the key r records what is shown"},
        )
    )
    fps: Fraction | None = option(
        LiveOption(
            "frames per second, e.g. 25, 29.97 or 30000/1001",
            read=parse_rate,
            default_text="the input's own",
            metavar="F",
            uses=_VIDEO,
            refused=True,
            changes_pixels=True,
        )
    )
    frames: int | None = option(
        LiveOption("stop after N frames", read=parse_count, metavar="N", uses=_VIDEO, refused=True, changes_pixels=True)
    )

    @property
    def reading(self) -> ReadOptions:
        """Which part of a file is read, and how large."""
        return ReadOptions(self.start, self.end, self.max_size, self.scale)

    @property
    def network(self) -> NetworkOptions:
        """How a network stream is read."""
        return NetworkOptions(transport=self.rtsp_transport)

    @property
    def url(self) -> str | None:
        """The first input; None for a camera."""
        return self.input[0] if self.input else None


@dataclass(frozen=True)
class StyleOptions:
    """How it is painted: in which styles, by which net, and what is done to the result."""

    style: str = option(STYLE)
    mix: Mapping[str, float] | None = option(
        LiveOption(
            "a mix of styles, e.g. wave:0.6,postcard.jpg:0.4",
            read=parse_mix,
            read_items=mix_of,
            metavar="NAME:W,NAME:W",
            rivals="style",
            changes_pixels=True,
        )
    )
    playlist: tuple[tuple[str, float], ...] | None = option(
        LiveOption(
            "styles in turn, each with its seconds, e.g. wreck:20,postcard.jpg:20",
            read=parse_playlist,
            read_items=playlist_of,
            metavar="NAME:S,NAME:S",
            uses=_VIDEO,
            rivals="style",
            changes_pixels=True,
        )
    )
    fade: float = option(
        LiveOption(
            "seconds from one style to the next, 0 for a cut",
            read=parse_number,
            default=0.5,
            metavar="S",
            uses=_VIDEO,
            changes_pixels=True,
        )
    )
    style_zoom: float = option(
        LiveOption(
            "from how near a style picture is looked at, e.g. 2 for details twice as large",
            read=parse_zoom,
            default=1.0,
            metavar="F",
            changes_pixels=True,
        )
    )
    brush: float = option(
        LiveOption(
            "scale at which the net paints, apart from the size shown: 0.5 gives strokes twice as large",
            read=parse_brush,
            default=1.0,
            metavar="F",
            changes_pixels=True,
        )
    )
    refine: float | str | None = option(
        LiveOption(
            "train a style that is predicted from a picture further while the show goes on, for five minutes or as "
            "many as you type; needs the extra train",
            Kind.OPTIONAL_VALUE,
            read=parse_minutes,
            metavar="MINUTES",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    photos: Path | None = option(
        LiveOption(
            "folder of photographs to refine on",
            read=Path,
            default_text="frames of the show, which stay in memory",
            metavar="DIR",
            uses=_ONE_VIDEO,
            needs=("refine",),
        )
    )
    strength: float = option(STRENGTH)
    colors: str | None = option(COLORS)
    keep_colors: bool = option(KEEP_COLORS)
    steady: float = option(
        LiveOption(
            "how firmly to hold the painting against flicker, 0 for not at all",
            read=parse_share,
            default=DEFAULT_STEADINESS,
            metavar="0..1",
            uses=_VIDEO,
            changes_pixels=True,
        )
    )
    mirror: bool = option(
        LiveOption("mirror the frames, left to right", Kind.SWITCH, default=False, changes_pixels=True)
    )
    react: float = option(
        LiveOption(
            "how much the painting follows the sound of the input or of --microphone: it swells with the loudness, a "
            "mix sways with the beat, and a playlist waits for it; never more than three flashes a second",
            read=parse_share,
            default=0.0,
            metavar="0..1",
            uses=_VIDEO,
            refused=True,
            changes_pixels=True,
        )
    )
    net: str = option(NET)
    backend: str = option(BACKEND)
    target_fps: float | None = option(
        LiveOption(
            "rate to hold by letting the net paint smaller frames, 0 for none",
            read=parse_target,
            default_text="the camera's own; none for files",
            metavar="F",
            uses=_VIDEO,
        )
    )

    @property
    def refine_minutes(self) -> float | None:
        """For how long styles are refined; None for not at all."""
        return REFINING_MINUTES if self.refine == "" else None if self.refine is None else float(self.refine)


# What would keep a painting from coming out the same in two runs.
_REPEATABLE = {
    "target_fps": "no two runs would paint the same pixels",
    "refine": "no two runs would paint the same pixels",
    "stream": "a stream cannot be interrupted and continued",
    "virtual_cam": "a camera cannot be interrupted and continued",
    "ndi": "a source of NDI cannot be interrupted and continued",
}


@dataclass(frozen=True)
class OutputOptions:
    """The file or folder that is written, and how it is encoded."""

    output: Path | None = option(
        LiveOption(
            "record into this file (mp4, mkv, mov, webm, gif, frame_%05d.png; of a picture jpg, png, webp, tif, bmp) "
            "or into this folder; or pipe the video into another program, with -o -",
            read=Path,
            metavar="FILE|FOLDER|-",
            short="-o",
        )
    )
    format: str | None = option(
        LiveOption(
            "what is piped with -o -, or into a named pipe: mpegts, mkv, or raw for YUV4MPEG2, which is not compressed",
            default_text=DEFAULT_PIPE_FORMAT,
            choices=tuple(PIPE_FORMATS),
            uses=_ONE_VIDEO,
            refused=True,
            needs=("output",),
            unfit=_unfit_format,
        )
    )
    overwrite: bool = option(OVERWRITE)
    resume: bool = option(
        LiveOption(
            "keep what is done when interrupted; the same command continues from there",
            Kind.FLAG,
            default=False,
            uses=_FILES,
            refused=True,
            needs=("output",),
            not_with=_REPEATABLE,
        )
    )
    workers: int | None = option(
        LiveOption(
            "paint N of several files at once",
            read=parse_count,
            default_text="depends on the number of cores",
            metavar="N",
            uses=frozenset({Use.SEVERAL}),
        )
    )
    encoder: str = option(
        LiveOption(
            "what encodes a video", default="auto", choices=("auto", *ENCODERS), uses=_VIDEO, changes_pixels=True
        )
    )
    crf: int | None = option(
        LiveOption(
            "quality of a video, 0 is best; larger numbers make smaller files",
            read=parse_whole_number,
            default_text=str(CRF),
            metavar="N",
            uses=_VIDEO,
            changes_pixels=True,
        )
    )
    preset: str | None = option(
        LiveOption(
            "the encoder's preset: veryfast and the like for H.264 and H.265, 0 to 8 for VP9, 0 to 13 for AV1",
            metavar="NAME",
            uses=_VIDEO,
            changes_pixels=True,
        )
    )


@dataclass(frozen=True)
class ClusterOptions:
    """Painting on several machines, with Ray; it includes --resume."""

    ray: str | None = option(
        LiveOption(
            "paint the files of a folder, and parts of long films, as tasks of Ray: on this machine, or on the cluster "
            "whose head is at this address",
            Kind.OPTIONAL_VALUE,
            read=parse_ray_address,
            default_text="no Ray",
            metavar="HOST:PORT",
            uses=frozenset({Use.FILE, Use.SEVERAL}),
            refused=True,
            needs=("output",),
            not_with={
                **_REPEATABLE,
                "workers": "the nodes decide how many files are painted at once",
                "react": "the painting depends on all the sound before it",
            },
        )
    )
    ray_segment: Fraction = option(
        LiveOption(
            "how long the parts of a film are that become tasks of their own, in seconds",
            read=parse_part_length,
            default=Fraction(60),
            metavar="S",
            uses=frozenset({Use.FILE, Use.SEVERAL}),
        )
    )
    ray_ship: bool = option(
        LiveOption(
            "send the files to the nodes, which do not see their folder",
            Kind.SWITCH,
            default=False,
            uses=frozenset({Use.FILE, Use.SEVERAL}),
        )
    )

    @property
    def asked(self) -> bool:
        """Whether Ray is to paint."""
        return self.ray is not None


@dataclass(frozen=True)
class OnAirOptions:
    """Who else sees it while it is painted, and what they hear."""

    stream: str | None = option(
        LiveOption(
            "go on air at this server: rtmp://, rtmps://, rtsp:// or udp:// (MPEG-TS)",
            metavar="URL",
            uses=_ONE_VIDEO,
            refused=True,
            secret=lambda _url: "it holds a key",
        )
    )
    bitrate: int | None = option(
        LiveOption(
            "bit rate of the stream's video in kbit/s, e.g. 4500",
            read=parse_count,
            default_text="what suits its size",
            metavar="KBIT",
            uses=_ONE_VIDEO,
        )
    )
    constant_bitrate: bool | None = option(
        LiveOption(
            "fill the stream up to its bit rate where the picture needs less",
            Kind.SWITCH,
            default_text="for rtmp:// and rtmps://, as services want it",
            uses=_ONE_VIDEO,
        )
    )
    virtual_cam: str | None = option(
        LiveOption(
            "be a camera for Zoom, Teams, OBS and browsers: this virtual camera, or the first there is",
            Kind.OPTIONAL_VALUE,
            metavar="DEVICE",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    ndi: str | None = option(
        LiveOption(
            "be a source of NDI, with sound, for OBS, vMix and the like in the same network, under this name",
            Kind.OPTIONAL_VALUE,
            read=parse_device,
            default_text="no NDI; without a value nst-live",
            metavar="NAME",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    microphone: str | None = option(
        LiveOption(
            "hear this microphone, or the one that the system chooses, on air and in recordings",
            Kind.OPTIONAL_VALUE,
            default_text="the sound of the input, if it has any",
            metavar="N|NAME",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )

    audio_delay: float = option(
        LiveOption(
            "milliseconds by which live sound is to be heard later, on air and in recordings; below 0 the picture is "
            "shown later, also by the virtual camera",
            read=parse_milliseconds,
            default=0.0,
            metavar="MS",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )

    @property
    def audio_delay_s(self) -> float:
        """How much later live sound is to be heard, in seconds."""
        return self.audio_delay / 1000

    @property
    def is_on_air(self) -> bool:
        """Whether somebody else sees it."""
        return any(each is not None for each in (self.stream, self.virtual_cam, self.ndi))


@dataclass(frozen=True)
class ScreenOptions:
    """The window, and what is saved by key.

    `keys` are those that the settings file gives other places.
    """

    hud: str = option(
        LiveOption(
            "what is written over the frames on the screen, never in recordings and streams",
            default=HUDS[0],
            choices=HUDS,
            uses=_ONE_VIDEO,
        )
    )
    fullscreen: bool = option(
        LiveOption("begin with a window as large as the screen", Kind.SWITCH, default=False, uses=_ONE_VIDEO)
    )
    no_window: bool | None = option(
        LiveOption(
            "open no window, or open one also with -i FILE -o FILE",
            Kind.SWITCH,
            default_text="no window with -i FILE -o FILE",
            opposite="--window",
            uses=_ONE_VIDEO,
        )
    )
    kiosk: float | str | None = option(
        LiveOption(
            "a show for visitors: keys that end, record or configure mean nothing, and after S seconds without "
            "a key the playlist goes on, or all styles in turn",
            Kind.OPTIONAL_VALUE,
            read=parse_idle_time,
            default_text=f"no kiosk; without a value {DEFAULT_IDLE}",
            metavar="S",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    replay: float = option(
        LiveOption(
            "seconds that the key b saves, 0 for none",
            read=parse_number,
            default=15.0,
            metavar="S",
            uses=_ONE_VIDEO,
        )
    )
    captures: Path | None = option(
        LiveOption(
            "folder for snapshots, replays and recordings by key",
            read=Path,
            default_text="your videos folder",
            metavar="DIR",
            uses=_ONE_VIDEO,
        )
    )
    keys: Remapped = ()


@dataclass(frozen=True)
class ControlOptions:
    """What controls the show from elsewhere, as docs/control.md describes."""

    control: str | None = option(
        LiveOption(
            "open a page that controls the show, in a browser or on a phone; the host 0.0.0.0 stands for the whole "
            "network, which then needs the token of the printed link",
            Kind.OPTIONAL_VALUE,
            read=parse_control_address,
            default_text=f"no page; without a value {DEFAULT_CONTROL}",
            metavar="HOST:PORT",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    control_tls: bool = option(
        LiveOption(
            "use HTTPS for that page, with a certificate of its own, so that a phone's camera may be used",
            Kind.SWITCH,
            default=False,
            uses=_ONE_VIDEO,
            refused=True,
            needs=("control",),
        )
    )
    control_token: str | None = option(
        LiveOption(
            "a token of your own for that page, so that its link stays the same",
            read=parse_token,
            default_text="another one each time",
            metavar="TOKEN",
            uses=_ONE_VIDEO,
            refused=True,
            needs=("control",),
            secret=lambda _token: "it is a password",
        )
    )
    ice_server: str | None = option(
        LiveOption(
            "ask this server how browsers beyond your own network are reached by WebRTC",
            read=parse_ice_server,
            default_text="no server",
            metavar="stun:HOST|turn:USER:PASSWORD@HOST",
            uses=_ONE_VIDEO,
            refused=True,
            needs=("control",),
            secret=lambda server: "it holds a password" if str(server).startswith("turn:") else "",
        )
    )
    osc: str | None = option(
        LiveOption(
            "listen to OSC over UDP at this port, or at this address of the machine",
            Kind.OPTIONAL_VALUE,
            read=parse_osc_address,
            default_text=f"no OSC; without a value {OSC_ADDRESS}",
            metavar="PORT|HOST:PORT",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )
    midi: str | None = option(
        LiveOption(
            "take notes and knobs from this MIDI device, by part of its name, or from all that there are",
            Kind.OPTIONAL_VALUE,
            read=parse_device,
            default_text="no MIDI",
            metavar="NAME",
            uses=_ONE_VIDEO,
            refused=True,
        )
    )


@dataclass(frozen=True)
class FolderOptions:
    """Where styles and engines are."""

    styles: Path | None = option(STYLES)
    engines: Path | None = option(
        LiveOption("folder of TensorRT engines", read=Path, default_text="in your cache folder", metavar="DIR")
    )


@dataclass(frozen=True)
class CommandOptions:
    """What is done once instead of painting, and how the command itself behaves."""

    config: Path | None = option(
        LiveOption(
            'a settings file with lines like style = "wave"',
            read=Path,
            default_text="config.toml in your settings folder",
            metavar="FILE",
            once=True,
        )
    )
    print_config: bool = option(
        LiveOption(
            "print all settings, and where each comes from, as a settings file", Kind.FLAG, default=False, once=True
        )
    )
    list_styles: bool = option(LiveOption("print the styles that there are", Kind.FLAG, default=False, once=True))
    list_cameras: bool = option(
        LiveOption("print the cameras that there are, and their sizes", Kind.FLAG, default=False, once=True)
    )
    list_microphones: bool = option(
        LiveOption("print the microphones that there are", Kind.FLAG, default=False, once=True)
    )
    list_backends: bool = option(
        LiveOption("print what can run the nets here, and why the rest cannot", Kind.FLAG, default=False, once=True)
    )
    debug: bool = option(DEBUG)
    version: bool = option(
        LiveOption(
            "print the version; with --debug, also those of the backends",
            Kind.VERSION,
            default=False,
            short="-V",
            once=True,
        )
    )


@dataclass(frozen=True)
class Options:
    """All options of a run of `nst-live`."""

    source: SourceOptions = SourceOptions()
    look: StyleOptions = StyleOptions()
    output: OutputOptions = OutputOptions()
    cluster: ClusterOptions = ClusterOptions()
    on_air: OnAirOptions = OnAirOptions()
    screen: ScreenOptions = ScreenOptions()
    control: ControlOptions = ControlOptions()
    folders: FolderOptions = FolderOptions()
    command: CommandOptions = CommandOptions()


# The classes of options by the name of their field, and their headings in the help and on the reference page.
SECTIONS: Mapping[str, type] = {each.name: get_type_hints(Options)[each.name] for each in fields(Options)}
HEADINGS: Mapping[str, str] = {
    "source": "source",
    "look": "style",
    "output": "output",
    "cluster": "several machines",
    "on_air": "on air",
    "screen": "window",
    "control": "control from elsewhere",
    "folders": "folders",
    "command": "command",
}
# All options of nst-live by name, in the order of the help.
TABLE: Mapping[str, LiveOption] = {
    each.name: each for kind in SECTIONS.values() for each in options_of(kind) if isinstance(each, LiveOption)
}


def live_parser(keys: Remapped = (), debug: bool = False) -> CommandParser:
    """Returns what parses the command line of `nst-live`.

    Args:
        keys: those of the settings, which the help lists.
        debug: let --version print what else is installed.
    """
    return build_parser(
        {HEADINGS[name]: kind for name, kind in SECTIONS.items()},
        version=version_text(debug),
        prog="nst-live",
        usage="nst-live [INPUT …] [options]",
        description="See a camera, a video file or a stream painted in the style of a famous picture, live.",
        epilog="also: nst-live gallery PHOTO -o SHEET paints a photograph in every style; nst-live styles lists your\n"
        "own; nst-live pack makes one file of many styles; nst-live bench measures; nst-live doctor says what this\n"
        "machine can run; nst-live cache lists what is kept on the disk; each has its own --help\n\n"
        "keys in the window:\n" + "\n".join(f"  {label:<12} {meaning}" for label, meaning in key_help(keys)),
        formatter_class=RawDescriptionHelpFormatter,
    )


def options_from(values: Mapping[str, Any]) -> Options:
    """Returns the options of a run; what `values`, by name, does not have is at its default."""
    return Options(**{name: read_options(kind, values) for name, kind in SECTIONS.items()})


def values_of(options: Options) -> dict[str, Any]:
    """Returns the value of every option by name."""
    sections = [getattr(options, name) for name in SECTIONS]
    return {each.name: getattr(section, each.name) for section in sections for each in options_of(type(section))}
