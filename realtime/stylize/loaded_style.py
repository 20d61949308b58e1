"""A style that can be painted with, and vectors that are made only when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.backends import Net, Vector
from realtime.frames import Pixels
from realtime.queues import one_at_a_time


class LazyVector:
    """A style vector that is made when it is first needed, once, in whichever thread that is.

    Args:
        make: returns it, float32[K]. What it raises is raised each time that the vector is needed.
    """

    def __init__(self, make: Callable[[], Vector]) -> None:
        self._make = make
        self._making = one_at_a_time()
        self._vector: Vector | None = None
        self._error: Exception | None = None

    @property
    def is_ready(self) -> bool:
        """Whether nobody has to wait for it: it was made, or that has failed."""
        return self._vector is not None or self._error is not None

    def get(self) -> Vector:
        """Returns the vector; the first call takes its time. Raises what making it has raised."""
        with self._making:
            if self._error is not None:
                raise self._error
            if self._vector is None:
                try:
                    self._vector = self._make()
                except Exception as exc:
                    self._error = exc
                    raise
            return self._vector


@dataclass(frozen=True, eq=False)
class LoadedStyle:
    """A style that can be painted with.

    Args:
        name: as it is typed.
        title: of the style's picture.
        artist: of the picture, '' if nobody is named.
        net: what paints it.
        source: its vector, float32[K], or what makes it; None if the net has the style baked in.
        picture: reads the picture that the vector was predicted from, H x W x 3 uint8 RGB; None if it was trained. What
            was refined of a style has the same one.
        parts: of a mix, the names of its styles; () for a style alone.
    """

    name: str
    title: str
    artist: str
    net: Net
    source: Vector | LazyVector | None
    parts: tuple[str, ...] = ()
    picture: Callable[[], Pixels] | None = None

    @property
    def lineage(self) -> object:
        """What it has in common with what was refined of it: the stabilizer goes on between them."""
        return self if self.picture is None else self.picture

    @property
    def vector(self) -> Vector | None:
        """The vector, float32[K]; None if the net has the style baked in. Where it must be made first, this waits.

        Raises what making it raises, e.g. PhotoError for a damaged picture.
        """
        return self.source.get() if isinstance(self.source, LazyVector) else self.source

    @property
    def is_ready(self) -> bool:
        """Whether `vector` answers at once."""
        return not isinstance(self.source, LazyVector) or self.source.is_ready

    def make_ready(self) -> None:
        """Has the vector made, if that is still to be done. Raises what making it raises."""
        if isinstance(self.source, LazyVector):
            self.source.get()

    @property
    def caption(self) -> str:
        """Title and artist, as the HUD shows them."""
        return f"{self.title}, {self.artist}" if self.artist else self.title
