"""How much memory this process can still take."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
# The files of a control group, version 2 and 1: its limit, what is taken, and the cache among it that gives way.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def free_memory() -> int | None:
    """Returns the bytes that can still be taken without swapping, or None if the system does not say."""
    return min(_known(), default=None)


def shortage(needed: int) -> str:
    """Returns why so many bytes cannot be taken, "" if they can or the system does not say."""
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"{needed / 2**30:.1f} GiB are needed, and {free / 2**30:.1f} GiB are free"


def _known() -> Iterator[int]:
    """Yields each limit that is known, less what is taken already."""
    if _MEMINFO.exists():
        with suppress(OSError, ValueError):
            yield _named(_MEMINFO, "MemAvailable:") * 1024
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        # macOS gives memory back from everywhere else first
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    elif sys.platform == "win32":
        yield _free_on_windows()
    for limit, taken, statistics, cache in _CGROUP_FILES:
        with suppress(OSError, ValueError):  # there is none, or it is called "max"
            spare = _named(_CGROUP / statistics, cache)
            yield max(0, int((_CGROUP / limit).read_text()) - int((_CGROUP / taken).read_text()) + spare)


def _named(path: Path, name: str) -> int:
    """Returns the number that follows a name in a file of lines."""
    for line in path.read_text().splitlines():
        words = line.split()
        if words and words[0] == name:
            return int(words[1])
    raise ValueError(f"no {name} in {path}")


def _free_on_windows() -> int:
    import ctypes

    # MEMORYSTATUSEX: two DWORD, then seven DWORDLONG of which the second is the free physical memory
    status = (ctypes.c_ulonglong * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = ctypes.sizeof(status)
    windows: object = getattr(ctypes, "windll")  # noqa: B009
    windows.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return int(status[2])
