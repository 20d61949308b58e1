"""What is saved by key while a show goes on: snapshots, replays and recordings."""

from __future__ import annotations

import math
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
from realtime.sinks.recorder import FileRecorder, RecordingError, unused_path
from realtime.sinks.replay import SUFFIX, Replay
from realtime.stylize.pipeline import PaintedFrame


class Captures:
    """Saves files into a folder. Every method returns a message for the screen, '' if there is none; what fails is also
    among the `complaints`, and the show goes on.

    `saved`: the files so far.

    Args:
        folder: made when the first file is saved.
        source: what recordings are of.
        audio: the sound that is recorded, None for none.
        replay: the sink that replays are saved from, None for none.
    """

    def __init__(self, folder: Path, source: RatedSource, *, audio: AudioFeed | None, replay: Replay | None) -> None:
        self.saved: list[Path] = []
        self.complaints: list[str] = []
        self._folder, self._source, self._audio, self._replay = folder, source, audio, replay
        self._recorder: FileRecorder | None = None
        self._queue: SinkQueue | None = None
        self._audio_queue: AudioQueue | None = None
        self._since_s = 0.0
        self._snapshot = "", -math.inf

    @property
    def recorded_s(self) -> float | None:
        """For how long a recording has been running; None if there is none."""
        return None if self._recorder is None else time.monotonic() - self._since_s

    def take_snapshot(self, painted: PaintedFrame | None) -> str:
        """Saves a painted frame; before the first one there is nothing to save."""
        if painted is None:
            return ""

        def save() -> str:
            path = self._unused_path(".png")
            save_snapshot(path, painted.pixels)
            self.saved.append(path)
            self._snapshot = path.name, time.monotonic()
            return f"saved {path}"

        return self._tried(save)

    def recent_snapshot(self, seconds: float) -> str:
        """Returns the name of the last snapshot if it is not older than that; '' otherwise."""
        name, at_s = self._snapshot
        return name if time.monotonic() - at_s < seconds else ""

    def save_replay(self) -> str:
        """Saves the last seconds."""
        return self._tried(self._save_replay)

    def switch_recording(self, on: bool) -> str:
        """Starts or stops a recording; nothing happens if that is done already."""
        if on and self._recorder is None:
            text = self._tried(self._start_recording)
            if self._recorder is None:
                self._forget_recording()
            return text
        return "" if on else self.stop_recording()

    def record(self, painted: PaintedFrame) -> str:
        """Adds a painted frame to the recording, if one is running."""
        if self._queue is None:
            return ""
        try:
            at_s = Fraction(time.monotonic() - self._since_s)
            self._queue.write(painted.pixels, replace(painted.frame, time=at_s))
        except RecordingError as exc:
            return self._give_up_recording(str(exc))
        return ""

    def stop_recording(self) -> str:
        """Finishes the recording, if one is running."""
        recorder, queue = self._recorder, self._queue
        self._forget_recording()
        if recorder is None or queue is None:
            return ""
        try:
            queue.finish()
            recorder.close()
        except RecordingError as exc:
            return self._give_up_recording(str(exc))
        self.saved.append(recorder.path)
        return f"saved {recorder.path}"

    def _tried(self, save: Callable[[], str]) -> str:
        """Returns the message of `save`, or why it failed."""
        try:
            return save()
        except (OSError, OutputError) as exc:
            return self._complain(f"cannot save into {self._folder}: {getattr(exc, 'strerror', None) or exc}")

    def _unused_path(self, suffix: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        return unused_path(self._folder, time.strftime("nst-live-%Y%m%d-%H%M%S"), suffix)

    def _save_replay(self) -> str:
        if self._replay is None:
            return "there is no replay: it was switched off with --replay 0"
        path = self._unused_path(SUFFIX)
        seconds = self._replay.save(path)
        self.saved.append(path)
        return f"saved the last {seconds:.0f} s: {path}"

    def _start_recording(self) -> str:
        path = self._unused_path(".mp4")
        # kept before anything can fail, so that it is let go if something does
        self._audio_queue = audio = None if self._audio is None else self._audio.subscribe()
        # what is recorded by key is what is seen: also of a file at the clock of the show, and not the file's own
        track = VideoTrack(self._source.size, self._source.rate, live=self._source.live)
        recorder = FileRecorder(path, track, encoding=Encoding(low_latency=True), audio=audio)
        # an error ends the recording alone: it is caught where frames are written
        queue = SinkQueue(recorder, "recorder", QueuePolicy(lossless=not self._source.live, essential=True))
        self._recorder, self._queue = recorder, queue.__enter__()
        self._since_s = time.monotonic()
        return f"recording {path}"

    def _forget_recording(self) -> None:
        if self._audio is not None and self._audio_queue is not None:
            self._audio.unsubscribe(self._audio_queue)
        self._recorder = self._queue = self._audio_queue = None

    def _give_up_recording(self, text: str) -> str:
        self._forget_recording()
        return self._complain(text)

    def _complain(self, text: str) -> str:
        self.complaints.append(text)
        return text
