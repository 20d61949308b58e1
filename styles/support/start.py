"""How the commands start: Ctrl-C ends them at once also while what they need is still being loaded.

That takes a second, and an import that is interrupted would print a traceback. So this module imports nothing of ours,
and what it starts is named and not imported.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType

_INTERRUPTED = 130


def nst_live() -> int:
    """Runs `nst-live`; returns its exit code."""
    return _start("nst-live", "realtime.app.main")


def nst_build() -> int:
    """Runs `nst-build`; returns its exit code."""
    return _start("nst-build", "build_engines.cli")


def nst_train() -> int:
    """Runs `nst-train`; returns its exit code."""
    return _start("nst-train", "styles.cli.main")


def _start(name: str, module: str) -> int:
    _open_standard_streams()

    def stop(_number: int, _frame: FrameType | None) -> None:
        with suppress(OSError):
            os.write(2, f"{name}: stopped\n".encode())
        os._exit(_INTERRUPTED)

    before = signal.signal(signal.SIGINT, stop)
    main = import_module(module).main
    signal.signal(signal.SIGINT, before)
    try:
        return int(main())
    except KeyboardInterrupt:
        # it came before the command could take care of it
        return _INTERRUPTED
    finally:
        # all is done; it could only change the exit code
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _open_standard_streams() -> None:
    """Opens what a process was started without: else the first file it opens takes the place, and what is printed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(nst_live())
