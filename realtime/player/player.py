"""The loop: frames are painted and handed to the window and the sinks, while the keyboard changes what is painted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from realtime.audio.feed import AudioFeed
from realtime.backends import Backend, BackendUnavailableError
from realtime.frames import Frame, Pixels
from realtime.player.captures import Captures
from realtime.player.engine_upgrade import Upgrade
from realtime.player.governor import Governor
from realtime.player.net_scale import NetScale
from realtime.player.playlist import Playlist
from realtime.player.style_switcher import Selection
from realtime.queues import FrameQueue, Metronome, RatedSource, background_worker
from realtime.screen.display import Display, Screen
from realtime.screen.hud import Readings
from realtime.screen.thumbnails import Thumbnails
from realtime.session import Session
from realtime.sinks.replay import Replay
from realtime.stylize.pipeline import PaintedFrame
from realtime.stylize.styles import LoadedStyle
from realtime.stylize.stylizer import Look, Stylizer

# How long the loop waits for a frame before it looks at the keyboard again.
_POLL_S = 0.03
_READINGS_EVERY_S = 0.5


class Sink(Protocol):
    """Takes every painted picture, in order."""

    def write(self, pixels: Pixels, frame: Frame) -> None: ...


class Reporter(Protocol):
    """Part of a show that goes on by itself: a sink behind its queue, a source that can be lost and found."""

    @property
    def status(self) -> str:
        """What there is to say of it, '' for nothing; told whenever it changes."""

    @property
    def backlog(self) -> str:
        """How far behind it is, '' for not at all; only shown."""

    @property
    def failure(self) -> str:
        """Why it has ended before the show did, '' where it has not."""


class ResumeState(Protocol):
    """What earlier runs have done of a file; `realtime.sinks.resumable_recorder.ResumableRecorder` is one."""

    @property
    def done(self) -> int:
        """So many frames are painted."""

    @property
    def last_painting(self) -> Pixels | None:
        """The last of them, as the steadier kept it."""

    def remember(self, count: int, painting: Callable[[], Pixels | None]) -> None:
        """Notes what the steadier keeps after `count` frames; called before the sinks get the last of them."""


@dataclass(frozen=True)
class Outcome:
    """How a show went: frames painted, seconds taken, what was saved by key, messages for the person at the end.

    `failures`: why sinks ended before the show did, which was told when it happened. `complete`: the source was painted
    to its end, not stopped before.
    """

    frame_count: int
    elapsed_s: float
    dropped: int
    complete: bool
    saved: Sequence[Path] = ()
    complaints: Sequence[str] = ()
    failures: Sequence[str] = ()

    @property
    def fps(self) -> float:
        return self.frame_count / self.elapsed_s if self.elapsed_s else 0.0


class Show:
    """One run of the loop over a source.

    display: the window, or None. paced: a file plays at its own rate. sinks: take every painting. reporters: what they
    say is shown, and told through `tell`. replay: one of the sinks, saved from by key. captures: the folder for
    snapshots, replays and recordings by key. heard: the sound that goes with them. resume_state: what an earlier run
    has done goes by unpainted, and no sink gets it. report: called with the number of frames done after
    each. governor: holds a rate; None where the net always paints at full size. illustrator: the backend that paints
    thumbnails for the HUD.
    reload: returns the paintings anew, as they are on the disk by then.
    """

    def __init__(
        self,
        source: RatedSource,
        stylizer: Stylizer,
        paintings: Sequence[LoadedStyle],
        session: Session,
        *,
        backend_note: str,
        backend_reason: str = "",
        display: Display | None = None,
        paced: bool = False,
        sinks: Sequence[Sink] = (),
        reporters: Sequence[Reporter] = (),
        replay: Replay | None = None,
        captures: Path | None = None,
        heard: AudioFeed | None = None,
        playlist: Playlist | None = None,
        upgrade: Upgrade | None = None,
        governor: Governor | None = None,
        illustrator: Backend | None = None,
        reload: Callable[[], Sequence[LoadedStyle]] | None = None,
        max_frames: int | None = None,
        resume_state: ResumeState | None = None,
        report: Callable[[int], None] | None = None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._source, self._stylizer = source, stylizer
        self._selection = Selection(paintings, playlist, reload)
        self.session = self._selection.mixable(session)
        self._sinks, self._report = sinks, report
        self._background = background_worker()
        self._net_scale = NetScale(stylizer.pipeline, self._background, governor)
        self._thumbnails = None if illustrator is None else Thumbnails(illustrator, self._background)
        self._screen = None if display is None else Screen(display, self._thumbnails)
        self._reporters, self._tell = reporters, tell
        self._told = [""] * len(reporters)
        self._paced = paced or display is not None
        self._captures = Captures(captures or Path.cwd(), source, heard=heard, replay=replay)
        self._heard = heard
        self._max_frames = max_frames
        self._ledger, self._skip = resume_state, 0 if resume_state is None else resume_state.done
        self._last: LoadedStyle | None = None
        self._upgrade = upgrade
        self._backend_note = backend_note
        self._started = self._finished = 0
        self._source_error: Exception | None = None
        self._failures: list[str] = []
        self._shown: PaintedFrame | None = None
        self._finish_times_s: deque[float] = deque(maxlen=60)
        self._readings = Readings(0, 0, 0, backend_note, "", reason=backend_reason)
        self._readings_at_s = self._idle_s = 0.0

    def run(self) -> Outcome:
        """Plays to the end of the source, the frame limit or the key that quits; errors of source and sinks pass."""
        metronome = Metronome(self._source.rate) if self._paced and not self._source.live else None
        started_s = time.monotonic()
        with FrameQueue(self._source) as queue:
            try:
                for painted in self._painted(queue):
                    self._hand_out(painted)
                    self.session = self._captures.record(painted, self.session)
                    if metronome is not None:
                        self._idle_s += metronome.wait(painted.frame.time)
                    self._present(painted, queue.dropped)
                    self._finished += 1
                    if self._report is not None:
                        self._report(self._finished)
            finally:
                self.session = self._captures.stop_recording(self.session)
                self._background.shutdown(cancel_futures=True)
                if self._thumbnails is not None:
                    self._thumbnails.close()
            complete = queue.ended and self._finished == self._started
        elapsed_s = time.monotonic() - started_s
        self._listen()
        return Outcome(
            self._finished,
            elapsed_s,
            queue.dropped,
            complete,
            saved=self.saved,
            complaints=tuple(self._captures.complaints),
            failures=tuple(self._failures),
        )

    @property
    def saved(self) -> Sequence[Path]:
        """What was saved by key so far."""
        return tuple(self._captures.saved)

    def _hand_out(self, painted: PaintedFrame) -> None:
        """Gives a painting to the sinks, unless an earlier run has done so."""
        if self._finished < self._skip:
            return
        if self._ledger is not None:
            self._ledger.remember(self._finished + 1, lambda: self._stylizer.kept)
        for sink in self._sinks:
            sink.write(painted.pixels, painted.frame)

    def _painted(self, queue: FrameQueue) -> Iterator[PaintedFrame]:
        """Yields paintings; the next one is already being painted while a picture is shown and encoded."""
        while not self.session.quitting:
            self._listen()
            self._fill(queue, _POLL_S)
            if self._stylizer.in_flight:
                self._stylizer.look = self._look()
                yield self._stylizer.finish(lambda: self._fill(queue, 0))
            elif self._source_error is not None:
                raise self._source_error
            elif queue.ended or self._started == self._max_frames:
                return
            else:
                began_s = time.monotonic()
                self._attend()
                self._idle_s += time.monotonic() - began_s

    def _depth(self) -> int:
        """How many frames are painted at once: of those that somebody waits for no more than the next one."""
        if self._source.live:
            return 1
        return 2 if self._paced else self._stylizer.depth

    def _fill(self, queue: FrameQueue, patience_s: float) -> None:
        """Begins to paint what is there; waits for a frame only when nothing is being painted.

        A live picture is never queued behind another one: what is taken later is newer.
        """
        depth = self._depth()
        while self._stylizer.in_flight < depth and not self.session.frozen and self._started != self._max_frames:
            began_s = time.monotonic()
            try:
                frame = queue.take(0 if self._stylizer.in_flight else patience_s)
            except Exception as exc:
                self._source_error = exc
                return
            self._idle_s += time.monotonic() - began_s
            if frame is None:
                return
            self._start(frame)
            self._started += 1

    def _start(self, frame: Frame) -> None:
        # a file has a clock of its own; with it a fade is as long however fast the file is painted
        own_time = not self._source.live and frame.time is not None
        at_s = float(frame.time) if own_time and frame.time is not None else frame.captured_at_s
        self.session = self._selection.follow_playlist(self.session, at_s)
        self._go_back_from_unpaintable(frame.size)
        style = self._selection.wanted(self.session)
        self.session = self._net_scale.follow(self.session, style.net, frame.size)
        self._stylizer.look = self._look()
        if self._started >= self._skip:
            self._stylizer.start(frame, style, at_s)
            return
        last = self._ledger is not None and self._started == self._skip - 1
        self._stylizer.skip(frame, style, at_s, kept=self._ledger.last_painting if self._ledger and last else None)

    def _look(self) -> Look:
        session = self.session
        return Look(
            session.strength,
            session.keep_colors,
            session.mirrored,
            session.steadiness if session.steady else 0.0,
            session.original,
            self._net_scale.used,
        )

    def _go_back_from_unpaintable(self, size: tuple[int, int]) -> None:
        """Stays with the style before where the net of the one that is wanted now cannot be loaded, and says why."""
        wanted, last = self._selection.wanted(self.session), self._last
        try:
            if last is None or wanted.net != last.net:
                self._stylizer.painter(wanted.net, size)
        except BackendUnavailableError as exc:
            kin = [
                place
                for place, each in enumerate(self._selection.paintings)
                if last is not None and each.net == last.net
            ]
            if not kin:
                raise
            back = next((place for place in kin if self._selection.paintings[place] is last), kin[0])
            self.session = replace(self.session, style=back, mix=(), automatic=False).noticed(str(exc))
        else:
            self._last = wanted

    def _repaint(self) -> None:
        """Begins anew what is being painted, so that the very next picture shows a cut."""
        frames = self._stylizer.withdraw()
        self._started -= len(frames)
        for frame in frames:
            self._start(frame)
            self._started += 1

    def _present(self, painted: PaintedFrame, dropped: int) -> None:
        self._shown = painted
        now_s = time.monotonic()
        self._finish_times_s.append(now_s)
        self._net_scale.observe(self.session, now_s, self._idle_s)
        self._idle_s = 0.0
        if now_s >= self._readings_at_s:
            self._readings_at_s = now_s + _READINGS_EVERY_S
            self._readings = replace(
                self._readings,
                fps=self._recent_fps(),
                latency_ms=1000 * (now_s - painted.frame.captured_at_s),
                dropped=dropped,
                backend=self._look_for_upgrade(painted) or self._backend_note,
            )
        self._attend(wait_ms=1)

    def _look_for_upgrade(self, painted: PaintedFrame) -> str:
        """Changes over to the better backend once it is ready; returns how far it is, '' where none is coming."""
        if self._upgrade is None:
            return ""
        backend = self._upgrade.poll()
        if backend is not None:
            self._change_over(backend, painted.frame.size)
        if self._upgrade.failure:
            self._note(self._upgrade.failure)
        status = self._upgrade.status
        if not status:
            self._upgrade = None
        return status

    def _change_over(self, backend: Backend, size: tuple[int, int]) -> None:
        try:
            painter = self._stylizer.change_backend(backend, self._selection.wanted(self.session).net, size)
        except BackendUnavailableError as exc:
            self._note(f"{exc}; still painting with {self._backend_note}")
            return
        self._net_scale.begin_anew()
        self._backend_note = painter.description
        self.session = self.session.noticed(f"now painting with {self._backend_note}")

    def _note(self, text: str) -> None:
        """Says, on the screen and the terminal, what takes nothing from the show."""
        self.session = self.session.noticed(text)
        self._tell(text)

    def _listen(self) -> None:
        """Passes on what sinks and source have to say, to the screen and to the terminal."""
        for place, reporter in enumerate(self._reporters):
            status = reporter.status
            if status == self._told[place]:
                continue
            self._told[place] = status
            if reporter.failure:
                self._failures.append(reporter.failure)
            if status:
                self.session = self.session.noticed(status)
                self._tell(f"nst-live: {status}" if reporter.failure else status)

    def _attend(self, wait_ms: int = 15) -> None:
        """Draws the screen and obeys the keyboard."""
        if self._screen is None:
            if self.session.frozen:
                time.sleep(wait_ms / 1000)
            return
        if self._shown is not None:
            wanted = self._selection.wanted(self.session)
            standing = tuple(", ".join(filter(None, (each.status, each.backlog))) for each in self._reporters)
            readings = replace(
                self._readings,
                caption=wanted.caption,
                recorded_s=self._captures.recorded_s,
                standing=tuple(filter(None, standing)),
                net_scale=self._net_scale.used,
            )
            readings = self._screen.illustrated(readings, self.session, wanted, self._selection.paintings)
            self._screen.show(self._shown, self.session, readings)
        before, cut_from = self.session, self._selection.wanted(self.session)
        self.session = self._selection.mixable(self._screen.attend(before, wait_ms))
        if self.session is not before:
            self._obey(before)
            switched = not self._stylizer.fade_s and self._selection.wanted(self.session) is not cut_from
            if switched or self.session.original != before.original:
                self._repaint()

    def _obey(self, before: Session) -> None:
        """Does what a session asks for beyond painting: styles loaded anew, captures, silence."""
        if self.session.reloads != before.reloads:
            self.session = self._selection.load_anew(self.session)
        self.session = self._captures.obey(before, self.session, self._shown)
        if self.session.muted != before.muted:
            self._mute()

    def _mute(self) -> None:
        if self._heard is None:
            sound = "with --microphone there is" if self._source.live else "a file's goes with -o and --stream"
            self.session = replace(self.session, muted=False).noticed(f"nothing is heard here; {sound}")
        else:
            self._heard.muted = self.session.muted

    def _recent_fps(self) -> float:
        times_s = self._finish_times_s
        span_s = times_s[-1] - times_s[0]
        return (len(times_s) - 1) / span_s if span_s else 0.0
