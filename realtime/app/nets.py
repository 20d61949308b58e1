"""Loads what paints: the styles, and their net on a backend that works here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType

from realtime.app.options.table import StyleOptions
from realtime.backends import Backend, BackendUnavailableError, Choice, Net, Painter, choose_backend
from realtime.backends.tensorrt import EngineMissingError
from realtime.frames import Size
from realtime.player.engine_upgrade import Upgrade
from realtime.stylize.fallback import fall_back
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.mixing import weighted_mix
from realtime.stylize.styles import load_named_styles, network_for
from realtime.stylize.stylizer import FrameStylizer
from styles.support.progress import progress_bar
from styles.support.terminal import print_line

_PAUSE_S = 0.1
_PERCENT = 100


@dataclass(frozen=True)
class Catalog:
    """The styles that a show can switch among.

    Args:
        styles: all of them.
        wanted: those among them that were asked for: one, or those of the playlist in its order.
        network: the name of their net.
        choice: the preferred backend.
        mix: the indices of the styles to mix at the start, with their weights; () for none.
    """

    styles: Sequence[LoadedStyle]
    wanted: Sequence[LoadedStyle]
    network: str
    choice: Choice
    mix: tuple[tuple[int, float], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the styles."""
        return tuple(style.name for style in self.styles)

    @property
    def first(self) -> LoadedStyle:
        """The style, or the mix, to begin with."""
        return self.wanted[0]

    @property
    def first_index(self) -> int:
        """The index of the style to begin with; of a mix, of its heaviest part."""
        return max(self.mix, key=lambda part: part[1])[0] if self.mix else self.styles.index(self.first)


@dataclass(frozen=True)
class OpenNet:
    """A net that is ready.

    Args:
        stylizer: paints with it.
        painter: runs it.
        upgrade: a better backend on its way; None if there is none.
    """

    stylizer: FrameStylizer
    painter: Painter
    upgrade: Upgrade | None = None


@dataclass(frozen=True)
class NetRequest:
    """Which net is to run where.

    Args:
        net: the net.
        size: width and height of the frames.
        backend: the name of a backend that must run it, or "auto".
        awaited: whether somebody waits for each frame; otherwise only the rate counts.
    """

    net: Net
    size: Size
    backend: str
    awaited: bool

    def suited(self, backend: Backend) -> Backend:
        """Returns the variant of a backend that suits the frames."""
        return backend if self.awaited else backend.for_files()


def load_catalog(
    look: StyleOptions,
    failed: Mapping[str, str] = MappingProxyType({}),
    report: Callable[[str], None] = print_line,
) -> Catalog:
    """Chooses the backend and loads the styles.

    Args:
        look: what was asked for.
        failed: backends that are passed over, with the reason.
        report: takes a line about each style that cannot be loaded.

    Raises:
        BackendUnavailableError: the backend cannot run here.
        UnknownStyleError: there is no such style or net.
        MixError: the styles of a mix do not go together.
    """
    return catalog_for(choose_backend(look.backend, failed), look, report)


def catalog_for(choice: Choice, look: StyleOptions, report: Callable[[str], None] = print_line) -> Catalog:
    """Loads the styles for a backend that is chosen.

    Args:
        choice: the backend.
        look: what was asked for.
        report: takes a line about each style that cannot be loaded.

    Raises:
        UnknownStyleError: there is no such style or net.
        MixError: the styles of a mix do not go together.
    """
    network = network_for(look.net, choice.backend.name)
    styles, parts = load_wanted_styles(look, network, report)
    if not look.mix or len(parts) == 1:
        return Catalog(styles, parts, network, choice)
    mix = weighted_mix(list(zip(parts, look.mix.values(), strict=True)))
    heaviest = max(look.mix.values())
    shares = [(styles.index(part), weight / heaviest) for part, weight in zip(parts, look.mix.values(), strict=True)]
    return Catalog(styles, [mix], network, choice, tuple(sorted(shares)))


def load_wanted_styles(
    look: StyleOptions, network: str, report: Callable[[str], None] = print_line
) -> tuple[Sequence[LoadedStyle], Sequence[LoadedStyle]]:
    """Returns the styles of a net, and those among them that were asked for: of the playlist, of the mix, or one."""
    names = [name for name, _ in look.playlist] if look.playlist else list(look.mix or (look.style,))
    return load_named_styles(names, network, report, look.style_zoom)


def open_net(choice: Choice, request: NetRequest, fade_s: float, stack: ExitStack) -> OpenNet:
    """Loads a net on the chosen backend, or on another one if it turns out not to work and none was asked for.

    If its TensorRT engine is missing, it is built first if TensorRT was asked for, and during the show otherwise.

    Args:
        choice: the preferred backend.
        request: what to load.
        fade_s: how long it takes from one style to the next.
        stack: closes it.

    Raises:
        BackendUnavailableError: none works, or not the one that was asked for.
    """
    stylizer = stack.enter_context(FrameStylizer(request.suited(choice.backend), fade_s=fade_s))
    upgrade: Upgrade | None = None
    try:
        return OpenNet(stylizer, stylizer.painter(request.net, request.size))
    except EngineMissingError as exc:
        upgrade = stack.enter_context(Upgrade(stylizer.backend, exc.argv))
        if request.backend != "auto":
            _wait_for_engine(upgrade, request.size)
            return OpenNet(stylizer, stylizer.painter(request.net, request.size))
        failure = "its engine is being built"
    except BackendUnavailableError as exc:
        if request.backend != "auto":
            raise
        print_line(f"{exc}; painting with another backend")
        failure = str(exc)
    failed = {stylizer.backend.name: failure}
    painter = fall_back(stylizer, request.net, request.size, failed, suited=request.suited, report=print_line)
    return OpenNet(stylizer, painter, upgrade)


def _wait_for_engine(upgrade: Upgrade, size: Size) -> None:
    with progress_bar(f"building the engine for {size[0]}x{size[1]}", _PERCENT, "percent") as show:

        def report(share: float) -> None:
            if show is not None:
                show(round(_PERCENT * share))

        upgrade.wait(report, lambda: time.sleep(_PAUSE_S))
