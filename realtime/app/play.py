"""Plays one input: opens what was asked for, lets a player run, and reports how it went."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.app.inputs import OpenInput, open_input
from realtime.app.instruments import open_instruments
from realtime.app.nets import Catalog, NetRequest, OpenNet, load_catalog, load_wanted_styles, open_net
from realtime.app.options import TABLE, Options, values_of
from realtime.app.page import OpenPage, open_page, wants_page
from realtime.app.progress import Report
from realtime.app.refine import open_refiner, refining_plan
from realtime.app.sound import reaction_to
from realtime.backends import load_backend
from realtime.media.decoding import SourceError
from realtime.media.encoders import Encoding
from realtime.media.free_memory import shortage
from realtime.media.pipe import is_piped
from realtime.player.controls import Controls
from realtime.player.governor import Governor
from realtime.player.kiosk import DEFAULT_IDLE_S, Kiosk
from realtime.player.parts import Outcome, PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.refined_style import RefiningPlan
from realtime.player.status import Reporter, Status
from realtime.player.style_maker import StyleMaker
from realtime.player.style_switcher import StyleSwitcher
from realtime.player.style_uploads import StyleUploads
from realtime.queues import background_worker, reported_if_slow
from realtime.remote.outlets import Outlets
from realtime.remote.show import RemoteShow
from realtime.screen.awake import Awake
from realtime.screen.display import Screen
from realtime.screen.thumbnails import PAINTED_SIZE, Thumbnails
from realtime.screen.window import Window, no_screen_reason
from realtime.session import DEFAULT_STEADINESS, Session
from realtime.sinks.open import OpenSinks, Outputs, open_sinks
from realtime.sinks.output_file import is_pipe, named, pipe_format
from realtime.sinks.parts import PartTarget
from realtime.sinks.recorder import RecordingError, check_output, unused_path
from realtime.sinks.segments import fingerprint_of
from realtime.sinks.stream import check_stream_url
from realtime.sinks.stream_process import StreamRate
from realtime.sources.base import Source, SourceInfo, Span
from realtime.sources.browser_camera import BROWSER
from realtime.sources.open import is_file
from realtime.sources.scene import Scene
from realtime.stylize.colors import Coloring, coloring
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.pipeline import MIN_SIDE, scaled
from realtime.stylize.prediction import StylePredictor
from realtime.stylize.styles import loaded_picture
from styles.registry import user_folder
from styles.support.errors import FAILED, UNREADABLE, UsageError
from styles.support.progress import progress_bar
from styles.support.secrets import shown_address
from styles.support.terminal import print_line
from styles.support.user_folders import videos_folder

# Without camera and screen nobody can stop the scene, so it ends after this many frames.
_UNWATCHED_SCENE_FRAMES = 180
# What the smallest of our nets takes for a pixel, at least.
_BYTES_A_PIXEL = 32
_FALLBACK_STEM = "nst-live"
_BITS_PER_KBIT = 1000

# Opens the bar of an input, given its name and the number of its frames, if that is known.
InputBar = Callable[[str, int | None], AbstractContextManager[Report | None]]


@dataclass(frozen=True)
class _Target:
    """Where the painted frames go: into a window or not, and into a file or not."""

    watched: bool
    file: Path | None


@dataclass(frozen=True)
class _Show:
    """All that a player is built from."""

    options: Options
    catalog: Catalog
    input: OpenInput
    target: _Target
    net: OpenNet
    coloring: Coloring
    refining: RefiningPlan | None
    desk: _Desk
    part: PartTarget | None = None

    @property
    def source(self) -> Source:
        return self.input.source

    @property
    def is_watched(self) -> bool:
        """Whether somebody sees it, in a window or on a page, and can ask for things."""
        return self.target.watched or self.desk.page is not None

    @property
    def max_frames(self) -> int | None:
        """After how many frames it ends; None for no limit."""
        info, target, wanted = self.source.info, self.target, self.options.source.frames
        unstoppable = info.endless and not target.watched and target.file is not None
        if wanted is None and unstoppable and not self.options.on_air.is_on_air:
            return _UNWATCHED_SCENE_FRAMES
        return wanted


@dataclass(frozen=True)
class _Desk:
    """What controls a show, from before its source is open: what a browser's camera sends comes through the page."""

    controls: Controls
    page: OpenPage | None


