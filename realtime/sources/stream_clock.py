"""When the frames of a live stream were sent, and whether they are read as fast as they come."""

from __future__ import annotations

from collections import deque

# The least delay is looked for in the last seconds of the stream's own clock.
_WINDOW_S = 30
# A stream's clock that differs by more has been reset.
_JUMP_S = 5.0
# The least delays of the first and the last seconds of the window differ by no more if the stream's clock is true.
_PART_S, _TRUE_WITHIN_S = 4, 0.3
# Reading keeps up if at least this share of the time goes by in waiting for what comes next.
_WAITING_SHARE, _MEASURED_S = 0.1, 1.0
# Who waits longer for a packet reads what has only just arrived.
_LIVE_WAIT_S = 0.005


class StreamClock:
    """Where a stream's clock stands on ours, according to the frame of the last half minute that was delayed least.

    A server that begins with what it has buffered, or a network that stutters, delays frames but never hurries them.
    The window is one of the stream's clock: while nothing comes, nothing is forgotten.
    """

    def __init__(self) -> None:
        self.began_s: float | None = None
        """When, on our clock, the stream's was at 0; None before the first frame."""
        # by second of the stream's clock: where its zero is on ours, by the least delayed frame of that second
        self._least: dict[int, float] = {}
        # whether the stream's clock goes as fast as ours: some cameras make up their times
        self._is_true = True

    def observe(self, frame_time_s: float, now_s: float) -> None:
        """Notes that a frame has arrived.

        Args:
            frame_time_s: its timestamp, in seconds.
            now_s: the monotonic time, in seconds.
        """
        begin_s, second = now_s - frame_time_s, int(frame_time_s)
        if self.began_s is not None and abs(begin_s - self.began_s) > _JUMP_S:
            self._least.clear()
        self._least[second] = min(begin_s, self._least.get(second, begin_s))
        for old in [each for each in self._least if each < second - _WINDOW_S]:
            del self._least[old]
        self.began_s = min(self._least.values())
        if second - min(self._least) >= 2 * _PART_S:
            self._is_true = self._drift_s(second) < _TRUE_WITHIN_S

    def early_s(self, frame_time_s: float, now_s: float) -> float:
        """Returns the seconds until a frame is due; 0 if it is late or the stream's clock has jumped."""
        early_s = 0.0 if self.began_s is None else self.began_s + frame_time_s - now_s
        return early_s if 0 < early_s < _JUMP_S else 0.0

    def sent_at_s(self, frame_time_s: float, now_s: float) -> float:
        """Returns when a frame was sent, on our clock, in seconds: now if the stream's clock does not say.

        The delay that all frames have in common is not known, and so is not in it.
        """
        if self.began_s is None or not self._is_true:
            return now_s
        return min(now_s, max(now_s - _JUMP_S, self.began_s + frame_time_s))

    def _drift_s(self, second: int) -> float:
        """Returns by how much the least delay has changed within the window, whose last second is given."""
        begin = min(self._least)
        first = min(least for each, least in self._least.items() if each < begin + _PART_S)
        last = min(least for each, least in self._least.items() if each > second - _PART_S)
        return abs(last - first)


class Backlog:
    """Whether a stream is read more slowly than it comes, so that each frame would be later than the one before.

    What then waits is to be dropped up to the live edge, which is where reading has to wait for what comes next.
    """

    def __init__(self) -> None:
        self._waits: deque[tuple[float, float]] = deque()
        self._since_s: float | None = None
        self.skipping = False
        """Whether what comes is to be dropped."""

    def observe(self, waited_s: float, now_s: float) -> None:
        """Notes how long reading has waited for a packet, or for its time to be shown.

        Args:
            waited_s: in seconds.
            now_s: the monotonic time, in seconds.
        """
        if self.skipping and waited_s > _LIVE_WAIT_S:
            self.restart()
        self._since_s = now_s if self._since_s is None else self._since_s
        self._waits.append((now_s, waited_s))
        while self._waits[0][0] < now_s - _MEASURED_S:
            self._waits.popleft()
        waiting_s = sum(each for _, each in self._waits)
        if now_s - self._since_s > _MEASURED_S and waiting_s < _WAITING_SHARE * _MEASURED_S:
            self.skipping = True

    def restart(self) -> None:
        """Measures again."""
        self.skipping, self._since_s = False, None
        self._waits.clear()
