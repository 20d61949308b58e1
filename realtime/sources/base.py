"""What a source is: all that the rest of the app knows about cameras, files, streams and the bundled scene."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self

from realtime.audio.feed import AudioFeed
from realtime.frames import ClipRange, Presentation, Size
from realtime.media.video_encoder import VideoTrack
from realtime.queues import RatedSource


@dataclass(frozen=True)
class Span:
    """A part of a video that is painted by itself; times are seconds on the clock of its frames.

    Args:
        begins_s: when its first frame is shown; 0 for the beginning of the video.
        ends_s: when its last frame has ended; None for the end of the video.
        lead_in_s: how much before it is read and painted too, and then thrown away.
    """

    begins_s: Fraction = Fraction(0)
    ends_s: Fraction | None = None
    lead_in_s: Fraction = Fraction(0)

    @property
    def read_from_s(self) -> Fraction:
        """The time of the first frame that is read."""
        return max(Fraction(0), self.begins_s - self.lead_in_s)


@dataclass(frozen=True)
class SourceInfo:
    """What is known about a source once it is open.

    Args:
        name: what messages call it.
        size: width and height of its frames.
        rate: frames per second.
        time_base: the smallest step between the timestamps of its frames, in seconds.
        live: whether frames come at their own pace, whether or not anybody reads them.
        endless: whether it goes on until it is stopped, although it is not live: the bundled scene, a loop.
        frame_count: how many frames there will be, if that is known.
        presentation: how the frames are to be shown.
        clip: the part of a file that is read, whose audio and other tracks belong to the frames; None for no file.
        audio: takes its audio as it is played, for those who stream or record it; None if it has none.
        notes: what a person should know before it is painted, one line each.
        seeks: whether it can be read from any time on, with the same frames as if it was read from its beginning.
    """

    name: str
    size: Size
    rate: Fraction
    time_base: Fraction
    live: bool = False
    endless: bool = False
    frame_count: int | None = None
    presentation: Presentation = Presentation()  # noqa: RUF009 - frozen
    clip: ClipRange | None = None
    audio: AudioFeed | None = None
    notes: Sequence[str] = ()
    seeks: bool = False


def track_of(info: SourceInfo) -> VideoTrack:
    """Returns how the frames of a source are recorded: those of a live one at the times of their capture."""
    if info.live:
        return VideoTrack(info.size, info.rate, live=True, presentation=info.presentation)
    return VideoTrack(info.size, info.rate, info.time_base, presentation=info.presentation)


class Source(RatedSource, Protocol):
    """Gives frames in order. A context manager that is open from the start and closes on leaving.

    `info` never changes; the other properties may change while frames are read. `live`, `size` and `rate` are those of
    `info`: all that the player asks for.
    """

    @property
    def info(self) -> SourceInfo:
        """What is known about the source."""

    @property
    def status(self) -> str:
        """One line about what is being waited for, '' while frames come."""

    @property
    def backlog(self) -> str:
        """How far it is behind: always '', as late frames are dropped."""

    @property
    def failure(self) -> str:
        """Why it has given up: always '', as `frames` raises an error instead."""

    @property
    def shortfall(self) -> str | None:
        """What could not be read, once `frames` has ended; None if nothing is missing."""

    @property
    def clip_begins_s(self) -> Fraction:
        """The time of the frames' clock at which `info.clip` begins, in seconds; a loop moves it on in each round."""

    def close(self) -> None:
        """Gives back what the source holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BaseSource:
    """A source that needs not be stopped or closed and can read everything; the others override what differs.

    Args:
        info: what is known about the source.
    """

    backlog = failure = ""

    def __init__(self, info: SourceInfo) -> None:
        self._info = info

    @property
    def info(self) -> SourceInfo:
        return self._info

    @property
    def live(self) -> bool:
        return self._info.live

    @property
    def size(self) -> Size:
        return self._info.size

    @property
    def rate(self) -> Fraction:
        return self._info.rate

    @property
    def status(self) -> str:
        return ""

    @property
    def shortfall(self) -> str | None:
        return None

    @property
    def clip_begins_s(self) -> Fraction:
        return Fraction(0)

    def stop(self) -> None:
        """Makes `frames` end soon if it is waiting for a frame."""

    def close(self) -> None:
        """Gives back what the source holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Wrapper(BaseSource):
    """A source around another one, which it owns: it passes on what the inner source reports.

    Args:
        inner: the source.
        info: what is known about the wrapper, derived from `inner.info`.
    """

    def __init__(self, inner: Source, info: SourceInfo) -> None:
        super().__init__(info)
        self._inner = inner

    @property
    def status(self) -> str:
        return self._inner.status

    @property
    def shortfall(self) -> str | None:
        return self._inner.shortfall

    @property
    def clip_begins_s(self) -> Fraction:
        return self._inner.clip_begins_s

    def stop(self) -> None:
        self._inner.stop()

    def close(self) -> None:
        self._inner.close()


class ReplacingWrapper(BaseSource):
    """A source around another one that it closes and opens again.

    Args:
        inner: the first source.
        info: what is known about the wrapper, derived from `inner.info`.

    `_inner` is None while there is none; `_stopped` is set by `stop`.
    """

    def __init__(self, inner: Source, info: SourceInfo) -> None:
        super().__init__(info)
        self._inner: Source | None = inner
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        if (inner := self._inner) is not None:
            inner.stop()

    def close(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()
