"""Fixtures for all tests: the folder of shared data, small nets, small clips."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from build_engines.gpus import no_gpu_reason

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
_LAST_WAIT_S = 5
_STATUS = pytest.StashKey[int]()


def pytest_configure() -> None:
    """Heeds Ctrl-C and the end of a terminal, which a program ignores that is started where they are ignored.

    Without a GPU Triton's kernels are interpreted, which is decided when Triton is first imported.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if no_gpu_reason() is not None:
        os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs data or hardware that is not here, unless NST_REQUIRE names it."""
    required = os.environ.get("NST_REQUIRE", "").split(",")
    missing = pytest.mark.skip(reason=f"no shared data at {SHARED}")
    for item in items:
        if item.get_closest_marker("needs_shared") and not SHARED.is_dir() and "shared" not in required:
            item.add_marker(missing)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the run although a thread goes on that a failed test has left behind, for which Python would wait."""
    left = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    for each in left:
        each.join(_LAST_WAIT_S)
    names = [each.name for each in left if each.is_alive()]
    if names:
        sys.stdout.flush()
        sys.stderr.write(f"These threads were left behind: {', '.join(names)}\n")
        sys.stderr.flush()
        os._exit(config.stash.get(_STATUS, 1) or 1)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Notes how the run has ended."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """A command that was interrupted, and has run in this process, ignores further signals."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names if hasattr(signal, name)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def shared() -> Path:
    """The folder with photographs, videos and the loss network beside the checkout."""
    return SHARED