def play_input(options: Options, bar: InputBar = progress_bar, quiet: bool = False) -> int:
    """Plays one input to its end; returns the exit code.

    Args:
        options: what was asked for.
        bar: opens the bar of the input.
        quiet: it is one of several inputs, and only what goes wrong is reported.

    Raises what cannot be opened, and what ends the player.
    """
    check_playable(options)
    if is_done(options):
        return 0
    return _open_and_play(options, load_catalog(options.look), bar, quiet)


def play_with(options: Options, catalog: Catalog, bar: InputBar, part: PartTarget | None = None) -> int:
    """Plays one of several inputs, with styles that are loaded already; returns the exit code.

    Args:
        options: what was asked for.
        catalog: the styles and the backend.
        bar: opens the bar of the input.
        part: which part of it is played, and what takes that in place of the output; None for all of it.

    Raises what cannot be opened, and what ends the player.
    """
    return _open_and_play(options, catalog, bar, quiet=True, part=part)


def _open_and_play(
    options: Options, catalog: Catalog, bar: InputBar, quiet: bool, part: PartTarget | None = None
) -> int:
    colors, refining = coloring(options.look.colors, options.look.keep_colors), refining_plan(options.look, catalog)
    with ExitStack() as stack:
        made_ready = stack.enter_context(background_worker()).submit(catalog.first.make_ready)
        desk = _open_desk(options, catalog, colors, stack)
        waiting, span = _waiting_line(options, desk), None if part is None or part.span == Span() else part.span
        with reported_if_slow(lambda: print_line(waiting)):
            opened = open_input(options, stack, None if desk.page is None else desk.page.outlets.feed, span)
        _report_input(opened.source)
        _check_memory(opened.source.info)
        target = _choose_target(options, opened.source)
        net = _open_net(options, catalog, opened.source, target, stack)
        made_ready.result()
        if not quiet:
            size = "x".join(map(str, opened.source.size))
            print_line(f"{opened.source.info.name} {size}, {catalog.first.caption}, backend: {net.painter.description}")
        return _play(_Show(options, catalog, opened, target, net, colors, refining, desk, part), bar, quiet)


def _play(show: _Show, bar: InputBar, quiet: bool) -> int:
    """Opens where the frames go, and lets a player run; returns the exit code."""
    sinks = OpenSinks()
    try:
        with ExitStack() as stack:
            _keep_awake(show, stack.enter_context(Awake()))
            if show.part is not None:
                show.part.begin(show.net.painter.description)
            sinks = _open_sinks(show, stack)
            player = _build_player(show, sinks, bar, stack)
            open_instruments(show.desk.controls, show.options.control, stack)
            outcome = _run(player, sinks)
    except BaseException as exc:
        # that of a recording says itself what is left of it
        if not isinstance(exc, RecordingError):
            _report_kept(sinks, show.source.info.name)
        raise
    return _conclude(outcome, show.source, sinks, quiet)


def _report_kept(sinks: OpenSinks, name: str) -> None:
    """Reports what is left of a painting that was ended early."""
    recording = sinks.recording
    if sinks.kept is not None:
        print_line(f"what is painted is kept in {sinks.kept}; the same command continues from there")
    elif recording is not None and not is_pipe(recording.path):
        print_line(f"{recording.path} holds the {recording.frame_count} frames of {name} that were painted")


def _waiting_line(options: Options, desk: _Desk) -> str:
    """Returns what is said while the input is not open yet."""
    if options.source.url == BROWSER and desk.page is not None:
        return f"waiting for a browser's camera: open {desk.page.link} and press “Use this camera”"
    return f"opening {_shown_name(options.source.camera, options.source.url)} …"


def _shown_name(camera: str | None, url: str | None) -> str:
    """Returns what messages call an input before it is open; a password in a URL is left out."""
    if url is None:
        return "the camera" if camera is None else f"camera {camera}"
    return url if is_file(url) else shown_address(url)


