"""TensorRT on NVIDIA GPUs: not built yet, and says so when asked."""

from __future__ import annotations

from realtime.backends import BackendUnavailableError, Net, Painter


def why_not() -> str | None:
    return "not part of this version yet"


def open_painter(net: Net, width: int, height: int) -> Painter:
    raise BackendUnavailableError(f"no engine for {net.name!r} at {width}x{height}: {why_not()}")
