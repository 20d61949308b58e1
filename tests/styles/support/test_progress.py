"""Progress in a log: plain lines, not too many."""

from __future__ import annotations

import pytest

from styles.support.progress import open_bars, percent_bar, progress_bar, progress_display


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


def test_without_a_terminal_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("film.mp4", 10) as report:
        assert report is None
    with percent_bar("engine") as show:
        show(0.5, name="optimizing")
    with open_bars() as bars, bars.task("files", 3, "files", remove=True) as count:
        assert not bars.shown
        count(1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("unit", ["frames", "percent"])
def test_on_a_terminal_a_bar_shows_what_is_done(
    unit: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("film.mp4", 10, unit) as report:
        assert report is not None
        report(7)
    shown = capsys.readouterr().err
    assert "film.mp4" in shown
    assert "7/10" in shown
    assert ("fps" in shown) == (unit == "frames")