def check_playable(options: Options) -> None:
    """Raises, before anything is opened, if what was asked for could not be written, sent or ended."""
    output = options.output
    if options.source.url is not None and is_file(options.source.url) and is_piped(Path(options.source.url)):
        _check_piped(options)
    if options.source.loop:
        _check_loop(options)
    if output.resume and output.output is not None and _is_in_one_go(output.output):
        raise UsageError(
            "--resume is for mp4, mkv, mov and webm; a GIF, an image sequence or a pipe is painted in one go"
        )
    if output.output is not None:
        check_output(output.output, output.overwrite or output.resume, options.source.url, encoding_of(options))
    if options.on_air.stream is not None:
        check_stream_url(options.on_air.stream)


def _check_piped(options: Options) -> None:
    for refused, flag in ((options.source.loop, "--loop"), (options.output.resume, "--resume")):
        if refused:
            raise UsageError(f"{flag} does not go with a pipe, which can be read only once; save it as a file first")


def _is_in_one_go(path: Path) -> bool:
    return is_pipe(path) or path.suffix.lower() in {".gif", ".png"}


def _check_loop(options: Options) -> None:
    watched = not options.screen.no_window and no_screen_reason(os.environ) is None
    watched = watched or options.control.control is not None
    if not watched and not options.on_air.is_on_air and options.source.frames is None:
        raise UsageError("--loop would never end; add --stream, --virtual-cam or --frames N, or open a window")


def is_done(options: Options) -> bool:
    """Returns, and reports, whether what an interrupted run was asked for is there."""
    output = options.output
    done = output.resume and not output.overwrite and output.output is not None and output.output.exists()
    if done:
        print_line(f"{output.output} exists, so it counts as painted; to paint it again, add -y")
    return done


def encoding_of(options: Options) -> Encoding:
    output = options.output
    return Encoding(output.encoder, output.crf, output.preset, pipe_format=pipe_format(output.output, output.format))


def _report_input(source: Source) -> None:
    for note in source.info.notes:
        print_line(note)
    width, height = source.size
    if min(width, height) < MIN_SIDE:
        print_line(f"{source.info.name} is tiny ({width}x{height}): it is extended by mirroring to be painted")


def _check_memory(info: SourceInfo) -> None:
    """Raises SourceError before a net is loaded for frames for which there is no memory."""
    width, height = info.size
    if short := shortage(max(width, MIN_SIDE) * max(height, MIN_SIDE) * _BYTES_A_PIXEL):
        raise SourceError(
            f"{info.name} cannot be painted: for frames of {width}x{height} {short}; "
            "make them smaller, e.g. with --max-size 4096"
        )


def _choose_target(options: Options, source: Source) -> _Target:
    """Returns where frames go; without a screen and an output, into a file of our choosing, unless it is a loop."""
    file, no_window = options.output.output, options.screen.no_window
    file_to_file = file is not None and not source.live and not source.info.endless
    if no_window or (file_to_file and no_window is None):
        return _Target(False, file)
    no_screen = no_screen_reason(os.environ)
    if no_screen is None:
        return _Target(True, file)
    if options.on_air.is_on_air:
        print_line(f"{no_screen}; only on air" + ("" if file is None else " and recording"))
        return _Target(False, file)
    if file is not None:
        print_line(f"{no_screen}; only recording")
        return _Target(False, file)
    if options.source.loop or options.control.control is not None:
        return _Target(False, None)
    file = unused_path(Path.cwd(), _FALLBACK_STEM, ".mp4")
    print_line(f"{no_screen}; recording into {file}")
    return _Target(False, file)


def _open_net(options: Options, catalog: Catalog, source: Source, target: _Target, stack: ExitStack) -> OpenNet:
    # all runs that resume one another paint with the same backend
    backend = catalog.choice.backend.name if options.output.resume else options.look.backend
    awaited = target.watched or options.on_air.is_on_air or source.live
    net = catalog.first.net
    request = NetRequest(net, scaled(source.size, options.look.brush, net), backend, awaited)
    return open_net(catalog.choice, request, options.look.fade, stack)


def _keep_awake(show: _Show, awake: Awake) -> None:
    """Keeps the computer awake while it is on air; a window does so itself in full screen."""
    if show.options.on_air.is_on_air:
        awake.on()
    if awake.unavailable_reason and show.target.watched:
        print_line(f"the screen may go dark during the show: {awake.unavailable_reason}")


