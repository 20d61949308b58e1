"""The command as a program of its own, while browsers use its page."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.fuzz.command import command, environment_in
from tests.realtime.on_screen import PATIENCE_S


class Show:
    """The command without a window, and what it prints. A context manager: leaving it ends the command.

    Args:
        folder: to run in; it has a home of its own there.
        arguments: the command's.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._file = folder / "printed.txt"
        words = command("--no-window", *arguments)
        environment = environment_in(folder / "home")
        with self._file.open("w") as printed:
            self.process = subprocess.Popen(words, cwd=folder, env=environment, stderr=printed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def printed(self) -> str:
        return self._file.read_text()

    def _wait_for(self, what: Callable[[], Any]) -> Any:
        deadline_s = time.monotonic() + PATIENCE_S
        while not (found := what()):
            assert self.process.poll() is None, self.printed
            assert time.monotonic() < deadline_s, self.printed
            time.sleep(0.05)
        return found

    def wait_for_line(self, beginning: str) -> str:
        """Returns the rest of the first line that begins so."""
        lines = self._wait_for(lambda: [line for line in self.printed.split("\n")[:-1] if line.startswith(beginning)])
        return str(lines[0]).removeprefix(beginning)

    def end(self) -> int:
        """Ends it as Ctrl-C does; returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE_S)
