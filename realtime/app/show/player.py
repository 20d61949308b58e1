"""Builds the player of a show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from realtime.app.progress import Report
from realtime.app.show.new_styles import style_maker
from realtime.app.show.page import OpenPage
from realtime.app.show.parts import ShowParts
from realtime.app.show.refine import open_refiner
from realtime.app.show.screen import open_screen, open_thumbnails
from realtime.app.show.sound import reaction_to
from realtime.player.governor import Governor
from realtime.player.parts import PlayerOptions, PlayerOutputs
from realtime.player.player import Player
from realtime.player.status import Reporter, Status
from realtime.screen.thumbnails import Thumbnails
from realtime.sinks.open import OpenSinks
from realtime.sources.base import Source
from styles.support.terminal import print_line
from styles.support.user_folders import videos_folder

# Opens the bar of an input, given its name and the number of its frames, if that is known.
InputBar = Callable[[str, int | None], AbstractContextManager[Report | None]]


def build_player(show: ShowParts, sinks: OpenSinks, bar: InputBar, stack: ExitStack) -> Player:
    """Builds the player.

    Args:
        show: what was asked for, and what is open.
        sinks: where the frames go.
        bar: opens the bar of the input.
        stack: closes what is opened for it.
    """
    options, catalog, source, page = show.options, show.catalog, show.source, show.desk.page
    frames = min(filter(None, (source.info.frame_count, show.max_frames)), default=None)
    report = None if show.target.watched else stack.enter_context(bar(source.info.name, frames))
    refiner = open_refiner(show.refining, stack)
    microphone = show.input.microphone
    others: Sequence[Reporter | None] = (microphone, refiner)
    reporters: Sequence[Reporter] = [*sinks.queues, source, *(each for each in others if each is not None)]
    thumbnails = open_thumbnails(show, stack)
    screen = open_screen(show, thumbnails, stack)
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
            style_maker=stack.enter_context(style_maker(options.look, catalog, source.size)),
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
        _connect(page, player, show, thumbnails)
        if screen is not None:
            screen.codes = page.codes
    return player


def _connect(page: OpenPage, player: Player, show: ShowParts, thumbnails: Thumbnails | None) -> None:
    """Gives the page what it shows, now that it is open."""
    page.show.size, page.show.thumbnails, page.show.saved = show.source.size, thumbnails, lambda: player.saved
    page.show.source = show.input.changeable


def _governor(target_fps: float | None, source: Source) -> Governor | None:
    """Returns what holds the rate that was asked for, or a live source's own."""
    own_fps = float(source.rate) if source.live else 0.0
    target_fps = own_fps if target_fps is None else target_fps
    return Governor(target_fps) if target_fps else None