def _open_sinks(show: _Show, stack: ExitStack) -> OpenSinks:
    options, on_air, info = show.options, show.options.on_air, show.source.info
    outputs = Outputs(
        file=show.target.file,
        encoding=encoding_of(options),
        fingerprint=(
            film_fingerprint(options, show.catalog, show.net.painter.description) if options.output.resume else None
        ),
        part=show.part,
        stream=on_air.stream,
        stream_rate=StreamRate(
            None if on_air.bitrate is None else _BITS_PER_KBIT * on_air.bitrate, on_air.constant_bitrate
        ),
        virtual_camera=on_air.virtual_cam,
        ndi=on_air.ndi,
        replay_s=options.screen.replay,
        audio_delay_s=on_air.audio_delay_s,
    )
    sinks = open_sinks(info, outputs, stack, audio=show.input.audio, watched=show.is_watched)
    for note in sinks.notes:
        print_line(note)
    if sinks.resume_state is not None and sinks.resume_state.done:
        print_line(f"{info.name}: {sinks.resume_state.done} frames are painted already")
    return sinks


def film_fingerprint(options: Options, catalog: Catalog, painter: str) -> Mapping[str, str]:
    """Returns what decides how the frames of a file look.

    Args:
        options: what was asked for.
        catalog: the styles, ready.
        painter: what paints them.
    """
    values = values_of(options)
    decisive = {name: values[name] for name, each in TABLE.items() if each.changes_pixels}
    styles = (
        data
        for each in catalog.wanted
        for data in (each.net.onnx.read_bytes(), b"" if each.vector is None else each.vector.tobytes())
    )
    palette = repr(coloring(options.look.colors, options.look.keep_colors).palette).encode()
    return fingerprint_of(Path(str(options.source.url)), (*styles, palette), painter, decisive)


def _open_desk(options: Options, catalog: Catalog, colors: Coloring, stack: ExitStack) -> _Desk:
    def reload() -> Sequence[LoadedStyle]:
        return load_wanted_styles(options.look, catalog.network)[0]

    session, kiosk_s = _session(options, catalog, colors), options.screen.kiosk
    kiosk = None if kiosk_s is None else Kiosk(session, float(kiosk_s or DEFAULT_IDLE_S))
    controls = Controls(session, StyleSwitcher(catalog.styles, load=reload), kiosk=kiosk)
    if not wants_page(options):
        return _Desk(controls, None)
    network, zoom = catalog.network, options.look.style_zoom
    uploads = StyleUploads(user_folder(), lambda path: loaded_picture(path, network, zoom), controls)
    outlets = Outlets()
    remote = RemoteShow(controls, outlets.frames, uploads=uploads)
    return _Desk(controls, open_page(remote, outlets, options, stack))


def _open_thumbnails(show: _Show, stack: ExitStack) -> Thumbnails | None:
    """Returns the thumbnails for the HUD and for pages; None if there is neither."""
    if not show.target.watched and show.desk.page is None:
        return None
    backend = show.net.stylizer.backend
    # engines are built for one size, and thumbnails have another
    painter = load_backend("openvino") if backend.name == "tensorrt" else backend
    return stack.enter_context(Thumbnails(painter, lambda: Scene(*PAINTED_SIZE).draw(0)))


def _build_player(show: _Show, sinks: OpenSinks, bar: InputBar, stack: ExitStack) -> Player:
    options, catalog, source, page = show.options, show.catalog, show.source, show.desk.page
    frames = min(filter(None, (source.info.frame_count, show.max_frames)), default=None)
    report = None if show.target.watched else stack.enter_context(bar(source.info.name, frames))
    refiner = open_refiner(show.refining, stack)
    microphone = show.input.microphone
    others: Sequence[Reporter | None] = (microphone, refiner)
    reporters: Sequence[Reporter] = [*sinks.queues, source, *(each for each in others if each is not None)]
    thumbnails = _open_thumbnails(show, stack)
    screen = Screen(stack.enter_context(Window(source.size)), thumbnails) if show.target.watched else None
    player = Player(
        source,
        show.net.stylizer,
        show.desk.controls,
        status=Status(show.net.painter.description, catalog.choice.brief_reasons, reporters, print_line),
        outputs=PlayerOutputs(
            sinks=(*sinks.all, *(() if page is None else page.outlets.open_queues(stack))),
            screen=screen,
            captures=options.screen.captures or videos_folder(),
            replay=sinks.replay,
            audio=show.input.audio if sinks.file_sound is None else sinks.file_sound.feed,
            style_maker=stack.enter_context(_style_maker(show)),
            refiner=refiner,
            stream=sinks.stream,
        ),
        options=PlayerOptions(
            paced=options.on_air.is_on_air,
            max_frames=show.max_frames,
            governor=_governor(options.look.target_fps, source),
            upgrade=show.net.upgrade,
            resume_state=sinks.resume_state,
            report=report,
            palette=show.coloring.palette,
            reaction=reaction_to(show.input),
        ),
    )
    if page is not None:
        page.show.size, page.show.thumbnails, page.show.saved = source.size, thumbnails, lambda: player.saved
        page.show.source = show.input.changeable
        if screen is not None:
            screen.codes = page.codes
    return player


