"""Skips what needs a GPU, saying why; with NST_REQUIRE=gpu it fails instead."""

from __future__ import annotations

import os

import pytest

from build_engines.gpus import why_no_gpu


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_no_gpu()
    if reason is None or "gpu" in os.environ.get("NST_REQUIRE", "").split(","):
        return
    for item in items:
        if item.get_closest_marker("needs_gpu"):
            item.add_marker(pytest.mark.skip(reason=reason))
