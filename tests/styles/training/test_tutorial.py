"""The tutorial's code runs, from top to bottom, as it stands on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from styles.training.pictures import read_picture, write_picture
from tests.conftest import ROOT
from tests.styles.conftest import textured

TUTORIAL = ROOT / "docs" / "tutorial.md"
# What the page does thoroughly is done here in passing.
SMALLER = {
    "SIDE = 256": "SIDE = 48",
    "STEPS = 300": "STEPS = 20",
    "TRAINING_STEPS, CROP = 3000, 256": "TRAINING_STEPS, CROP = 2, 40",
}


def code_of(page: str) -> str:
    """Returns the page's Python, each line where it is on the page, so that an error names it."""
    lines, inside = [], False
    for line in page.splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loss_network_file: Path) -> None:
    code = code_of(TUTORIAL.read_text())
    for thorough, quick in SMALLER.items():
        assert re.search(rf"^{re.escape(thorough)}$", code, flags=re.MULTILINE), thorough
        code = code.replace(thorough, quick)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NST_LIVE_LOSS_NETWORK", str(loss_network_file))
    (tmp_path / "photos").mkdir()
    for seed, name in enumerate(("photo.jpg", "painting.jpg", "photos/1.jpg", "photos/2.jpg")):
        write_picture(tmp_path / name, textured(60, 80, seed))
    exec(compile(code, str(TUTORIAL), "exec"), {"__name__": "tutorial"})
    for made in ("slow.png", "fast.png"):
        assert read_picture(tmp_path / made).std() > 1


def test_the_tutorial_shows_pictures_that_are_there() -> None:
    shown = re.findall(r"!\[.*?\]\((.*?)\)", TUTORIAL.read_text())
    assert shown
    for picture in shown:
        assert (TUTORIAL.parent / picture).is_file(), picture
