"""A warm process in which the command runs at once: imports are done, and every run is a fork with a life of its own.

A crash, a signal or a hang ends one fork and is reported as what became of that run; it cannot hide. Linux only.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.fuzz.command import ROOT

MIB = 2**20
_POLL_S = 0.02
# Whatever a run writes, it does not fill the disk.
_LARGEST_FILE = 1024 * MIB
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True)
class Task:
    """One run: `argv` of the command, or with `count` the number of frames of that file, printed.

    Args:
        argv: the command's arguments, without the name of the program.
        folder: the folder to run in.
        environment: the whole environment.
        log: the file that takes stderr; stdout goes beside it, into `LOG.out`.
        count: a video or picture whose frames are decoded and counted, in place of running the command.
    """

    argv: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    log: str
    count: str | None = None


@dataclass(frozen=True)
class Limits:
    """What ends a run: seconds, and bytes of memory beyond what the warm process holds."""

    seconds: float = 60
    memory: int = 1536 * MIB


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    code: the exit code, or minus the number of the signal that ended it. grown: by how many bytes its memory grew at
    most. ended: "hang" or "memory" when a limit ended it, else "".
    """

    code: int
    seconds: float
    grown: int
    ended: str
    out: str
    err: str


class Worker:
    """The warm process. A context manager; runs one task at a time."""

    def __init__(self, home: Path) -> None:
        """Starts it.

        Args:
            home: an empty folder for whatever the imports want to write.
        """
        environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        environment |= {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "CACHE")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._memory = int(self._read())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()

    def run(self, task: Task, limits: Limits = Limits()) -> Outcome:
        """Runs a task and returns what became of it."""
        started_s = time.monotonic()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(task)) + "\n")
        self._process.stdin.flush()
        pid = int(self._read())
        ended = self._watch(pid, started_s + limits.seconds, limits.memory)
        status, peak = map(int, self._read().split())
        with suppress(ProcessLookupError):  # what it started and left behind
            os.killpg(pid, signal.SIGKILL)
        out, err = (Path(path).read_text("utf-8", "replace") for path in (f"{task.log}.out", task.log))
        code = os.waitstatus_to_exitcode(status)
        return Outcome(code, time.monotonic() - started_s, max(0, peak - self._memory), ended, out, err)

    def _watch(self, pid: int, deadline_s: float, memory: int) -> str:
        """Waits for the end of a run, or ends it; returns why."""
        while (resident := _resident(pid)) is not None:
            ended = "memory" if resident - self._memory > memory else "hang" if time.monotonic() > deadline_s else ""
            if ended:
                os.kill(pid, signal.SIGKILL)
                return ended
            time.sleep(_POLL_S)
        return ""

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the warm process ended with {self._process.wait()}")
        return line


def _resident(pid: int) -> int | None:
    """Returns how many bytes of memory a process holds; None when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return None
    return pages * _PAGE or None


def _serve() -> None:
    """Runs what the pipe asks for, in forks, until the pipe closes. In a fork it returns by SystemExit."""
    # what the command or a library prints is not an answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main = _warm()
    _answer(answers, _resident(os.getpid()) or 0)
    # readline, not iteration: a fork must not inherit lines that were read ahead
    while line := sys.stdin.readline():
        task = Task(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            answers.close()
            _run(task, main)
        _answer(answers, pid)
        _, status, usage = os.wait4(pid, 0)
        _answer(answers, f"{status} {usage.ru_maxrss * 1024}")


def _answer(answers: IO[str], words: object) -> None:
    answers.write(f"{words}\n")
    answers.flush()


def _warm() -> Callable[[Sequence[str]], int]:
    """Imports what every run needs and returns the command. Threads do not survive a fork, so nothing is run."""
    from PIL import Image

    from realtime.app.main import main
    from styles.support.silent_imports import import_openvino

    Image.init()
    with suppress(ImportError):
        import_openvino()
    gc.collect()
    gc.freeze()  # so that a fork shares this memory, also after it has collected its own garbage
    return main


def _run(task: Task, main: Callable[[Sequence[str]], int]) -> None:
    """Becomes the command, in a process that was just forked. Leaves as a program does: exit handlers included."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    os.chdir(task.folder)
    os.environ.clear()
    os.environ.update(task.environment)
    for number, path in ((0, os.devnull), (1, f"{task.log}.out"), (2, task.log)):
        target = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(target, number)
        os.close(target)
    if task.count is not None:
        sys.stdout.write(f"{count_frames(Path(task.count))}\n")
        sys.exit(0)
    sys.argv = ["nst-live", *task.argv]
    code = main(task.argv)
    # some libraries crash when their objects are collected
    gc.collect()
    sys.exit(code)


def count_frames(path: Path) -> int:
    """Returns how many frames a file has, all decoded. Raises whatever its decoder raises."""
    import av
    from PIL import Image

    if path.suffix in {".jpg", ".png", ".webp", ".tif", ".bmp"}:
        with Image.open(path) as image:
            image.load()
        return 1
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


if __name__ == "__main__":
    _serve()
