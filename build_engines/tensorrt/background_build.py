"""Builds an engine in a process of its own, so that a picture can be shown meanwhile."""

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
    """`nst-build` with the given arguments, running. Look at `progress` and `done` whenever you like.

    `done` is None while it runs, then whether it succeeded; `error` is then the line that says why it did not. Leaving
    the context, or `close`, cancels a build that still runs.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.progress = BuildProgress("starting", 0.0)
        self._last_words: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "build_engines.cli", *words, "--json-progress"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            # Ctrl-C in the terminal is for us: we cancel the build ourselves
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
        lines = [line for line in self._last_words if line.startswith("nst-build: ")] or self._last_words[-1:]
        return lines[-1].removeprefix("nst-build: ") if lines else f"nst-build ended with {self._process.returncode}"

    def close(self) -> None:
        """Cancels the build where it still runs: it leaves nothing half-written."""
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
        self._last_words += [line.strip() for line in self._process.stderr if line.strip()]
