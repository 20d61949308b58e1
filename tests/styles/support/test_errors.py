"""Every expected error is one line with its exit code; any other names its class and where to look."""

from __future__ import annotations

import subprocess
import sys

import pytest

from styles.support.errors import FAILED, INTERRUPTED, UNREADABLE, USAGE, ExitCodes, UsageError, explain, run_command
from tests.conftest import ROOT

CODES: ExitCodes = {UsageError: USAGE, LookupError: USAGE, OSError: FAILED, FileNotFoundError: UNREADABLE}


def failing(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("--a does not go with --b"), 2, "paint: --a does not go with --b"),
        (KeyError("no style 'x'"), 2, "paint: no style 'x'"),
        (FileNotFoundError("no file x"), 3, "paint: no file x"),
        (FileNotFoundError(2, "No such file or directory", "x.mp4"), 3, "paint: x.mp4: No such file or directory"),
        (PermissionError(13, "Permission denied", "x.mp4"), 1, "paint: x.mp4: Permission denied"),
        (OSError(36, "File name too long", "x" * 5000), 1, f"paint: {'x' * 300}…: File name too long"),
        (
            RuntimeError("first line\nsecond line"),
            1,
            "paint: unexpected RuntimeError: first line (--debug shows where)",
        ),
        (RuntimeError(), 1, "paint: unexpected RuntimeError: RuntimeError (--debug shows where)"),
        (KeyboardInterrupt(), INTERRUPTED, "paint: stopped"),
    ],
)
def test_an_error_is_one_line_with_its_code(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("paint", lambda: failing(error), CODES) == code
    assert capsys.readouterr().err == f"{line}\n"


def test_debug_shows_the_traceback_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("paint", lambda: failing(ValueError("odd")), CODES, debug=True) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "paint: unexpected ValueError: odd"


def test_a_command_without_debug_does_not_speak_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    run_command("paint", lambda: failing(ValueError("odd")), CODES, debug=None)
    assert capsys.readouterr().err == "paint: unexpected ValueError: odd\n"


def test_the_most_specific_class_counts() -> None:
    assert explain(FileNotFoundError("x"), CODES) == (UNREADABLE, "x")
    assert explain(NotADirectoryError("x"), CODES) == (FAILED, "x")
    assert explain(ZeroDivisionError("x"), CODES) == (FAILED, None)


def test_without_an_error_the_code_is_that_of_the_work() -> None:
    assert run_command("paint", lambda: 0, CODES) == 0
    assert run_command("paint", lambda: 3, CODES) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("with closable_output(): print_line('x' * 100_000, sys.stdout)", 0, ""),
        ("print_line('x' * 100_000, sys.stdout)", 1, "paint: Broken pipe\n"),
    ],
)
def test_a_listing_that_nobody_reads_ends_quietly_and_other_work_fails(body: str, code: int, said: str) -> None:
    program = (
        "import sys\nfrom styles.support.errors import run_command\n"
        "from styles.support.terminal import closable_output, print_line\n"
        f"def work():\n    {body}\n    return 0\n"
        "sys.exit(run_command('paint', work, {OSError: 1}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == said
    assert process.returncode == code
