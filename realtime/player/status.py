"""What is shown and reported of a show: rates and delays, the backend, what sinks and sources report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from realtime.frames import Frame
from realtime.screen.hud import Readings

_READINGS_EVERY_S = 0.5
_FRAMES_OF_RATE = 60


class Reporter(Protocol):
    """Part of a show that goes on by itself: a sink behind its queue, a source that can be lost and found."""

    @property
    def status(self) -> str:
        """What there is to say of it, '' for nothing; reported whenever it changes."""

    @property
    def backlog(self) -> str:
        """How far behind it is, '' if it keeps up; only shown."""

    @property
    def failure(self) -> str:
        """Why it has ended before the show did, '' if it has not."""


class Status:
    """Gathers what the HUD shows and what is printed. `failures`: why reporters ended before the show did.

    Args:
        backend: its description.
        reason: why no better backend paints, '' for none.
        reporters: what they report is shown, and printed when it changes.
        print_line: prints a line for the person at the terminal.
    """

    def __init__(
        self,
        backend: str = "",
        reason: str = "",
        reporters: Sequence[Reporter] = (),
        print_line: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.backend, self.print_line = backend, print_line
        self.upgrade = ""
        self.failures: list[str] = []
        self._reason = reason
        self._reporters = reporters
        self._reported = [""] * len(reporters)
        self._finish_times_s: deque[float] = deque(maxlen=_FRAMES_OF_RATE)
        self._fps = self._latency_ms = self._next_s = 0.0
        self._dropped = 0

    def frame_finished(self, frame: Frame, dropped: int, now_s: float) -> bool:
        """Takes note of a frame that is shown now. Returns whether the figures are new, which is now and then.

        Args:
            frame: as it came from the source.
            dropped: how many live frames were too late until now.
            now_s: on the monotonic clock.
        """
        self._finish_times_s.append(now_s)
        if now_s < self._next_s:
            return False
        self._next_s = now_s + _READINGS_EVERY_S
        span_s = now_s - self._finish_times_s[0]
        self._fps = (len(self._finish_times_s) - 1) / span_s if span_s else 0.0
        self._latency_ms, self._dropped = 1000 * (now_s - frame.captured_at_s), dropped
        return True

    def news(self) -> Sequence[str]:
        """Prints and returns what reporters have to say that they had not said before."""
        news = []
        for index, reporter in enumerate(self._reporters):
            status = reporter.status
            if status == self._reported[index]:
                continue
            self._reported[index] = status
            if reporter.failure:
                self.failures.append(reporter.failure)
            if status:
                news.append(status)
                self.print_line(f"nst-live: {status}" if reporter.failure else status)
        return news

    def readings(self, caption: str, net_scale: float, recorded_s: float | None) -> Readings:
        """Returns what the HUD shows now.

        Args:
            caption: title and artist of the style.
            net_scale: the share of width and height that the net paints at.
            recorded_s: for how long a recording has been running, None for none.
        """
        standing = (", ".join(filter(None, (each.status, each.backlog))) for each in self._reporters)
        return Readings(
            self._fps,
            self._latency_ms,
            self._dropped,
            self.upgrade or self.backend,
            caption,
            recorded_s=recorded_s,
            standing=tuple(filter(None, standing)),
            reason=self._reason,
            net_scale=net_scale,
        )
