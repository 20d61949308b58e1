"""How fast a file is painted from end to end: decoded, painted, and encoded into another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from realtime.frames import Frame, Size
from realtime.media.encoders import Encoding
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs, Sink
from realtime.player.player import Player
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.recorder import FileRecorder
from realtime.sources.base import track_of
from realtime.sources.video_file import VideoFile
from realtime.stylize.loaded_style import LoadedStyle
from realtime.stylize.stylizer import FrameStylizer


class _TimedFile:
    """A video file for `seconds` seconds, from its beginning again if it is shorter."""

    live = False

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._until_s = path, time.monotonic() + seconds
        with VideoFile(path) as file:
            self.size, self.rate, self.track = file.size, file.rate, track_of(file.info)

    def frames(self) -> Iterator[Frame]:
        began_s, ended_s = Fraction(0), Fraction(0)
        while time.monotonic() < self._until_s:
            with VideoFile(self._path) as file:
                for frame in file.frames():
                    if time.monotonic() >= self._until_s:
                        return
                    at_s = began_s + (frame.time or 0)
                    ended_s = at_s + (frame.duration or 1 / self.rate)
                    yield replace(frame, time=at_s)
            began_s = ended_s

    def stop(self) -> None:
        """Nothing to do: reading never waits."""


def file_rate(
    stylizer: FrameStylizer, style: LoadedStyle, path: Path, seconds: float, encoding: Encoding | None
) -> float:
    """Returns the frames per second from opening the file to closing the painted one.

    Args:
        stylizer: paints.
        style: what is painted with.
        path: the file that is read, again and again.
        seconds: how long to paint.
        encoding: of the painted file; None to write nothing.
    """
    began_s = time.monotonic()
    source = _TimedFile(path, seconds)
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if encoding is not None:
            output = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "painted.mkv"
            recorder = stack.enter_context(FileRecorder(output, source.track, encoding=encoding))
            sinks = [stack.enter_context(SinkQueue(recorder, "recorder", QueuePolicy(lossless=True, essential=True)))]
        player = Player(source, stylizer, Controls.of_one_style(style), outputs=PlayerOutputs(sinks=sinks))
        count = player.run().frame_count
    return count / (time.monotonic() - began_s)


def size_of(path: Path) -> Size:
    """Returns width and height of a video file. Raises SourceError."""
    with VideoFile(path) as file:
        return file.size
