"""Signals, terminals and logs: whatever happens to them, what is painted is kept, and nobody sees a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.command import command, environment_in
from tests.realtime.clips import read_clip, write_clip

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes as Linux shows them")

PATIENCE_S = 60
# As pip writes it for the command.
STARTED = "import sys; from styles.support.start import {}; sys.exit({}())"


def wait_until(reached: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not reached():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


@pytest.mark.parametrize("library", ["numpy", "cv2", "libavcodec"])
@pytest.mark.parametrize(
    ("entry", "arguments"),
    [("nst_live", ["-i", "test", "--frames", "1000000", "-o", "show.mkv"]), ("nst_live", ["--list-styles"])],
    ids=["painting", "listing"],
)
def test_ctrl_c_while_it_still_loads_is_one_line(
    entry: str, arguments: list[str], library: str, tmp_path: Path
) -> None:
    argv = [sys.executable, "-c", STARTED.format(entry, entry), *arguments]
    process = subprocess.Popen(
        argv, cwd=tmp_path, env=environment_in(tmp_path / "home"), stderr=subprocess.PIPE, stdout=-3, text=True
    )
    maps = Path(f"/proc/{process.pid}/maps")
    wait_until(lambda: library in maps.read_text(), process)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=PATIENCE_S)[1]
    assert (process.returncode, err) == (130, "nst-live: stopped\n")


@pytest.mark.parametrize("entry", ["nst_build", "nst_train"])
def test_the_other_commands_are_started_in_the_same_way(entry: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STARTED.format(entry, entry), "--help"]
    done = subprocess.run(argv, cwd=tmp_path, env=environment_in(tmp_path / "home"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"usage: nst-" + entry.removeprefix("nst_").encode())


class Show:
    """An endless recording in a process of its own."""

    def __init__(self, folder: Path, identity: Path, *before: str, **streams: int) -> None:
        self.folder = folder
        options = ["-i", "test", "--size", "64x48", "--frames", 10_000_000, "--style", identity, "-o", "show.mkv"]
        self.process = subprocess.Popen(
            [*before, *command(*options)],
            cwd=folder,
            env={**environment_in(folder / "home"), "TERM": "xterm"},
            text=True,
            **{"stderr": subprocess.PIPE, **streams},  # type: ignore[call-overload]
        )
        partial = folder / "show.partial.mkv"
        wait_until(lambda: partial.is_file() and partial.stat().st_size > 20_000, self.process)

    @property
    def recorded(self) -> int:
        return len(read_clip(self.folder / "show.mkv").times)


def test_nohup_is_honoured(tmp_path: Path, identity: Path) -> None:
    show = Show(tmp_path, identity, "nohup", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    partial = tmp_path / "show.partial.mkv"
    show.process.send_signal(signal.SIGHUP)
    size = partial.stat().st_size
    wait_until(lambda: partial.stat().st_size > size + 20_000, show.process)
    show.process.send_signal(signal.SIGTERM)
    show.process.communicate(timeout=PATIENCE_S)
    assert show.process.returncode == 130
    assert show.recorded > 0


def test_a_terminal_that_is_closed_ends_a_show_with_a_whole_recording(tmp_path: Path, identity: Path) -> None:
    ours, theirs = os.openpty()
    show = Show(tmp_path, identity, "setsid", "--ctty", "--wait", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    # the bar that is drawn there has nobody to look at it either
    os.close(ours)
    assert show.process.wait(timeout=PATIENCE_S) == 130
    assert show.recorded > 0
    assert not (tmp_path / "show.partial.mkv").exists()


@pytest.mark.parametrize(
    "line",
    ["nst-live 2>/dev/full", "nst-live 2>&1 | head -1", "nst-live 2>&-", "nst-live >&- 2>&-", "nst-live <&-"],
)
def test_a_log_that_cannot_be_written_does_not_stop_the_work(line: str, tmp_path: Path, identity: Path) -> None:
    write_clip(tmp_path / "clip.mp4", 200)
    ours = " ".join(command("-i", "clip.mp4", "-o", "painted.mp4", "--style", identity, "--steady", 0))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("nst-live", ours)],
        cwd=tmp_path,
        env=environment_in(tmp_path / "home"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(read_clip(tmp_path / "painted.mp4").times) == 200


def test_what_was_asked_for_and_cannot_be_written_is_1(tmp_path: Path) -> None:
    for listing in ("--list-styles", "--print-config"):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                command(listing),
                cwd=tmp_path,
                env=environment_in(tmp_path / "home"),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        assert (done.returncode, done.stderr) == (1, "nst-live: No space left on device\n")


def test_characters_that_a_terminal_lacks_are_written_as_toml_reads_them(tmp_path: Path) -> None:
    environment = {**environment_in(tmp_path / "home"), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command("--print-config", "--captures", "Gemälde 🎨"),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b'captures = "Gem\\u00e4lde \\U0001f3a8"' in done.stdout
    (tmp_path / "again.toml").write_bytes(done.stdout)
    again = subprocess.run(
        command("--config", "again.toml", "--print-config"),
        cwd=tmp_path,
        env=environment_in(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r'^captures = "Gemälde 🎨"  # again\.toml$', again.stdout, flags=re.MULTILINE), again
