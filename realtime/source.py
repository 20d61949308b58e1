"""What a source is: the one thing that the loop knows of cameras, files, streams and the bundled scene."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from realtime.frames import Frame

Size = tuple[int, int]


class SourceError(OSError):
    """An input cannot be opened or read: no such camera, no such file, or not a video."""


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
    sound_path: Path | None
    """The file that has the sound to the picture, if there is one."""

    def frames(self) -> Iterator[Frame]: ...

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
    sound_path: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives back what the source holds."""
