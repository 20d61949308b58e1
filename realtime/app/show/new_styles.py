"""Styles made while a show goes on: of what the camera sees, and of pictures that come through the page."""

from __future__ import annotations

from realtime.app.nets import Catalog
from realtime.app.options.table import StyleOptions
from realtime.frames import Size
from realtime.player.controls import Controls
from realtime.player.style_maker import StyleMaker
from realtime.player.style_uploads import StyleUploads
from realtime.stylize.prediction import StylePredictor
from realtime.stylize.styles import loaded_picture
from styles.registry import user_folder


def style_maker(look: StyleOptions, catalog: Catalog, size: Size) -> StyleMaker:
    """Returns what makes styles of what the camera sees.

    Args:
        look: what was asked for.
        catalog: the styles of the show.
        size: width and height of its frames.
    """
    network, zoom = catalog.network, look.style_zoom
    return StyleMaker(
        user_folder(),
        lambda path: loaded_picture(path, network, zoom),
        lambda: StylePredictor(network, zoom).warm_up(size),
    )


def style_uploads(look: StyleOptions, catalog: Catalog, controls: Controls) -> StyleUploads:
    """Returns what makes styles of pictures that are sent; arguments as for `style_maker`, and what they go to."""
    network, zoom = catalog.network, look.style_zoom
    return StyleUploads(user_folder(), lambda path: loaded_picture(path, network, zoom), controls)
