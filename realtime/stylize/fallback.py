"""What to paint with if the preferred backend turns out not to work."""

from __future__ import annotations

from collections.abc import Callable

from realtime.backends import Backend, BackendUnavailableError, Net, Painter, choose_backend
from realtime.frames import Size
from realtime.stylize.stylizer import FrameStylizer


def fall_back(
    stylizer: FrameStylizer,
    net: Net,
    size: Size,
    failed: dict[str, str],
    *,
    suited: Callable[[Backend], Backend],
    report: Callable[[str], object] = lambda _line: None,
) -> Painter:
    """Switches a stylizer to the best backend that can load a net.

    Args:
        stylizer: what is switched.
        net: the net to load.
        size: width and height of the frames.
        failed: backends that are passed over, with the reason; those that fail now are added.
        suited: returns the variant of a backend that suits the frames.
        report: called with a line about each backend that fails now.

    Returns the painter of that net and size.

    Raises:
        BackendUnavailableError: no backend is left.
    """
    while True:
        backend = choose_backend("auto", failed).backend
        try:
            return stylizer.change_backend(suited(backend), net, size)
        except BackendUnavailableError as exc:
            report(f"{exc}; painting with another backend")
            failed[backend.name] = str(exc)
