"""A child process that dies at once holds nobody up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

_PROGRAM = """
import os

if __name__ == "__mp_main__":  # the child, before it has read anything
    os._exit(1)

from realtime.child_process import ChildProcess

child = ChildProcess(print, b"x" * 10_000_000, name="stillborn")
try:
    child.pipe.recv()
except (EOFError, OSError):
    print("its end was found")
child.kill()
"""


def test_a_process_that_dies_before_it_reads_its_arguments_is_found_dead(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == "its end was found\n"
    assert done.stderr == ""
