"""The command `nst-live`: arguments in, a show out, and every expected error as one clear line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import cv2
import platformdirs

from build_engines.tensorrt.cache import FOLDER_VARIABLE
from realtime.app import gallery
from realtime.app.batch import Bar, paint_files, paint_photo
from realtime.app.errors import INTERRUPTED, explained
from realtime.app.jobs import check_inputs, is_for_folder, is_photo
from realtime.app.listings import LISTINGS
from realtime.app.options import build_parser
from realtime.app.progress import progress_bar, tell
from realtime.app.readers import UsageError
from realtime.app.settings import read_settings, written_settings
from realtime.audio.feed import AudioFeed
from realtime.audio.microphone import Microphone
from realtime.backends import (
    Backend,
    BackendUnavailableError,
    Net,
    Painter,
    choose_backend,
    load_backend,
)
from realtime.backends.tensorrt import EngineMissingError
from realtime.bench import main as bench
from realtime.frames import Size
from realtime.media.decoding import SourceError
from realtime.media.encoders import Encoding
from realtime.player.controls import Controls
from realtime.player.engine_upgrade import Upgrade
from realtime.player.governor import Governor
from realtime.player.parts import Outcome, PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.playlist import parse_playlist
from realtime.player.status import Status
from realtime.player.style_switcher import StyleSwitcher
from realtime.screen.display import Screen
from realtime.screen.thumbnails import PAINTED_SIZE, Thumbnails
from realtime.screen.window import Window, no_screen_reason
from realtime.session import DEFAULT_STEADINESS, Session
from realtime.sinks.open import Outputs, open_sinks
from realtime.sinks.recorder import check_output, unused_path
from realtime.sinks.resumable_recorder import fingerprint_of
from realtime.sinks.stream import check_stream_url
from realtime.sources.base import Source
from realtime.sources.camera_list import cameras_can_be_listed, list_cameras
from realtime.sources.looping import Looping
from realtime.sources.open import is_file, open_source
from realtime.sources.real_time import RealTime
from realtime.sources.scene import Scene
from realtime.sources.video_file import ReadOptions
from realtime.stylize.fallback import fall_back
from realtime.stylize.mixing import mix_by_name
from realtime.stylize.pipeline import MIN_SIDE
from realtime.stylize.styles import LoadedStyle, load_styles, network_for
from realtime.stylize.stylizer import FrameStylizer
from styles.registry import USER_FOLDER_VARIABLE

# Without camera and screen nobody can stop the scene, so it is this long then.
_UNWATCHED_SCENE_FRAMES = 180
_MAX_OWN_FPS = 60.0
_FALLBACK_STEM = "nst-live"

# The options on which the frames of a file depend, beside style and backend.
_DECISIVE_OPTIONS = (
    *("style", "mix", "playlist", "fade", "strength", "keep_colors", "steady", "mirror"),
    *("size", "max_size", "scale", "start", "end", "fps", "frames", "encoder", "crf", "preset"),
)
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    # the net has all cores already; OpenCV's threads, which wait in a circle, would take them from it
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 2))
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _COMMANDS:
        # what comes before every option is what is to be painted
        arguments = ["-i", *arguments]
    if arguments and arguments[0] in _COMMANDS:
        return _told(lambda: _COMMANDS[arguments[0]](arguments[1:]), debug=None)
    return _told(lambda: _obey(arguments), debug="--debug" in arguments)


def _obey(arguments: Sequence[str]) -> int:
    parser = build_parser()
    args, origins = read_settings(parser, arguments, os.environ)
    if args.print_config:
        with _read_as_far_as_wanted():
            for line in written_settings(parser, args, origins):
                tell(line, sys.stdout)
        return 0
    # the folders are asked for in many places, also by the processes that build engines
    for variable, folder in ((USER_FOLDER_VARIABLE, args.styles), (FOLDER_VARIABLE, args.engines)):
        if folder is not None:
            os.environ[variable] = str(folder)
    args.inputs = args.input or []
    args.input = args.inputs[0] if args.inputs else None
    for flag, listing in LISTINGS.items():
        if getattr(args, flag):
            with _read_as_far_as_wanted():
                listing()
            return 0
    return _run(args)


@contextmanager
def _read_as_far_as_wanted() -> Iterator[None]:
    """Ends quietly where whoever reads what is listed has seen enough, as `head` has."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(args: argparse.Namespace) -> int:
    check_inputs(args.inputs)
    if is_for_folder(args.inputs, args.output):
        return paint_files(args, lambda given, bar: _show(given, bar, quiet=True))
    if args.input is not None and is_photo(Path(args.input)) and Path(args.input).is_file():
        return paint_photo(args)
    return _show(args)


