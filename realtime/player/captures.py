"""What is saved by key while a show goes on: snapshots, replays and recordings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from realtime.audio.feed import AudioFeed, AudioQueue
from realtime.media.encoders import Encoding, OutputError
from realtime.media.photo import save_snapshot
from realtime.media.video_encoder import VideoTrack
from realtime.queues import QueuePolicy, RatedSource, SinkQueue
from realtime.session import Session
from realtime.sinks.recorder import Recorder, RecordingError, unused_path
from realtime.sinks.replay import SUFFIX, Replay
from realtime.stylize.pipeline import PaintedFrame


class Captures:
    """Saves into a folder what sessions ask for; whatever fails is a complaint, and the show goes on.

    source: what recordings are of. heard: the sound that goes with them. replay: the sink that replays are saved from.
    `saved`: the files so far; `complaints`: what failed.
    """

    def __init__(self, folder: Path, source: RatedSource, *, heard: AudioFeed | None, replay: Replay | None) -> None:
        self.saved: list[Path] = []
        self.complaints: list[str] = []
        self._folder, self._source, self._heard, self._replay = folder, source, heard, replay
        self._recorder: Recorder | None = None
        self._queue: SinkQueue | None = None
        self._ear: AudioQueue | None = None
        self._since_s = 0.0

    @property
    def recorded_s(self) -> float | None:
        """For how long a recording has been running; None where none is."""
        return None if self._recorder is None else time.monotonic() - self._since_s

    def obey(self, before: Session, session: Session, shown: PaintedFrame | None) -> Session:
        """Does what `session` asks for and `before` did not; returns it with what there is to say."""
        if session.snapshots != before.snapshots and shown is not None:
            session = self._tried(lambda: self._take_snapshot(shown), session)
        if session.replays != before.replays:
            session = self._tried(self._save_replay, session)
        if session.recording and not before.recording:
            session = self._tried(self._start_recording, session)
            if self._recorder is None:
                self._forget_recording()
                session = replace(session, recording=False)
        if before.recording and not session.recording:
            session = self.stop_recording(session)
        return session

    def record(self, painted: PaintedFrame, session: Session) -> Session:
        """Gives a painting to the running recording, where there is one."""
        if self._queue is None:
            return session
        try:
            at_s = Fraction(time.monotonic() - self._since_s)
            self._queue.write(painted.pixels, replace(painted.frame, time=at_s))
        except RecordingError as exc:
            return self._give_up_recording(str(exc), session)
        return session

    def stop_recording(self, session: Session) -> Session:
        """Finishes the running recording, where there is one."""
        recorder, queue = self._recorder, self._queue
        self._forget_recording()
        if recorder is None or queue is None:
            return session
        try:
            queue.finish()
            recorder.close()
        except RecordingError as exc:
            return self._give_up_recording(str(exc), session)
        self.saved.append(recorder.path)
        return session.noticed(f"saved {recorder.path}")

    def _tried(self, save: Callable[[], str], session: Session) -> Session:
        """Does something that ends in a file, and says how it went."""
        try:
            return session.noticed(save())
        except (OSError, OutputError) as exc:
            return self._complained(
                f"cannot save into {self._folder}: {getattr(exc, 'strerror', None) or exc}", session
            )

    def _unused_path(self, suffix: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return unused_path(self._folder, time.strftime("nst-live-%Y%m%d-%H%M%S"), suffix)

    def _take_snapshot(self, shown: PaintedFrame) -> str:
        path = self._unused_path(".png")
        save_snapshot(path, shown.pixels)
        self.saved.append(path)
        return f"saved {path}"

    def _save_replay(self) -> str:
        if self._replay is None:
            return "there is no replay: it was switched off with --replay 0"
        path = self._unused_path(SUFFIX)
        seconds = self._replay.save(path)
        self.saved.append(path)
        return f"saved the last {seconds:.0f} s: {path}"

    def _start_recording(self) -> str:
        path = self._unused_path(".mp4")
        # kept before anything can fail, so that it is let go then too
        self._ear = ear = None if self._heard is None else self._heard.subscribe()
        # by key one records what is seen: of a file the clock of the show counts, and not its own
        track = VideoTrack(self._source.size, self._source.rate, live=self._source.live)
        recorder = Recorder(path, track, encoding=Encoding(low_latency=True), audio=ear)
        # an error ends the recording alone: it is caught where it is written to
        queue = SinkQueue(recorder, "recorder", QueuePolicy(lossless=not self._source.live, essential=True))
        self._recorder, self._queue = recorder, queue.__enter__()
        self._since_s = time.monotonic()
        return f"recording {path}"

    def _forget_recording(self) -> None:
        if self._heard is not None and self._ear is not None:
            self._heard.unsubscribe(self._ear)
        self._recorder = self._queue = self._ear = None

    def _give_up_recording(self, text: str, session: Session) -> Session:
        self._forget_recording()
        return self._complained(text, replace(session, recording=False))

    def _complained(self, text: str, session: Session) -> Session:
        self.complaints.append(text)
        return session.noticed(text)
