"""Opens the page of controls, and says where it is; with it come the painting by WebRTC and browsers' cameras."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass

from realtime.app.options import Options
from realtime.queues import SinkQueue
from realtime.remote.address import address_of
from realtime.remote.ice import ice_server_of
from realtime.remote.show import RemoteShow
from realtime.screen.display import Codes
from realtime.sinks.jpeg_frames import open_jpeg_queue
from realtime.sinks.web_video import WebVideo, open_web_video_queue
from realtime.sources.browser_camera import BROWSER, BrowserFeed
from realtime.sources.camera import DEFAULT_CAMERA_SIZE
from styles.support.errors import UsageError
from styles.support.terminal import print_line


@dataclass(frozen=True)
class OpenPage:
    """A page that is served.

    Args:
        show: what it controls.
        link: its address, with the token if one is needed.
        codes: the QR codes for the screen.
        video: the painting for those who watch by WebRTC.
        feed: what a browser's camera sends.
    """

    show: RemoteShow
    link: str
    codes: Codes
    video: WebVideo
    feed: BrowserFeed

    def open_queues(self, stack: ExitStack) -> tuple[SinkQueue, ...]:
        """Returns what takes the painted frames for it; closed by `stack`."""
        queues = (open_jpeg_queue(self.show.frames), open_web_video_queue(self.video))
        return tuple(map(stack.enter_context, queues))


def wants_page(options: Options) -> bool:
    """Returns whether a page was asked for: also by the camera of a browser, which can come no other way."""
    return options.control.control is not None or options.source.url == BROWSER


def open_page(show: RemoteShow, options: Options, stack: ExitStack) -> OpenPage:
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
    control, wanted_size = options.control, options.source.size or DEFAULT_CAMERA_SIZE
    address = address_of(control.control or "")
    try:
        from realtime.remote.links import qr_text
        from realtime.remote.server import ControlServer, ServerOptions
        from realtime.remote.signalling import Signalling
    except ImportError as exc:
        flag = "--control" if control.control is not None else f"-i {BROWSER}"
        raise UsageError(f'{flag} needs the package {exc.name}; type: pip install "nst-live[control]"') from exc
    video, feed = WebVideo(), BrowserFeed()
    ice_servers = () if control.ice_server is None else (ice_server_of(control.ice_server),)
    signalling = Signalling(video, feed, lambda: show.size or wanted_size, ice_servers)
    options_of_server = ServerOptions(address, control.control_tls, control.control_token or "")
    server = ControlServer(show, options_of_server, [signalling.add_to])
    stack.enter_context(server)
    print_line(f"controls: {server.link}")
    if control.control_tls:
        print_line("the browser warns of a certificate that it does not know: it was made for this show alone")
    if sys.stderr.isatty() and not address.is_loopback:
        for line in qr_text(server.link).splitlines():
            print_line(line)
    return OpenPage(show, server.link, server.codes, video, feed)
