"""What a source is: the one thing that the loop knows of cameras, files, streams and the bundled scene."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from realtime.audio.feed import AudioFeed
from realtime.frames import Frame, Presentation

Size = tuple[int, int]


class SourceError(OSError):
    """An input cannot be opened or read: no such camera, no such file, or not a video."""


@dataclass(frozen=True)
class ClipRange:
    """A part of a file: what lies at `begins_s` of the file's clock is at 0 of the part's; to the end without `ends_s`.

    `cut`: whether what lies before its beginning is left out; a clock alone may begin anywhere.
    """

    path: Path
    begins_s: Fraction = Fraction(0)
    ends_s: Fraction | None = None
    cut: bool = False


class Source(Protocol):
    """Gives frames in order. A context manager; `live` sources go on whether or not anybody reads them."""

    name: str
    live: bool
    size: Size
    rate: Fraction
    frame_count: int | None
    """How many frames there will be, where that is known."""
    time_base: Fraction
    """The clock of the frames' own times: their smallest step, in seconds."""
    sound: ClipRange | None
    """Where the sound to the picture is, if there is any."""
    heard: AudioFeed | None
    """The sound as it is heard live, for those who stream or record it."""
    presentation: Presentation
    notes: Sequence[str]
    """What a person should know before it is painted."""

    def frames(self) -> Iterator[Frame]: ...

    def stop(self) -> None:
        """Has `frames` end soon where it waits for a picture; called from another thread."""

    @property
    def shortfall(self) -> str | None:
        """What could not be read, once `frames` has ended; None where all was."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing:
    """A source that has nothing to close and reads all there is; the others override what differs."""

    shortfall: str | None = None
    sound: ClipRange | None = None
    heard: AudioFeed | None = None
    presentation: Presentation = Presentation()
    notes: Sequence[str] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stop(self) -> None:
        """Has `frames` end soon where it waits."""

    def close(self) -> None:
        """Gives back what the source holds."""


class Replacing(Closing):
    """A source around another that it replaces in time; `_source` is None between two, `_stopped` set by `stop`."""

    def __init__(self, source: Source) -> None:
        self._source: Source | None = source
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        if (source := self._source) is not None:
            source.stop()

    def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.__exit__(None, None, None)