def _told(run: Callable[[], int], debug: bool | None) -> int:
    """Returns the exit code of `run`; an error is told in one line, with `debug` after its traceback.

    debug: None where there is no such option.
    """
    try:
        with _interruptible():
            return run()
    except KeyboardInterrupt:
        tell("stopped")
        return INTERRUPTED
    except Exception as exc:
        if debug:
            traceback.print_exc()
        code, text = explained(exc)
        tell(f"nst-live: {text}" + (" (more with --debug)" if debug is False and code == 1 else ""))
        return code


def _show(args: argparse.Namespace, bar: Bar = progress_bar, quiet: bool = False) -> int:
    """Plays one input; `quiet`: one of several, of which only what is amiss is told."""
    encoding, reading = Encoding(args.encoder, args.crf, args.preset), _reading(args)
    if args.loop:
        _check_loop(args)
    _check_outputs(args, encoding)
    if args.resume and args.output.exists() and not args.overwrite:
        tell(f"{args.output} is there, so it is taken as painted already; to paint it anew, add -y")
        return 0
    choice = choose_backend(args.backend)
    network = network_for(args.net, choice.backend.name)
    paintings, chosen = _load_paintings(args, network)
    names = tuple(painting.name for painting in paintings)
    playlist = parse_playlist(args.playlist, names) if args.playlist else None
    with ExitStack() as stack:
        source = stack.enter_context(_open_source(args, reading))
        audio, microphone = _open_audio(args.microphone, source, stack)
        for note in source.info.notes:
            tell(note)
        if min(source.size) < MIN_SIDE:
            tell(f"{source.info.name} is tiny ({source.size[0]}x{source.size[1]}): it is mirrored on to be painted")
        watched, output = _where_to(args, source)
        on_air = _on_air(args)
        frames = args.frames
        if frames is None and not watched and output is not None and source.info.endless and not on_air:
            frames = _UNWATCHED_SCENE_FRAMES
        awaited = watched or on_air or source.live
        suited: Callable[[Backend], Backend] = (lambda backend: backend) if awaited else Backend.for_files
        stylizer = stack.enter_context(FrameStylizer(suited(choice.backend), fade_s=args.fade))
        # who resumes paints all with one backend
        asked = choice.backend.name if args.resume else args.backend
        painter, upgrade = _prepare(stylizer, paintings[chosen].net, source.size, asked, suited=suited, stack=stack)
        width, height = source.size
        if not quiet:
            tell(f"{source.info.name} {width}x{height}, {paintings[chosen].caption}, backend: {painter.description}")
        outputs = Outputs(
            file=output,
            encoding=encoding,
            fingerprint=_facts(args, paintings, painter.description) if args.resume else None,
            stream=args.stream,
            stream_bit_rate=None if args.bitrate is None else 1000 * args.bitrate,
            virtual_camera=args.virtual_cam,
            replay_s=args.replay,
        )
        opened = open_sinks(source.info, outputs, stack, audio=audio, watched=watched)
        for note in opened.notes:
            tell(note)
        if opened.resume_state is not None and opened.resume_state.done:
            tell(f"{source.info.name}: {opened.resume_state.done} frames are painted already")
        total = min(filter(None, (source.info.frame_count, frames)), default=None)
        report = None if watched else stack.enter_context(bar(source.info.name, total))
        reporters = (
            *opened.queues,
            source,
            *((microphone,) if microphone is not None else ()),
        )
        player = Player(
            source,
            stylizer,
            Controls(
                _session(args, names, chosen),
                StyleSwitcher(paintings, playlist, lambda: _load_paintings(args, network)[0]),
            ),
            status=Status(painter.description, choice.brief_reasons, reporters, tell),
            outputs=PlayerOutputs(
                sinks=opened.queues,
                screen=_screen(source, stylizer.backend, stack) if watched else None,
                captures=args.captures or platformdirs.user_videos_path() / "nst-live",
                replay=opened.replay,
                audio=audio,
            ),
            options=PlayerOptions(
                paced=on_air,
                max_frames=frames,
                governor=_governor(args, source),
                upgrade=upgrade,
                resume_state=opened.resume_state,
                report=report,
            ),
        )
        try:
            outcome = player.run()
        except KeyboardInterrupt:
            _tell_saved(player.saved)
            if opened.resume_state is not None:
                tell(f"what is painted is kept in {opened.resume_state.folder}; the same command goes on from there")
            raise
        opened.finish(outcome.complete)
    return _conclude(outcome, source, output, quiet)


def _load_paintings(args: argparse.Namespace, network: str) -> tuple[Sequence[LoadedStyle], int]:
    """Returns what can be painted, and the place of what is wanted first."""
    paintings, chosen = load_styles(args.style, network, tell)
    if args.mix:
        return [*paintings, mix_by_name(args.mix, paintings)], len(paintings)
    return paintings, chosen


