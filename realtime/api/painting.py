"""What a `Stylizer` paints with: the frames of one video, and images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from realtime.api.checks import check_pixels
from realtime.backends import FOR_ONE_SIZE, Backend, BackendUnavailableError, Net, choose_backend, load_backend
from realtime.frames import Frame, Pixels, Size
from realtime.media.photo import Photo
from realtime.stylize.fallback import fall_back
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.mixing import MixError, weighted_mix
from realtime.stylize.photo_painter import PhotoLook, PhotoPainter
from realtime.stylize.pipeline import scaled
from realtime.stylize.styles import load_named_styles, network_for
from realtime.stylize.stylizer import FrameStylizer, Look

# A style as a caller names it: by name or file, or a mix of names with weights.
StyleChoice: TypeAlias = str | Path | Mapping[str, float]


def load_choice(choice: StyleChoice, net: str, backend: str, zoom: float = 1.0) -> LoadedStyle:
    """Returns a style, or a mix of styles, ready to be painted.

    Args:
        choice: what to load: a name, a picture, a file, or a mix of them with their weights.
        net: the name of a net, or "auto" for what suits the backend.
        backend: the name of the backend.
        zoom: from how near pictures are looked at.

    Raises what the constructor of `Stylizer` raises.
    """
    network = network_for(net, backend)
    if not isinstance(choice, Mapping):
        _, (style,) = load_named_styles([str(choice)], network, zoom=zoom)
        style.make_ready()
        return style
    if not choice or not all(weight > 0 and np.isfinite(weight) for weight in choice.values()):
        raise MixError(
            f"{dict(choice)} is not a mix; expected weights above 0 by name, e.g. {{'wave': 0.6, 'udnie': 0.4}}"
        )
    _, parts = load_named_styles([str(name) for name in choice], network, zoom=zoom)
    mix = weighted_mix(list(zip(parts, choice.values(), strict=True)))
    mix.make_ready()
    return mix


class VideoPainting:
    """Paints frames, several in flight. Nets are loaded when they are first needed, and again after `close`.

    When the times of frames go back, another video begins, whose painting does not depend on the one before.

    Args:
        backend: the name of the backend, or "auto".
        fade_s: how long a change of style takes, in seconds.

    Raises:
        BackendUnavailableError: the backend cannot run here.
    """

    def __init__(self, backend: str, fade_s: float) -> None:
        self._asked, self._fade_s = backend, fade_s
        self._backend = choose_backend(backend).backend
        self._failed: dict[str, str] = {}
        self._stylizer: FrameStylizer | None = None
        self._for_files = False
        self._last_at_s = 0.0

    @property
    def backend(self) -> str:
        """The name of the backend."""
        return self._backend.name

    @property
    def in_flight(self) -> int:
        """How many frames were started and not finished."""
        return 0 if self._stylizer is None else self._stylizer.in_flight

    @property
    def depth(self) -> int:
        """How many frames may be in flight; 1 until the net is loaded."""
        return 1 if self._stylizer is None else self._stylizer.depth

    def start(self, frame: Frame, style: LoadedStyle, look: Look) -> None:
        """Starts to paint a frame. Raises BackendUnavailableError, and TypeError or ValueError for other pixels."""
        check_pixels(frame.pixels)
        frame = replace(frame, pixels=_usable(frame.pixels))
        stylizer = self._ready(frame, style.net, look.net_scale)
        stylizer.look = look
        stylizer.start(frame, style)

    def finish(self, look: Look) -> Frame:
        """Waits for the oldest frame in flight and returns it painted."""
        if self._stylizer is None:
            raise RuntimeError("no frame is in flight")
        self._stylizer.look = look
        painted = self._stylizer.finish()
        return replace(painted.frame, pixels=painted.pixels)

    def withdraw(self) -> None:
        """Gives up the frames in flight."""
        if self._stylizer is not None:
            self._stylizer.withdraw()

    def close(self) -> None:
        """Closes the nets; frames in flight are lost."""
        if self._stylizer is not None:
            self._stylizer.close()
            self._stylizer = None

    def load(self, net: Net, size: Size, brush: float, *, for_files: bool) -> FrameStylizer:
        """Loads a net for frames of a size, unless it is loaded; returns what paints them.

        Args:
            net: the net.
            size: width and height of the frames.
            brush: the share of them at which the net paints.
            for_files: whether nobody waits for a single one of them.
        """
        if for_files != self._for_files and not self.in_flight:
            self.close()
            self._for_files = for_files
        if self._stylizer is None:
            self._stylizer = FrameStylizer(self._suited(self._backend), fade_s=self._fade_s)
        try:
            self._stylizer.painter(net, scaled(size, brush, net))
        except BackendUnavailableError as exc:
            if self._asked != "auto":
                raise
            self._failed[self.backend] = str(exc)
            fall_back(self._stylizer, net, scaled(size, brush, net), self._failed, suited=self._suited)
            self._backend = load_backend(self._stylizer.backend.name)
        return self._stylizer

    def _ready(self, frame: Frame, net: Net, brush: float) -> FrameStylizer:
        """Returns what paints the frame, with the net loaded for its size."""
        # frames of files have times of their own
        stylizer = self.load(net, frame.size, brush, for_files=frame.time is not None)
        at_s = frame.captured_at_s if frame.time is None else float(frame.time)
        if at_s < self._last_at_s:
            stylizer.restart()
        self._last_at_s = at_s
        return stylizer

    def _suited(self, backend: Backend) -> Backend:
        return backend.for_files() if self._for_files else backend


class ImagePainting:
    """Paints images of any size, each for itself.

    Args:
        backend: the name of the backend, or "auto".
        net: the name of a net, or "auto" for what suits the backend.
        zoom: from how near style pictures are looked at.
    """

    def __init__(self, backend: str, net: str, zoom: float) -> None:
        self._asked, self._net, self._zoom = backend, net, zoom
        self._look = PhotoLook()
        self._painter: PhotoPainter | None = None
        self._choice: StyleChoice | None = None

    def paint(self, pixels: Pixels, choice: StyleChoice, look: Look) -> Pixels:
        """Returns the painting, H x W x 3 uint8 RGB like the image. Raises what calling a `Stylizer` raises."""
        check_pixels(pixels)
        # an engine of TensorRT is for one size, and images come in all sizes
        backend = choose_backend(self._asked, FOR_ONE_SIZE).backend
        photo_look = PhotoLook(look.strength, look.keep_colors, look.mirrored, look.net_scale, look.palette)
        if self._painter is None or photo_look != self._look:
            self.close()
            self._painter, self._look = PhotoPainter(backend, photo_look), photo_look
        if choice is not self._choice:
            self._style, self._choice = load_choice(choice, self._net, backend.name, self._zoom), choice
        return self._painter.paint(Photo(_usable(pixels)), self._style).pixels

    def close(self) -> None:
        """Closes the nets."""
        if self._painter is not None:
            self._painter.close()
            self._painter = None


def _usable(pixels: Pixels) -> Pixels:
    """Returns the pixels as OpenCV and backends take them: no view with negative strides, e.g. BGR read backwards, and
    nothing that is only to be read, e.g. an image of Pillow.
    """
    return np.require(pixels, requirements=["C", "W"])
