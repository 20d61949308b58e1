"""Start now, get faster later: a missing engine is built in the background, and the show changes over to it."""

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
    def progress(self) -> BuildProgress:
        """How far it is."""

    @property
    def done(self) -> bool | None:
        """None while it runs, then whether the engine was built."""

    @property
    def error(self) -> str:
        """Why the engine was not built."""

    def close(self) -> None:
        """Cancels it if it still runs."""


class Upgrade:
    """A better backend on its way. A context manager: leaving it cancels a build that still runs.

    `failure`: why it will never be ready, '' if it may be.

    Args:
        backend: the one whose engine is missing.
        argv: the arguments of nst-build that build the engine.
        start: starts a build with such arguments.
    """

    def __init__(
        self, backend: Backend, argv: Sequence[str], start: Callable[[Sequence[str]], Build] = BackgroundBuild
    ) -> None:
        self._backend = backend
        self._build: Build | None = start([*argv, "--no-receipt"])
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
        """What the HUD shows meanwhile, '' once there is nothing to wait for."""
        if self._build is None:
            return ""
        return f"building the {self._backend.name} engine: {100 * self._build.progress.fraction:.0f} %"

    def poll(self) -> Backend | None:
        """Returns the backend once, when its engine is ready; else None."""
        build = self._build
        if build is None or build.done is None:
            return None
        self._build = None
        if not build.done:
            self.failure = f"the {self._backend.name} engine could not be built: {build.error}"
        build.close()
        return None if self.failure else self._backend

    def wait(self, report: Callable[[float], None], pause: Callable[[], None]) -> None:
        """Waits for the build. Raises BackendUnavailableError if it fails.

        Args:
            report: called with the fraction done, 0..1.
            pause: waits a moment before the build is looked at again.
        """
        while self.poll() is None:
            if self.failure:
                raise BackendUnavailableError(self.failure)
            if self._build is not None:
                report(self._build.progress.fraction)
            pause()
