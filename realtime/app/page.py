"""Opens the page of controls, and says where it is."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from realtime.app.options import ControlOptions
from realtime.remote.address import address_of
from realtime.remote.show import RemoteShow
from realtime.screen.display import Screen
from styles.support.errors import UsageError
from styles.support.terminal import print_line


def open_page(show: RemoteShow, options: ControlOptions, screen: Screen | None, stack: ExitStack) -> None:
    """Serves the page of a show, and prints its link; for a phone also as a QR code.

    Args:
        show: what is controlled.
        options: where the page is.
        screen: shows its QR codes; None for no window.
        stack: closes it.

    Raises:
        UsageError: the packages of the extra `control` are missing.
        ControlServerError: nothing can be opened at that address.
    """
    address = address_of(options.control or "")
    try:
        from realtime.remote.links import qr_text
        from realtime.remote.server import ControlServer, ServerOptions
    except ImportError as exc:
        raise UsageError(f'--control needs the package {exc.name}; type: pip install "nst-live[control]"') from exc
    server = ControlServer(show, ServerOptions(address, options.control_tls, options.control_token or ""))
    stack.enter_context(server)
    if screen is not None:
        screen.codes = server.codes
    print_line(f"controls: {server.link}")
    if options.control_tls:
        print_line("the browser warns of a certificate that it does not know: it was made for this show alone")
    if address.is_loopback:
        return
    if sys.stderr.isatty():
        for line in qr_text(server.link).splitlines():
            print_line(line)
