"""Sources, painters and a display without any device behind them; each fits the protocol of what it stands for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from realtime.backends import Backend, Blender, Net, Painter, Vector
from realtime.frames import Frame, Pixels
from realtime.player.controls import Controls
from realtime.player.parts import Sink
from realtime.player.style_switcher import StyleSwitcher
from realtime.queues import FrameSource, RatedSource
from realtime.screen.display import Display
from realtime.session import Session
from realtime.stylize.loaded_style import LoadedStyle

SIZE = (64, 48)


class FewFrames:
    """A source of `count` frames, numbered by index and by shade; then it ends, or fails with `error`.

    between: called before each frame with its index, and at the end with their number.
    """

    size = SIZE

    def __init__(
        self,
        count: int,
        live: bool = False,
        error: Exception | None = None,
        between: Callable[[int], object] = lambda index: None,
        rate: Fraction = Fraction(1000),
    ) -> None:
        self.live, self.rate, self.closed = live, rate, False
        self._count, self._error, self._between = count, error, between

    def frames(self) -> Iterator[Frame]:
        try:
            for index in range(self._count):
                self._between(index)
                yield Frame(np.full((SIZE[1], SIZE[0], 3), index % 256, np.uint8), index, captured_at_s=float(index))
            self._between(self._count)
            if self._error is not None:
                raise self._error
        finally:
            self.closed = True

    def stop(self) -> None:
        """Nothing is waited for here."""


class ShadePainter:
    """Paints a frame in one shade: the first number of the style vector. Finishes in order, two in flight."""

    depth = 2
    description = "stand-in"
    blender: Blender | None = None

    def __init__(self) -> None:
        self._started: deque[tuple[Pixels, Vector]] = deque()
        self.closed = False

    def start(self, frame: Pixels, style: Vector | None) -> None:
        assert style is not None
        assert len(self._started) < self.depth
        self._started.append((frame, style))

    def finish(self) -> Pixels:
        frame, style = self._started.popleft()
        return np.full_like(frame, int(style[0]))

    def close(self) -> None:
        self.closed = True


def shade_backend() -> Backend:
    """Returns a backend whose every net paints in one shade."""
    return Backend("stand-in", lambda: None, lambda _net, _width, _height: ShadePainter())


def shade(name: str, value: int) -> LoadedStyle:
    """Returns a style that paints everything in the shade `value`."""
    return LoadedStyle(name, name.title(), "nobody", SHADE_NET, np.array([value], np.float32))


SHADE_NET = Net("shade", Path("shade.onnx"), None, style_size=1, size_multiple=1)


def controls_of(session: Session, *styles: LoadedStyle) -> Controls:
    """Returns the controls of a show; without styles given, of shades that are called as the session says."""
    return Controls(session, StyleSwitcher(styles or [shade(name, 10) for name in session.style_names]))


def press(session: Session, characters: str) -> Session:
    """Returns the session after these keys, without a player and without a window."""
    controls = controls_of(session)
    for character in characters:
        controls.press(character)
    controls.carry_out()
    return controls.session


class TypingDisplay:
    """A display with somebody in front who types: `typed[k]` when picture k (from 1) is shown. Keeps what it showed.

    pointed: shares of the width that the mouse is dragged to, one at a time.
    """

    def __init__(self, typed: Mapping[int, str] | None = None, pointed: Sequence[float] = ()) -> None:
        self.shown: list[Pixels] = []
        self.full = False
        self._typed, self._waiting, self._pointed = dict(typed or {}), deque[str](), deque(pointed)

    def show(self, pixels: Pixels) -> None:
        self.shown.append(pixels.copy())
        self._waiting.extend(self._typed.pop(len(self.shown), ""))

    def keys(self, wait_ms: int = 1) -> str:
        return self._waiting.popleft() if self._waiting else ""

    def pointed_at(self) -> float | None:
        return self._pointed.popleft() if self._pointed else None

    def fill_screen(self, on: bool) -> None:
        self.full = on


class Collector:
    """A sink that keeps (index, shade of the first pixel) of every picture; fails with `error` at index `fails_at`."""

    def __init__(self, fails_at: int | None = None, error: Exception | None = None) -> None:
        self.got: list[tuple[int, int]] = []
        self._fails_at, self._error = fails_at, error

    def write(self, pixels: Pixels, frame: Frame) -> None:
        if self._error is not None and frame.index == self._fails_at:
            raise self._error
        self.got.append((frame.index, int(pixels[0, 0, 0])))

    @property
    def indices(self) -> list[int]:
        return [index for index, _ in self.got]

    @property
    def shades(self) -> list[int]:
        return [value for _, value in self.got]


# mypy reads here that they fit
_source: RatedSource = FewFrames(0)
_frame_source: FrameSource = FewFrames(0)
_painter: Painter = ShadePainter()
_display: Display = TypingDisplay()
_sink: Sink = Collector()
