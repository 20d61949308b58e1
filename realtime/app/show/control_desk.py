"""What controls a show: the keys, the kiosk, the page."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from realtime.app.nets import Catalog, load_wanted_styles
from realtime.app.options.table import Options
from realtime.app.show.first_session import first_session
from realtime.app.show.new_styles import style_uploads
from realtime.app.show.page import OpenPage, open_page, wants_page
from realtime.player.controls import Controls
from realtime.player.kiosk import DEFAULT_IDLE_S, Kiosk
from realtime.player.style_switcher import StyleSwitcher
from realtime.remote.outlets import Outlets
from realtime.remote.show import RemoteShow
from realtime.sources.browser_camera import BrowserFeed
from realtime.stylize.colors import Coloring


@dataclass(frozen=True)
class ControlDesk:
    """What controls a show, from before its source is open: what a browser's camera sends comes through the page."""

    controls: Controls
    page: OpenPage | None

    @property
    def link(self) -> str | None:
        """The address of the page."""
        return None if self.page is None else self.page.link

    @property
    def browser(self) -> BrowserFeed | None:
        """What a browser's camera sends through the page."""
        return None if self.page is None else self.page.outlets.feed


def open_control_desk(options: Options, catalog: Catalog, colors: Coloring, stack: ExitStack) -> ControlDesk:
    """Opens what controls a show.

    Args:
        options: what was asked for.
        catalog: the styles.
        colors: whose colours the paintings have.
        stack: closes it.

    Raises what `open_page` raises.
    """
    session, kiosk_s = first_session(options, catalog, colors), options.screen.kiosk
    kiosk = None if kiosk_s is None else Kiosk(session, float(kiosk_s or DEFAULT_IDLE_S))
    switcher = StyleSwitcher(catalog.styles, load=lambda: load_wanted_styles(options.look, catalog.network)[0])
    controls = Controls(session, switcher, kiosk=kiosk)
    if not wants_page(options):
        return ControlDesk(controls, None)
    outlets = Outlets()
    remote = RemoteShow(controls, outlets.frames, uploads=style_uploads(options.look, catalog, controls))
    return ControlDesk(controls, open_page(remote, outlets, options, stack))
