"""Opens cameras, films, streams and the bundled scene, and gives their frames one by one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.api.checks import checked_rate, checked_seconds, checked_size, exact
from realtime.audio.feed import AudioFeed
from realtime.frames import Frame
from realtime.queues import FrameQueue
from realtime.sources.base import Source, SourceInfo
from realtime.sources.network_stream import NetworkOptions
from realtime.sources.open import is_file
from realtime.sources.open import open_source as open_any_source
from realtime.sources.video_file import ReadOptions

# How long a frame is waited for before Ctrl-C is looked for, which not every system does by itself.
_POLL_S = 0.5


class VideoSource:
    """An open camera, film, stream or the bundled scene; `open_source` returns it. A context manager and an iterator.

    A thread reads ahead as soon as the first frame is asked for. A live source gives the newest frame and drops those
    that nobody asked for in time; a film gives every frame, in order. After a `break` the next loop goes on behind it.

    Iterating raises SourceError when the source fails. If a film ends early because it is damaged, iterating ends with
    a RuntimeWarning, and `shortfall` says what is missing.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._queue: FrameQueue | None = None
        self._closed = False
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        while not self.ended:
            frame = self.take(_POLL_S)
            if frame is not None:
                return frame
        raise StopIteration

    def take(self, timeout_s: float | None = None) -> Frame | None:
        """Returns the next frame, or None if the source has ended or no frame came in time.

        Args:
            timeout_s: how long to wait, in seconds; 0 to look without waiting, None for no limit.

        Raises:
            SourceError: the source has failed.
            ValueError: it is closed.
        """
        if self._closed:
            raise ValueError(f"{self.name} is closed")
        if self._queue is None:
            self._queue = FrameQueue(self._source).__enter__()
        frame = self._queue.take(timeout_s)
        if frame is not None and frame.time is None and not self.live:
            # the file does not say it
            frame = replace(frame, time=frame.index / self.fps)
        if frame is None and self._queue.ended and not self.ended:
            self.ended = True
            if self.shortfall is not None:
                warnings.warn(self.shortfall, RuntimeWarning, stacklevel=3)
        return frame

    @property
    def info(self) -> SourceInfo:
        """All that is known about it."""
        return self._source.info

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.info.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its frames."""
        return self.info.size

    @property
    def fps(self) -> Fraction:
        """Frames per second; of a film with a variable rate the average."""
        return self.info.rate

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not anybody reads its frames: a camera or a stream."""
        return self.info.live

    @property
    def frame_count(self) -> int | None:
        """How many frames there will be; None if that is not known."""
        return self.info.frame_count

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know before it is painted, one line each, e.g. that HDR is mapped to BT.709."""
        return self.info.notes

    @property
    def status(self) -> str:
        """What is being waited for, e.g. a camera that was unplugged; "" while frames come."""
        return self._source.status

    @property
    def shortfall(self) -> str | None:
        """What could not be read of a damaged film, once it has ended; None if nothing is missing."""
        return self._source.shortfall

    def close(self) -> None:
        """Closes it; nothing can be read afterwards."""
        if self._closed:
            return
        self._closed = True
        if self._queue is not None:
            self._queue.__exit__(None, None, None)
        self._source.close()


def open_source(
    input: str | Path | None = None,  # noqa: A002 - the option's name
    *,
    camera: int | str | None = None,
    size: tuple[int, int] | None = None,
    fps: float | Fraction | None = None,
    max_size: int | None = None,
    scale: float | Fraction | None = None,
    start: float | Fraction | None = None,
    end: float | Fraction | None = None,
) -> VideoSource:
    """Opens a film, an image sequence, a network stream, a camera or the bundled scene.

    Args:
        input: a video file; numbered images, e.g. "frame_%05d.png"; the URL of a live stream (rtsp, http, udp, rtmp …);
            or "test" for the bundled scene, which never ends.
        camera: a camera by index, device path or part of its name; without it and `input` the first camera.
        size: width and height of the frames in pixels; default: the source's own, and 640 x 480 for cameras.
        fps: frames per second, above 0 and up to 1000; default: the source's own.
        max_size: the longest side that frames of a file may have, in pixels.
        scale: a factor for the size of a file's frames, above 0 and up to 16.
        start: where to begin in a file, in seconds.
        end: where to end in a file, in seconds; frames at `end` and later are left out.

    Returns:
        A `VideoSource`, to be used in a `with` statement and a `for` loop.

    Raises:
        SourceError: there is no such camera, file or stream, or it cannot be read; the text says what there is instead.
        ValueError: an argument is out of range, or two of them do not go together.
    """
    if input is not None and camera is not None:
        raise ValueError("got both an input and a camera, expected one of them")
    reading = _read_options(start, end, max_size, scale)
    if reading != ReadOptions() and (input is None or not is_file(str(input))):
        raise ValueError("max_size, scale, start and end are for files")
    if size is not None and (max_size is not None or scale is not None):
        raise ValueError("size does not go together with max_size and scale")
    source = open_any_source(
        camera=None if camera is None else str(camera),
        url=None if input is None else str(input),
        size=None if size is None else checked_size(size),
        rate=None if fps is None else checked_rate(fps),
        reading=reading,
        network=NetworkOptions(AudioFeed()),
    )
    return VideoSource(source)


def _read_options(
    start: float | Fraction | None, end: float | Fraction | None, max_size: int | None, scale: float | Fraction | None
) -> ReadOptions:
    """Returns which part of a file is read, and how large. Raises ValueError if a number is out of range."""
    if max_size is not None and max_size < 1:
        raise ValueError(f"max_size is {max_size}, expected 1 or more pixels")
    if scale is not None and not 0 < scale <= 16:
        raise ValueError(f"scale is {scale}, expected a number above 0 and up to 16")
    for name, time_s in (("start", start), ("end", end)):
        if time_s is not None:
            checked_seconds(name, time_s)
    if end is not None and end <= (start or 0):
        raise ValueError(f"end is not after start: {end} and {start or 0} s")
    start_s, end_s, factor = (None if each is None else exact(each) for each in (start, end, scale))
    return ReadOptions(start_s, end_s, max_size, factor)
