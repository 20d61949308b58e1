"""The governor: holds a frame rate by having the net paint at a smaller scale, and at a larger one when it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.session import NET_SCALES

_WINDOW_S = 1.0
_MIN_FRAMES = 3
# Below this share of the target it is too slow; a larger scale must promise this much more than the target.
_TOO_SLOW, _ENOUGH = 0.95, 1.15
_SLOW_WINDOWS = 2
# How long to wait before a larger scale is tried; each time it does not hold, the next wait is twice as long.
_PATIENCE_S, _MAX_PATIENCE_S, _PROOF_S = 3.0, 60.0, 10.0


@dataclass
class _Window:
    """The frames finished since `began_s`, and the time in which the loop had nothing to do."""

    began_s: float
    frames: int = 0
    idle_s: float = 0.0


class Governor:
    """Chooses the largest scale that holds a frame rate. Call `observe` for every frame; `scale` is what to paint at.

    It goes by the rate that would be possible, frames / (time - idle time), so that a slow camera is no reason to paint
    at a smaller scale. Down after two slow seconds, at once as far as the area of the frame has to shrink; up one step
    at a time. A step up that does not hold is undone and not tried again for a while, which doubles each time.

    Args:
        target_fps: frames per second to hold.
        scales: the shares of width and height to choose from, each above 0 and up to 1.
    """

    def __init__(self, target_fps: float, scales: Sequence[float] = NET_SCALES) -> None:
        self.target_fps = target_fps
        self.scale = max(scales)
        self._possible = self._scales = tuple(sorted(scales))
        self._window: _Window | None = None
        self._slow = 0
        self._roomy_since_s: float | None = None
        self._raised_at_s: float | None = None
        self._patience_s = _PATIENCE_S

    def restart(self) -> None:
        """Forgets what was observed; for after a time in which nothing was painted."""
        self._window, self._slow, self._roomy_since_s = None, 0, None

    def reset(self) -> None:
        """Starts again at the largest scale; for another backend."""
        self.scale = self._scales[-1]
        self.restart()

    def limit(self, finest: float) -> None:
        """Chooses no scale above that one from now on; it is a scale to choose, too."""
        if finest == self._scales[-1]:
            return
        at_the_top = self.scale == self._scales[-1]
        self._scales = (*(scale for scale in self._possible if scale < finest), finest)
        if at_the_top or self.scale > finest:
            self._change(finest)

    def forbid(self, scale: float) -> None:
        """Never chooses that scale again; the nearest larger one takes its place."""
        self._possible = tuple(other for other in self._possible if other != scale)
        self._scales = tuple(other for other in self._scales if other != scale) or (1.0,)
        self.scale = min((other for other in self._scales if other >= scale), default=self._scales[-1])
        self.restart()

    def observe(self, now_s: float, idle_s: float) -> None:
        """Takes note of a finished frame.

        Args:
            now_s: on the monotonic clock.
            idle_s: how long the loop had nothing to do since the frame before, in s.
        """
        if self._window is None:
            self._window = _Window(now_s)
            return
        window = self._window
        window.frames += 1
        window.idle_s += idle_s
        elapsed_s = now_s - window.began_s
        if elapsed_s < _WINDOW_S or window.frames < _MIN_FRAMES:
            return
        self._window = _Window(now_s)
        self._judge(now_s, window.frames / max(1e-6, elapsed_s - window.idle_s))

    def _judge(self, now_s: float, possible_fps: float) -> None:
        if self._raised_at_s is not None and now_s - self._raised_at_s > _PROOF_S:
            self._raised_at_s, self._patience_s = None, _PATIENCE_S
        if possible_fps < _TOO_SLOW * self.target_fps:
            self._roomy_since_s = None
            self._slow += 1
            if self._slow >= _SLOW_WINDOWS:
                self._step_down(possible_fps)
            return
        self._slow = 0
        larger = next((scale for scale in self._scales if scale > self.scale), None)
        if larger is None or possible_fps * (self.scale / larger) ** 2 < _ENOUGH * self.target_fps:
            self._roomy_since_s = None
        elif self._roomy_since_s is None:
            self._roomy_since_s = now_s
        elif now_s - self._roomy_since_s >= self._patience_s:
            self._change(larger)
            self._raised_at_s = now_s

    def _step_down(self, possible_fps: float) -> None:
        smaller = [scale for scale in self._scales if scale < self.scale]
        if not smaller:
            return
        if self._raised_at_s is not None:
            self._raised_at_s, self._patience_s = None, min(_MAX_PATIENCE_S, 2 * self._patience_s)
        fitting = [scale for scale in smaller if possible_fps * (self.scale / scale) ** 2 >= self.target_fps]
        self._change(fitting[-1] if fitting else smaller[0])

    def _change(self, scale: float) -> None:
        self.scale = scale
        self.restart()
