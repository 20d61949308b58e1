"""Styles between styles: a mix of several, and the fade from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from realtime.backends import Vector
from realtime.stylize.loaded_style import LazyVector, LoadedStyle

# After a pause the first step of a fade is no longer than this, or the fade would be over at once.
_LONGEST_STEP_S = 0.1


class MixError(ValueError):
    """Styles cannot be mixed as asked."""


def mixed(parts: Sequence[tuple[LoadedStyle, float]], name: str) -> LoadedStyle:
    """Returns the style between styles of one net: the mean of their vectors, by weight.

    Pictures among them are looked at when the mix is painted with.

    Args:
        parts: at least one style, each with a weight; the weights need not add up to 1.
        name: what the mix is called.

    Raises MixError if the styles belong to different nets or a style has no vector.
    """
    first = parts[0][0]
    for style, _ in parts:
        if style.net != first.net:
            raise MixError(f"{style.name!r} and {first.name!r} belong to different nets; expected styles of one net")
        if style.source is None:
            raise MixError(f"{style.name!r} has a net of its own and cannot be mixed")
    is_ready = all(style.is_ready for style, _ in parts)
    vector = _mean(parts) if is_ready else LazyVector(lambda: _mean(parts))
    return LoadedStyle(name, name, "", first.net, vector, tuple(style.name for style, _ in parts))


def _mean(parts: Sequence[tuple[LoadedStyle, float]]) -> Vector:
    total = sum(weight for _, weight in parts)
    vectors = [np.float32(weight / total) * style.vector for style, weight in parts if style.vector is not None]
    mean: Vector = np.sum(vectors, axis=0, dtype=np.float32)
    return mean


def weighted_mix(parts: Sequence[tuple[LoadedStyle, float]]) -> LoadedStyle:
    """Returns the mix of styles by weight, called e.g. "wave 60 % + udnie 40 %", or "wave + udnie" for equal parts.

    Raises MixError as `mixed` does.
    """
    total = sum(weight for _, weight in parts)
    if len({weight for _, weight in parts}) == 1 and len(parts) > 1:
        return mixed(parts, " + ".join(style.name for style, _ in parts))
    return mixed(parts, " + ".join(f"{style.name} {100 * weight / total:.0f} %" for style, weight in parts))


class Fader:
    """Turns a change of style into a walk between the style vectors.

    Between styles of different nets it is a crossfade of two paintings: `under` is the second style to paint with and
    its share in 0..1, None if one painting is enough. `towards` is called once a frame, in the order of the frames. A
    fade begins at the frame before the change, so the first frame after it already differs.

    Args:
        duration_s: seconds of the frames' own clock; 0 for a cut.
    """

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        self.under: tuple[LoadedStyle, float] | None = None
        self._target: LoadedStyle | None = None
        self._shown: LoadedStyle | None = None
        self._start: LoadedStyle | None = None
        self._began_s = self._last_s = 0.0

    def towards(self, target: LoadedStyle, at_s: float) -> LoadedStyle:
        """Returns the style to paint with at that moment on the way to `target`."""
        if target is not self._target:
            # other weights of the same styles are followed at once: that is somebody at a slider
            if self._target is None or not target.parts or target.parts != self._target.parts:
                self._start = self._shown if self.duration_s > 0 else None
                self._began_s = max(self._last_s, at_s - _LONGEST_STEP_S)
            self._target = target
        self._last_s = at_s
        self._shown, self.under = self._between(target, at_s)
        return self._shown

    def _between(self, target: LoadedStyle, at_s: float) -> tuple[LoadedStyle, tuple[LoadedStyle, float] | None]:
        start = self._start
        if start is None:
            return target, None
        share = min(1.0, max(0.0, (at_s - self._began_s) / self.duration_s)) if self.duration_s else 1.0
        if share == 1.0:
            self._start = None
            return target, None
        smooth = np.float32(share * share * (3 - 2 * share))
        if start.net != target.net or start.vector is None or target.vector is None:
            return target, (start, float(1 - smooth))
        picture = target.picture if start.lineage is target.lineage else None
        return replace(target, source=(1 - smooth) * start.vector + smooth * target.vector, picture=picture), None
