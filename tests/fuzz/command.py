"""The command as a program of its own, in a folder and an environment that hold nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Answer:
    """What a run of the command came to: its exit code, or minus a signal, and what it printed."""

    code: int
    out: bytes
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says what went wrong; fails when there is none or more than one."""
        (line,) = (line for line in self.err.splitlines() if line.startswith("nst-live: "))
        return line


def environment_in(home: Path) -> dict[str, str]:
    """Returns an environment without a screen, all of whose folders lie in `home` and are made."""
    folders = {f"XDG_{name}_HOME": home / name.lower() for name in ("CONFIG", "DATA", "CACHE", "STATE")}
    folders |= {"HOME": home, "TMPDIR": home / "tmp", "XDG_RUNTIME_DIR": home / "run"}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, **{name: str(folder) for name, folder in folders.items()}, "PYTHONPATH": str(ROOT)}


def command(*arguments: object) -> list[str]:
    """Returns the program and its arguments."""
    return [sys.executable, "-m", "realtime.app.main", *map(str, arguments)]


def run(
    arguments: Sequence[object],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stdin: bytes | None = None,
    before: Sequence[str] = (),
) -> Answer:
    """Runs the command to its end.

    Args:
        arguments: the command's own.
        folder: the folder to run in.
        environment: the whole environment.
        stdin: what is piped into it; without, it reads nothing.
        before: a program that runs it, e.g. ("unshare", "-n").
    """
    done = subprocess.run(
        [*before, *command(*arguments)],
        cwd=folder,
        env=environment,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
    )
    return Answer(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
