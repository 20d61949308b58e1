"""A live source that can become another one in mid-show: another camera, file or stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from realtime.frames import Frame, letterboxed
from realtime.media.decoding import SourceError
from realtime.queues import one_at_a_time
from realtime.sources.base import ReplacingWrapper, Source

# How soon another source follows one that has ended.
_LOOKS_EVERY_S = 0.25


class Changeable(ReplacingWrapper):
    """A live source whose inner source can be changed. The size of its frames stays, whatever comes later.

    Args:
        source: the first one, open and live.
        open_other: opens another one, live, by what a person calls it; raises SourceError or ValueError.
    """

    def __init__(self, source: Source, open_other: Callable[[str], Source]) -> None:
        super().__init__(source, replace(source.info, frame_count=None, clip=None))
        self._open_other = open_other
        self._opening, self._changing = one_at_a_time(), one_at_a_time()
        self._next: Source | None = None
        self._name = source.info.name
        self._trouble = ""

    @property
    def source_name(self) -> str:
        """What the source is called now."""
        return self._name

    @property
    def status(self) -> str:
        inner = self._inner
        return self._trouble or ("" if inner is None else inner.status)

    @property
    def shortfall(self) -> str | None:
        inner = self._inner
        return None if inner is None else inner.shortfall

    def change_source(self, text: str) -> str:
        """Opens another source, while frames of this one go on, and then changes to it.

        Called from any thread, but not from the one that reads the frames.

        Args:
            text: what a person calls it.

        Returns its name. Raises what opening it raises; the source stays as it is then.
        """
        with self._opening:
            source = self._open_other(text)
            with self._changing:
                waiting, self._next = self._next, source
                self._name = source.info.name
                inner = self._inner
            if waiting is not None:
                waiting.close()
            if inner is not None:
                inner.stop()
            if self._stopped.is_set():
                self.close()
            return source.info.name

    def frames(self) -> Iterator[Frame]:
        """Yields the frames of all sources, one after another.

        Raises what the first one raises. If a later one ends or is lost, that is said, and another one is waited for.
        """
        index, first = 0, self._inner
        while (inner := self._inner) is not None and not self._stopped.is_set():
            self._trouble = ""
            try:
                for frame in inner.frames():
                    if self._next is not None:
                        break
                    yield Frame(letterboxed(frame.pixels, self.size), index, frame.captured_at_s)
                    index += 1
                else:
                    self._trouble = f"{inner.info.name} has ended"
            except Exception as exc:
                # a source that fails while it is given up has nothing more to say
                if self._next is None and (inner is first or not isinstance(exc, SourceError)):
                    raise
                self._trouble = str(exc)
            while not self._follow_change(inner):
                if inner is first or self._stopped.wait(_LOOKS_EVERY_S):
                    return

    def _follow_change(self, inner: Source) -> bool:
        """Lets go of the inner source if there is a next one; returns whether there is."""
        with self._changing:
            if self._next is None:
                return False
            self._inner, self._next = self._next, None
        inner.close()
        return True

    def close(self) -> None:
        with self._changing:
            waiting, self._next = self._next, None
        if waiting is not None:
            waiting.close()
        super().close()
