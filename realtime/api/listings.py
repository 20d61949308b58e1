"""What there is on this machine: styles, cameras, backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from realtime.backends import BACKENDS, load_backend
from realtime.sources.camera_list import CameraDevice
from realtime.sources.camera_list import list_cameras as _list_cameras
from realtime.stylize.styles import list_predictable_styles
from styles.registry import Style, list_networks, network_path
from styles.registry import list_styles as _list_styles

__all__ = ["CameraDevice", "Style", "list_backends", "list_cameras", "list_styles"]


def list_styles(net: str | None = None) -> Sequence[Style]:
    """Returns the styles that can be painted, by net and name: the shipped ones and your own, pictures among them.

    Args:
        net: only the styles of this net, e.g. "fast"; None for all.

    Returns:
        `Style`s; `name` is what `Stylizer` takes, `title`, `artist` and `year` describe the painting. A style that
        several nets have is listed once for each.

    Raises:
        UnknownStyleError: there is no such net.
        WeightsError: the pack of styles that is named in place of a folder is damaged.
        FileNotFoundError: it does not exist.
    """
    if net is not None:
        network_path(net)
    filed = _list_styles(net)
    names = {(style.network, style.name) for style in filed}
    predicted = [style for network in ([net] if net else list_networks()) for style in list_predictable_styles(network)]
    others = [style for style in predicted if (style.network, style.name) not in names]
    return tuple(sorted([*filed, *others], key=lambda style: (style.network, style.name)))


def list_cameras() -> Sequence[CameraDevice]:
    """Returns the cameras of this machine, by index; none on systems that cannot list them.

    Returns:
        `CameraDevice`s; `open_source(camera=…)` takes their `index`, their `path` or a part of their `name`.
        Windows and macOS list cameras with the extra `cameras`.
    """
    return tuple(_list_cameras())


def list_backends() -> Mapping[str, str | None]:
    """Returns what can run the nets, the preferred one first.

    Returns:
        The reason why each backend is unavailable here and what to type, by name; None if it is available.
    """
    return {name: load_backend(name).unavailable_reason() for name in BACKENDS}
