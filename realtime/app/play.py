"""Plays one input: opens what was asked for, lets a player run, and reports how it went."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from realtime.app.nets import Catalog, NetRequest, OpenNet, load_catalog, open_net
from realtime.app.options.table import Options
from realtime.app.show.checks import check_playable, is_done
from realtime.app.show.control_desk import open_control_desk
from realtime.app.show.frame_size import check_frames
from realtime.app.show.inputs import open_input
from realtime.app.show.instruments import open_instruments
from realtime.app.show.outputs import open_outputs
from realtime.app.show.parts import ShowParts
from realtime.app.show.player import InputBar, build_player
from realtime.app.show.refine import refining_plan
from realtime.app.show.reports import report_end, report_input, report_kept, report_saved, waiting_line
from realtime.app.show.screen import keep_awake
from realtime.app.show.target import Target, choose_target
from realtime.player.parts import Outcome
from realtime.player.player import Player
from realtime.queues import background_worker, reported_if_slow
from realtime.screen.awake import Awake
from realtime.sinks.open import OpenSinks
from realtime.sinks.parts import PartTarget
from realtime.sinks.recorder import RecordingError
from realtime.sources.base import Source, Span
from realtime.stylize.colors import coloring
from realtime.stylize.pipeline import scaled
from styles.support.errors import FAILED, UNREADABLE
from styles.support.progress import progress_bar
from styles.support.terminal import print_line


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
        desk = open_control_desk(options, catalog, colors, stack)
        waiting, span = waiting_line(options, desk.link), None if part is None or part.span == Span() else part.span
        with reported_if_slow(lambda: print_line(waiting)):
            opened = open_input(options, stack, desk.browser, span)
        report_input(opened.source)
        target = choose_target(options, opened.source)
        check_frames(options, opened.source.info, target)
        net = _open_net(options, catalog, opened.source, target, stack)
        made_ready.result()
        if not quiet:
            size = "x".join(map(str, opened.source.size))
            print_line(f"{opened.source.info.name} {size}, {catalog.first.caption}, backend: {net.painter.description}")
        return _play(ShowParts(options, catalog, opened, target, net, colors, refining, desk, part), bar, quiet)


def _play(show: ShowParts, bar: InputBar, quiet: bool) -> int:
    """Opens where the frames go, and lets a player run; returns the exit code."""
    sinks = OpenSinks()
    try:
        with ExitStack() as stack:
            keep_awake(show, stack.enter_context(Awake()))
            if show.part is not None:
                show.part.begin(show.net.painter.description)
            sinks = open_outputs(show, stack)
            player = build_player(show, sinks, bar, stack)
            open_instruments(show.desk.controls, show.options.control, stack)
            outcome = _run(player, sinks)
    except BaseException as exc:
        # that of a recording says itself what is left of it
        if not isinstance(exc, RecordingError):
            report_kept(sinks, show.source.info.name)
        raise
    return _conclude(outcome, show.source, sinks, quiet)


def _open_net(options: Options, catalog: Catalog, source: Source, target: Target, stack: ExitStack) -> OpenNet:
    # all runs that resume one another paint with the same backend
    backend = catalog.choice.backend.name if options.output.resume else options.look.backend
    awaited = target.watched or options.on_air.is_on_air or source.live
    net = catalog.first.net
    request = NetRequest(net, scaled(source.size, options.look.brush, net), backend, awaited)
    return open_net(catalog.choice, request, options.look.fade, stack)


def _run(player: Player, sinks: OpenSinks) -> Outcome:
    """Runs a player and finishes its sinks."""
    try:
        outcome = player.run()
    except KeyboardInterrupt:
        report_saved(player.saved)
        raise
    sinks.finish(outcome.complete)
    late = [failure for failure in sinks.failures if failure not in outcome.failures]
    for failure in late:
        print_line(f"nst-live: {failure}")
    return replace(outcome, failures=(*outcome.failures, *late))


def _conclude(outcome: Outcome, source: Source, sinks: OpenSinks, quiet: bool) -> int:
    """Reports how it went; returns the exit code."""
    report_end(outcome, source, sinks, quiet)
    if outcome.complaints or outcome.failures:
        return FAILED
    return 0 if source.shortfall is None else UNREADABLE
