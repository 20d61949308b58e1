"""A long show holds no more at its end than when it had settled; the whole of it is `python -m tests.realtime.soak`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.backends import choose_backend
from realtime.stylize.styles import load_styles, network_for
from tests.realtime.soak import soak

FRAMES = 4000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process holds is read from /proc")
def test_a_show_of_thousands_of_frames_leaks_neither_memory_nor_threads_nor_files(tmp_path: Path) -> None:
    backend = choose_backend("auto").backend
    paintings, chosen = load_styles("wreck", network_for("auto", backend.name))
    result = soak(backend, paintings[chosen], FRAMES, tmp_path / "soak.mkv", lambda _line: None)
    assert result.recorded == FRAMES
    # 100,000 frames may grow by 2 %; of so few the first pages that every library touches are a part
    assert result.growth <= 0.02, result
    assert not result.leaks, result
