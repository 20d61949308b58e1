"""Fixtures for all tests: the folder of shared data, small nets, small clips."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def pytest_configure() -> None:
    """Heeds the end of a terminal: programs ignore it that are started where it is ignored, as under nohup."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs data or hardware that is not here, unless NST_REQUIRE names it."""
    required = os.environ.get("NST_REQUIRE", "").split(",")
    missing = pytest.mark.skip(reason=f"no shared data at {SHARED}")
    for item in items:
        if item.get_closest_marker("needs_shared") and not SHARED.is_dir() and "shared" not in required:
            item.add_marker(missing)


@pytest.fixture
def shared() -> Path:
    """The folder with photographs, videos and the loss network beside the checkout."""
    return SHARED