def _session(args: argparse.Namespace, names: tuple[str, ...], chosen: int) -> Session:
    return Session(
        names,
        chosen,
        strength=args.strength,
        keep_colors=args.keep_colors,
        steady=args.steady > 0,
        steadiness=args.steady or DEFAULT_STEADINESS,
        mirrored=args.mirror,
        automatic=bool(args.playlist),
        hud=args.hud,
        fullscreen=args.fullscreen,
    )


def _governor(args: argparse.Namespace, source: Source) -> Governor | None:
    """Returns what holds the rate that was asked for, or a live source's own."""
    # some streams say that they have thousands
    own_fps = min(float(source.rate), _MAX_OWN_FPS) if source.live else 0.0
    target_fps = own_fps if args.target_fps is None else args.target_fps
    return Governor(target_fps) if target_fps else None


def _screen(source: Source, backend: Backend, stack: ExitStack) -> Screen:
    """Opens a window, with thumbnails in its HUD."""
    window = stack.enter_context(Window(source.size))
    # engines are built for one size, and thumbnails have another
    painter = load_backend("openvino") if backend.name == "tensorrt" else backend
    thumbnails = stack.enter_context(Thumbnails(painter, lambda: Scene(*PAINTED_SIZE).draw(0)))
    return Screen(window, thumbnails)


def _check_outputs(args: argparse.Namespace, encoding: Encoding) -> None:
    """Raises, before anything is opened, where what was asked for could not be written or sent."""
    if args.resume:
        _check_resumable(args)
    if args.output is not None:
        check_output(args.output, args.overwrite or args.resume, args.input, encoding)
    if args.stream is not None:
        check_stream_url(args.stream)


def _check_loop(args: argparse.Namespace) -> None:
    """Raises UsageError where there is nothing to play over and over, or nobody to see and end it."""
    if args.input is None or not is_file(args.input):
        raise UsageError("--loop is for files; wanted -i FILE")
    if args.output is not None:
        raise UsageError("--loop is to be seen, not for -o; the key r records what is seen")
    watched = not args.no_window and no_screen_reason() is None
    if not watched and not _on_air(args) and args.frames is None:
        raise UsageError("nobody would end --loop; wanted a window, --stream, --virtual-cam or --frames N")


def _on_air(args: argparse.Namespace) -> bool:
    return args.stream is not None or args.virtual_cam is not None


def _check_resumable(args: argparse.Namespace) -> None:
    """Raises UsageError where work that is interrupted could not be gone on with."""
    if args.output is None or args.input is None or not is_file(args.input):
        raise UsageError("--resume is for files into files; wanted -i FILE -o FILE")
    if args.output.suffix.lower() in {".gif", ".png"}:
        raise UsageError("--resume is for mp4, mkv, mov and webm; a GIF or a row of pictures is painted in one go")
    if args.target_fps:
        raise UsageError("--resume does not go with --target-fps, by which no two runs paint alike")
    if _on_air(args):
        raise UsageError("--resume does not go with --stream and --virtual-cam, which are now or never")


def _facts(args: argparse.Namespace, paintings: Sequence[LoadedStyle], description: str) -> Mapping[str, str]:
    options = {name: getattr(args, name) for name in _DECISIVE_OPTIONS}
    styles = (
        data
        for each in paintings
        for data in (each.net.onnx.read_bytes(), b"" if each.vector is None else each.vector.tobytes())
    )
    return fingerprint_of(Path(args.input), styles, description, options)


def _reading(args: argparse.Namespace) -> ReadOptions:
    """Returns which part of the input is read, and how large. Raises UsageError where the input is no file."""
    reading = ReadOptions(args.start, args.end, args.max_size, args.scale)
    if reading != ReadOptions() and (args.input is None or not is_file(args.input)):
        raise UsageError("--start, --end, --max-size and --scale are for files; wanted -i FILE")
    if reading.end_s is not None and reading.end_s <= (reading.start_s or 0):
        raise UsageError("--end is not after --start, so there is nothing to paint")
    return reading


def _open_source(args: argparse.Namespace, reading: ReadOptions) -> Source:
    """Returns what was asked for; where nothing was and there is no camera, the bundled scene.

    Who is on air does not wait: a file is played at its own speed then, unless no frame of it may be lost.
    """
    audio = None if args.microphone is not None else AudioFeed()
    source = _find_source(args, reading, audio)
    if args.loop:
        source = Looping(source, lambda: _find_source(args, reading, audio))
    return RealTime(source, audio) if _on_air(args) and not source.live and args.output is None else source


