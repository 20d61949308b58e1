"""Progress in a log: plain lines, not too many."""

from __future__ import annotations

import pytest

from styles.support.progress import progress_display


def test_without_a_terminal_there_is_a_line_every_hundred_steps_and_a_last_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress_display() as report:
        for step in range(1, 251):
            report(step, step / 250, {"style": 1 / step})
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["40", "%", "step", "100"],
        ["80", "%", "step", "200"],
        ["100", "%", "step", "250"],
    ]
    assert lines[0].endswith("left  style 0.01")
    assert "steps/s" in lines[0]


def test_speed_and_time_left_are_of_this_run_only(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display() as report:
        report(100, 0.1, {})  # the first report of a resumed run: nothing to be said yet
    assert capsys.readouterr().err == " 10 % step 100\n"
