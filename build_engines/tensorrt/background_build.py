"""Builds an engine in a process of its own, so that painting can go on meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from build_engines.tensorrt.build import BuildProgress


class BackgroundBuild:
    """A running `nst-build`. `progress` and `done` can be read at any time.

    `done` is None while it runs, then whether it succeeded. After a failure `error` is the line that says why. Leaving
    the context, or calling `close`, cancels a build that still runs.

    Args:
        argv: the arguments of `nst-build`, without the program's name.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self.progress = BuildProgress("starting", 0.0)
        self._error_lines: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "build_engines.cli", *argv, "--json-progress"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # Ctrl-C in the terminal must reach this process alone: it cancels the build itself
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read_progress, name="engine build: progress", daemon=True),
            threading.Thread(target=self._read_errors, name="engine build: errors", daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def done(self) -> bool | None:
        if self._process.poll() is None:
            return None
        for reader in self._readers:
            reader.join()
        return self._process.returncode == 0

    @property
    def error(self) -> str:
        if self.done is not False:
            return ""
        lines = [line for line in self._error_lines if line.startswith("nst-build: ")] or self._error_lines[-1:]
        return lines[-1].removeprefix("nst-build: ") if lines else f"nst-build ended with {self._process.returncode}"

    def close(self) -> None:
        """Cancels the build if it still runs. Nothing half-written is left behind."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGINT)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> BackgroundBuild:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_progress(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{") and (event := json.loads(line)).get("event") == "progress":
                self.progress = BuildProgress(event["phase"], event["fraction"])

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._error_lines += [line.strip() for line in self._process.stderr if line.strip()]
