"""An engine is built beside the running picture, with progress, and stops when nobody wants it any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from build_engines.tensorrt.background_build import BackgroundBuild
from build_engines.tensorrt.variants import Variant
from tests.build_engines.conftest import SaveNet


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def argv(weights: Path, engines: Path) -> list[str]:
    return [str(weights), "--target", "sm86", "--engine-dir", str(engines), "--no-receipt", "--size", "1280x720"]


def test_a_build_shows_its_progress_and_ends_with_an_engine(save_net: SaveNet, tmp_path: Path, rtx: Variant) -> None:
    engines = tmp_path / "engines"
    with BackgroundBuild(argv(save_net("full"), engines)) as build:
        assert build.done is None
        assert build.error == ""
        wait_for(lambda: build.progress.fraction > 0)
        wait_for(lambda: build.done is not None)
        assert build.done is True, build.error
        assert build.progress.fraction == pytest.approx(1.0)
    assert [path.name for path in sorted(engines.glob("*.engine"))] == [
        "full-1280x720-fp16-rtx-sm86.engine",
        "stabilizer-1280x720-fp32-rtx-sm86.engine",
    ]


def test_a_build_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    with BackgroundBuild([str(tmp_path / "gone.safetensors"), "--target", "sm86"]) as build:
        wait_for(lambda: build.done is not None)
        assert build.done is False
        assert build.error.startswith(("no weights file at", "tensorrt_rtx is not installed"))


def test_leaving_cancels_and_leaves_nothing(save_net: SaveNet, tmp_path: Path, rtx: Variant) -> None:
    engines = tmp_path / "engines"
    with BackgroundBuild(argv(save_net("full"), engines)) as build:
        wait_for(lambda: build.progress.fraction > 0)
    assert build.done is False
    assert build.error == "stopped"
    assert not list(engines.glob("*.engine"))
