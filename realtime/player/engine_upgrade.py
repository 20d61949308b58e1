"""Start now, get faster later: a missing engine is built beside the show, which changes over when it is ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from build_engines.tensorrt.background_build import BackgroundBuild
from build_engines.tensorrt.build import BuildProgress
from realtime.backends import Backend, BackendUnavailableError


class Build(Protocol):
    """A build that is running; `build_engines.tensorrt.background_build.BackgroundBuild` is one."""

    @property
    def progress(self) -> BuildProgress: ...

    @property
    def done(self) -> bool | None: ...

    @property
    def error(self) -> str: ...

    def close(self) -> None: ...


class Upgrade:
    """The better backend on its way. A context manager: leaving it cancels a build that still runs.

    `poll` returns the backend once, when its engine is ready; `status` is what the HUD says meanwhile, '' when there is
    nothing to say any more; `failure` why it will never be ready.
    """

    def __init__(
        self, backend: Backend, words: Sequence[str], start: Callable[[Sequence[str]], Build] = BackgroundBuild
    ) -> None:
        self._backend = backend
        self._build: Build | None = start([*words, "--no-receipt"])
        self.failure = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._build is not None:
            self._build.close()
            self._build = None

    @property
    def status(self) -> str:
        if self._build is None:
            return ""
        return f"building the {self._backend.name} engine: {100 * self._build.progress.fraction:.0f} %"

    def poll(self) -> Backend | None:
        build = self._build
        if build is None or build.done is None:
            return None
        self._build = None
        if not build.done:
            self.failure = f"the {self._backend.name} engine could not be built: {build.error}"
        build.close()
        return None if self.failure else self._backend

    def wait(self, report: Callable[[float], None], pause: Callable[[], None]) -> None:
        """Waits for the build, reporting its fraction in 0..1. Raises BackendUnavailableError where it fails."""
        while self.poll() is None:
            if self.failure:
                raise BackendUnavailableError(self.failure)
            if self._build is not None:
                report(self._build.progress.fraction)
            pause()
