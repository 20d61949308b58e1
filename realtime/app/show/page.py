"""Opens the page of controls, and says where it is; with it come the painting by WebRTC and browsers' cameras."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass

from realtime.app.options.table import Options
from realtime.remote.address import address_of
from realtime.remote.ice import ice_server_of
from realtime.remote.outlets import Outlets
from realtime.remote.show import RemoteShow
from realtime.screen.display import Codes
from realtime.sources.browser_camera import BROWSER
from styles.support.errors import UsageError
from styles.support.terminal import print_line


@dataclass(frozen=True)
class OpenPage:
    """A page that is served.

    Args:
        show: what it controls.
        link: its address, with the token if one is needed.
        codes: the QR codes for the screen.
        outlets: what it shares with the show.
    """

    show: RemoteShow
    link: str
    codes: Codes
    outlets: Outlets


def wants_page(options: Options) -> bool:
    """Returns whether a page was asked for: also by the camera of a browser, which can come no other way."""
    return options.control.control is not None or options.source.url == BROWSER


def open_page(show: RemoteShow, outlets: Outlets, options: Options, stack: ExitStack) -> OpenPage:
    """Serves the page of a show, and prints its link; for a phone also as a QR code.

    Args:
        show: what is controlled.
        outlets: what the page shares with it.
        options: where the page is.
        stack: closes it.

    Raises:
        UsageError: the packages of the extra `control` are missing.
        ControlServerError: nothing can be opened at that address.
    """
    control, wanted_size = options.control, options.source.size
    address = address_of(control.control or "")
    try:
        from realtime.remote.links import qr_text
        from realtime.remote.server import ControlServer, ServerOptions
        from realtime.remote.signalling import Signalling
    except ImportError as exc:
        flag = "--control" if control.control is not None else f"-i {BROWSER}"
        raise UsageError(f'{flag} needs the package {exc.name}; type: pip install "nst-live[control]"') from exc
    ice_servers = () if control.ice_server is None else (ice_server_of(control.ice_server),)
    signalling = Signalling(outlets, lambda: show.size or wanted_size, ice_servers)
    options_of_server = ServerOptions(address, control.control_tls, control.control_token or "")
    server = ControlServer(show, options_of_server, [signalling.add_to])
    stack.enter_context(server)
    print_line(f"controls: {server.link}")
    if control.control_tls:
        print_line("the browser warns of a certificate that it does not know: it was made for this show alone")
    if sys.stderr.isatty() and not address.is_loopback:
        for line in qr_text(server.link).splitlines():
            print_line(line)
    return OpenPage(show, server.link, server.codes, outlets)
