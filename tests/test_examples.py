"""The programs in examples/ run as they are, each in a process of its own, and do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.media.photo import read_photo
from tests.conftest import ROOT
from tests.realtime.clips import colourful, read_clip, write_clip
from tests.realtime.on_screen import x_server
from tests.test_python_api import audio_packets, write_film

EXAMPLES = ROOT / "examples"
RunExample = Callable[..., str]


@pytest.fixture
def run_example(tmp_path: Path) -> RunExample:
    """Returns `run_example("image.py", …)`, which runs a program in an empty folder and returns what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NST_LIVE_STYLES": str(tmp_path / "no styles")}

    def run(name: str, *arguments: object, **variables: str) -> str:
        command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def display() -> Iterator[str]:
    with x_server() as display:
        yield display


def test_the_example_of_an_image_paints_it(tmp_path: Path, run_example: RunExample) -> None:
    from PIL import Image

    Image.fromarray(colourful(0, (80, 60))).save(tmp_path / "photo.png")
    printed = run_example("image.py", "photo.png", "painted.png", "--style", "wreck")
    painted = read_photo(tmp_path / "painted.png").pixels
    assert printed == "painted photo.png into painted.png (80x60)\n"
    assert painted.shape == (60, 80, 3)
    assert np.abs(painted.astype(int) - colourful(0, (80, 60))).mean() > 10


def test_the_example_of_a_film_paints_both_halves_and_keeps_its_sound(tmp_path: Path, run_example: RunExample) -> None:
    film = write_film(tmp_path / "in.mp4", 20)
    printed = run_example("film.py", "in.mp4", "out.mp4")
    assert "painted 20 frames into out.mp4" in printed
    painted = read_clip(tmp_path / "out.mp4")
    assert painted.times == read_clip(film).times
    assert audio_packets(tmp_path / "out.mp4") == audio_packets(film)
    run_example("film.py", "in.mp4", "alike.mp4", "--styles", "wave", "wave")
    alike = read_clip(tmp_path / "alike.mp4").pictures
    differences = [
        float(np.abs(one.astype(int) - other).mean()) for one, other in zip(painted.pictures, alike, strict=True)
    ]
    assert max(differences[:8]) < 3 < differences[-1]


def test_the_example_of_opencvs_own_loop_paints_what_stands_in_for_a_camera(
    tmp_path: Path, display: str, run_example: RunExample
) -> None:
    write_clip(tmp_path / "clip.mp4", 6, draw=colourful)
    assert run_example("opencv_camera.py", "clip.mp4", DISPLAY=display).startswith("painted 6 frames, ")


def test_every_example_is_tested_here() -> None:
    text = Path(__file__).read_text()
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))
