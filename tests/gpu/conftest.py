"""Skips what needs a GPU, saying why; with NST_REQUIRE=gpu it fails instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from build_engines.gpus import no_gpu_reason
from build_engines.tensorrt.cache import FOLDER_VARIABLE


def required() -> list[str]:
    return os.environ.get("NST_REQUIRE", "").split(",")


def need(what: str, reason: str | None) -> None:
    """Skips the test if there is a reason why something is missing; fails if NST_REQUIRE names it."""
    if reason is None:
        return
    if what in required():
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where engines are built, once for all tests; make gpu-check names the folder, and measures with them too."""
    return Path(os.environ.get(FOLDER_VARIABLE) or tmp_path_factory.mktemp("engines"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = no_gpu_reason()
    if reason is None or "gpu" in required():
        return
    for item in items:
        if item.get_closest_marker("needs_gpu"):
            item.add_marker(pytest.mark.skip(reason=reason))