def _style_maker(show: _Show) -> StyleMaker:
    network, zoom = show.catalog.network, show.options.look.style_zoom
    return StyleMaker(
        user_folder(),
        lambda path: loaded_picture(path, network, zoom),
        lambda: StylePredictor(network, zoom).warm_up(show.source.size),
    )


def _playlist(options: Options, catalog: Catalog) -> tuple[tuple[str, float], ...]:
    seconds = (each for _, each in options.look.playlist or ())
    return tuple((style.name, each) for style, each in zip(catalog.wanted, seconds, strict=False))


def _session(options: Options, catalog: Catalog, colors: Coloring) -> Session:
    look, screen = options.look, options.screen
    return Session(
        catalog.names,
        catalog.first_index,
        mix=catalog.mix,
        brush=look.brush,
        given_brush=look.brush,
        net_scale=look.brush,
        strength=look.strength,
        colors=colors.name,
        color_picture="" if colors.palette is None else colors.palette.name,
        steady=look.steady > 0,
        steadiness=look.steady or DEFAULT_STEADINESS,
        mirrored=look.mirror,
        automatic=bool(look.playlist),
        react=look.react,
        playlist=_playlist(options, catalog),
        on_air=options.on_air.stream is not None,
        hud=screen.hud,
        fullscreen=screen.fullscreen or screen.kiosk is not None,
        remapped=screen.keys,
    )


def _governor(target_fps: float | None, source: Source) -> Governor | None:
    """Returns what holds the rate that was asked for, or a live source's own."""
    own_fps = float(source.rate) if source.live else 0.0
    target_fps = own_fps if target_fps is None else target_fps
    return Governor(target_fps) if target_fps else None


def _run(player: Player, sinks: OpenSinks) -> Outcome:
    """Runs a player and finishes its sinks."""
    try:
        outcome = player.run()
    except KeyboardInterrupt:
        _report_saved(player.saved)
        raise
    sinks.finish(outcome.complete)
    late = [failure for failure in sinks.failures if failure not in outcome.failures]
    for failure in late:
        print_line(f"nst-live: {failure}")
    return replace(outcome, failures=(*outcome.failures, *late))


def _conclude(outcome: Outcome, source: Source, sinks: OpenSinks, quiet: bool) -> int:
    """Reports how it went; returns the exit code."""
    recording = sinks.recording
    where = f" into {named(recording.path)}" if recording is not None and recording.whole else ""
    dropped = f", {outcome.dropped} skipped" if outcome.dropped else ""
    speed = f"{outcome.elapsed_s:.1f} s ({outcome.fps:.1f} fps{dropped})"
    if not quiet:
        print_line(f"painted {outcome.frame_count} frames{where} in {speed}")
    for damage in sinks.damage:
        print_line(f"{source.info.name}: {damage}")
    _report_saved(outcome.saved)
    for complaint in outcome.complaints:
        print_line(f"nst-live: {complaint}")
    if source.shortfall is not None:
        print_line(f"nst-live: {source.shortfall}; what could be read is painted")
    if outcome.complaints or outcome.failures:
        return FAILED
    return 0 if source.shortfall is None else UNREADABLE


def _report_saved(paths: Sequence[Path]) -> None:
    for path in paths:
        print_line(f"saved {path}")