def _find_source(args: argparse.Namespace, reading: ReadOptions, audio: AudioFeed | None) -> Source:
    try:
        return open_source(
            camera=args.camera, url=args.input, size=args.size, rate=args.fps, reading=reading, audio=audio
        )
    except SourceError:
        asked = args.camera is not None or args.input is not None
        if asked or list_cameras() or not cameras_can_be_listed():
            raise
    tell("no camera found; painting the bundled scene instead (plug one in, or choose with --camera or -i)")
    return open_source(url="test", size=args.size, rate=args.fps)


def _open_audio(wanted: str | None, source: Source, stack: ExitStack) -> tuple[AudioFeed | None, Microphone | None]:
    """Returns the live audio, which is the source's own or that of the microphone that was asked for."""
    if wanted is None:
        return source.info.audio, None
    if not source.live:
        raise UsageError("--microphone is for what is live: a camera, a network stream, or a file with --stream")
    feed = AudioFeed()
    return feed, stack.enter_context(Microphone(wanted, feed))


def _where_to(args: argparse.Namespace, source: Source) -> tuple[bool, Path | None]:
    """Returns whether to open a window and what to record into; without screen and output, a file of our choosing.

    But not for what is played over and over.
    """
    file_to_file = args.output is not None and not source.live and not source.info.endless
    if args.no_window or (file_to_file and args.no_window is None):
        return False, args.output
    no_screen = no_screen_reason()
    if no_screen is None:
        return True, args.output
    if _on_air(args):
        tell(f"{no_screen}; only on air" + ("" if args.output is None else " and recording"))
        return False, args.output
    if args.output is not None:
        tell(f"{no_screen}; only recording")
        return False, args.output
    if args.loop:
        return False, None
    output = unused_path(Path.cwd(), _FALLBACK_STEM, ".mp4")
    tell(f"{no_screen}; recording into {output}")
    return False, output


def _prepare(
    stylizer: FrameStylizer, net: Net, size: Size, asked: str, *, suited: Callable[[Backend], Backend], stack: ExitStack
) -> tuple[Painter, Upgrade | None]:
    """Loads the net. An engine that is missing is built first where TensorRT was asked for, else beside the show.

    For `auto` the next backend is taken where one turns out not to work.
    """
    upgrade: Upgrade | None = None
    failed: dict[str, str] = {}
    try:
        return stylizer.painter(net, size), None
    except EngineMissingError as exc:
        upgrade = stack.enter_context(Upgrade(stylizer.backend, exc.argv))
        if asked != "auto":
            with progress_bar(f"building the engine for {size[0]}x{size[1]}", 100) as report:
                upgrade.wait(lambda share: report and report(round(100 * share)), lambda: time.sleep(0.1))
            return stylizer.painter(net, size), None
        failed[stylizer.backend.name] = "its engine is being built"
    except BackendUnavailableError as exc:
        if asked != "auto":
            raise
        tell(f"{exc}; painting with another backend")
        failed[stylizer.backend.name] = str(exc)
    return fall_back(stylizer, net, size, failed, suited=suited, report=tell), upgrade


def _conclude(outcome: Outcome, source: Source, output: Path | None, quiet: bool) -> int:
    where = f" into {output}" if output is not None else ""
    dropped = f", {outcome.dropped} skipped" if outcome.dropped else ""
    speed = f"{outcome.elapsed_s:.1f} s ({outcome.fps:.1f} fps{dropped})"
    if not quiet:
        tell(f"painted {outcome.frame_count} frames{where} in {speed}")
    _tell_saved(outcome.saved)
    for complaint in outcome.complaints:
        tell(f"nst-live: {complaint}")
    if source.shortfall is not None:
        tell(f"nst-live: {source.shortfall}; what could be read is painted")
        return 3
    return 1 if outcome.complaints or outcome.failures else 0


def _tell_saved(paths: Sequence[Path]) -> None:
    for path in paths:
        tell(f"saved {path}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets the first Ctrl-C (or SIGTERM) end the show; further ones do not disturb the finishing of its files."""
    interrupted = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        for number in _STOPPING_SIGNALS:
            signal.signal(number, _still_finishing)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _STOPPING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            # once interrupted, all that is left is to end: a further Ctrl-C would only spoil the exit code
            signal.signal(number, signal.SIG_IGN if interrupted else handler)


def _still_finishing(_number: int, _frame: FrameType | None) -> None:
    tell("finishing the file …")


def _doctor(arguments: Sequence[str]) -> int:
    from build_engines import cli

    return cli.main(["doctor", *arguments])


_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "bench": bench.main,
    "gallery": gallery.main,
    "doctor": _doctor,
}

if __name__ == "__main__":
    sys.exit(main())
