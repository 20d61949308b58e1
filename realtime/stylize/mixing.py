"""What a frame is painted as: a style, a mix of styles, or the walk from one to the next; and how strongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from realtime.backends import Vector
from realtime.frames import Pixels
from realtime.stylize.styles import LoadedStyle

# After a pause the walk does not begin with so long a step that it is over.
_LONGEST_STEP_S = 0.1


class MixError(ValueError):
    """Styles cannot be mixed as asked."""


def mixed(parts: Sequence[tuple[LoadedStyle, float]], name: str) -> LoadedStyle:
    """Returns the style between styles of one net: the mean of their vectors by weight.

    Raises MixError where the styles belong to different nets or a style has no vector.
    """
    first = parts[0][0]
    total = sum(weight for _, weight in parts)
    vector = np.zeros_like(_vector(first))
    for painting, weight in parts:
        if painting.net != first.net:
            raise MixError(
                f"{painting.name!r} and {first.name!r} are painted by different nets; wanted styles of one net"
            )
        vector += np.float32(weight / total) * _vector(painting)
    return LoadedStyle(name, name, "", first.net, vector)


def mix_by_name(weights: Mapping[str, float], paintings: Sequence[LoadedStyle]) -> LoadedStyle:
    """Returns the mix of named styles, called like "wave 60 % + udnie 40 %". Raises MixError for an unknown name."""
    by_name = {painting.name: painting for painting in paintings}
    for name in weights:
        if name not in by_name:
            raise MixError(f"no style {name!r} to mix; there are: {', '.join(by_name)}")
    total = sum(weights.values())
    name = " + ".join(f"{name} {100 * weight / total:.0f} %" for name, weight in weights.items())
    return mixed([(by_name[name], weight) for name, weight in weights.items()], name)


def equal_mix(paintings: Sequence[LoadedStyle]) -> LoadedStyle:
    """Returns the mix of several styles in equal parts, called like "wave + udnie". Raises MixError as `mixed` does."""
    return mixed([(painting, 1.0) for painting in paintings], " + ".join(painting.name for painting in paintings))


def _vector(painting: LoadedStyle) -> Vector:
    if painting.vector is None:
        raise MixError(f"{painting.name!r} has a net of its own and cannot be mixed")
    return painting.vector


class Fader:
    """Turns a switch of styles into a walk on style vectors of `duration_s`; 0 is a cut.

    Between styles of different nets it is a walk on pixels: `under` is what else to paint the frame as, and how much of
    it is left (0..1), None where the one painting is enough. The clock is the frames' own: seconds of the file, or of
    capture. `towards` is asked once a frame. A walk begins at the frame before: its first frame differs already.
    """

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        self.under: tuple[LoadedStyle, float] | None = None
        self._target: LoadedStyle | None = None
        self._shown: LoadedStyle | None = None
        self._start: LoadedStyle | None = None
        self._began_s = self._last_s = 0.0

    def towards(self, target: LoadedStyle, at_s: float) -> LoadedStyle:
        """Returns what to paint at that moment on the way to `target`; called in the order of the frames."""
        if target is not self._target:
            self._target = target
            self._start = self._shown if self.duration_s > 0 else None
            self._began_s = max(self._last_s, at_s - _LONGEST_STEP_S)
        self._last_s = at_s
        self._shown, self.under = self._between(target, at_s)
        return self._shown

    def _between(self, target: LoadedStyle, at_s: float) -> tuple[LoadedStyle, tuple[LoadedStyle, float] | None]:
        start = self._start
        if start is None:
            return target, None
        share = min(1.0, max(0.0, (at_s - self._began_s) / self.duration_s))
        if share == 1.0:
            self._start = None
            return target, None
        smooth = np.float32(share * share * (3 - 2 * share))
        if start.net != target.net or start.vector is None or target.vector is None:
            return target, (start, float(1 - smooth))
        return replace(target, vector=(1 - smooth) * start.vector + smooth * target.vector), None


def at_strength(painted: Pixels, photo: Pixels, strength: float) -> Pixels:
    """Returns the picture between the camera's (0) and the painting (1)."""
    if strength >= 1:
        return painted
    return np.asarray(cv2.addWeighted(painted, strength, photo, 1 - strength, 0), dtype=np.uint8)


def with_colors_of(painted: Pixels, photo: Pixels) -> Pixels:
    """Returns the painting's brightness in the camera picture's colours (Gatys et al. 2016, luminance only)."""
    colours = cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb)
    # only the first channel is taken from the painting
    cv2.mixChannels([cv2.cvtColor(painted, cv2.COLOR_RGB2YCrCb)], [colours], [0, 0])
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_YCrCb2RGB), dtype=np.uint8)
