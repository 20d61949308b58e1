"""The session that a show begins with: what the options ask for."""

from __future__ import annotations

from realtime.app.nets import Catalog
from realtime.app.options.table import Options
from realtime.session import DEFAULT_STEADINESS, Session
from realtime.stylize.colors import Coloring


def first_session(options: Options, catalog: Catalog, colors: Coloring) -> Session:
    """Returns the session at the start.

    Args:
        options: what was asked for.
        catalog: the styles.
        colors: whose colours the paintings have.
    """
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


def _playlist(options: Options, catalog: Catalog) -> tuple[tuple[str, float], ...]:
    seconds = (each for _, each in options.look.playlist or ())
    return tuple((style.name, each) for style, each in zip(catalog.wanted, seconds, strict=False))
