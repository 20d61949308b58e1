"""The command `nst-live`: from its command line to the work, with every expected error as one line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

import cv2

from realtime.app.exit_codes import EXIT_CODES
from realtime.app.listings import LISTINGS
from realtime.app.options.settings import PREFIX, export_folders, read_settings, written_settings
from realtime.app.paint import paint
from styles.support.errors import run_command
from styles.support.terminal import closable_output, print_line

# SIGHUP, which Windows does not have, comes when the terminal is closed.
_STOPPING_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `nst-live` and returns its exit code: 0, 2 usage, 3 unreadable input, 4 missing software, 130, else 1."""
    words = sys.argv[1:] if argv is None else list(argv)
    # the net uses all cores already, and OpenCV's threads, which wait actively, would take them from it
    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // 2))
    command = _COMMANDS.get(words[0]) if words else None
    if command is not None:
        return _run(lambda: command(words[1:]), debug=None)
    if words and (words[0] == "-" or not words[0].startswith("-")):
        # what stands before all options is an input
        words = ["-i", *words]
    secrets = [word.partition("=")[2] or word for word in words]
    secrets += [text for name, text in os.environ.items() if name.startswith(PREFIX)]
    return _run(lambda: _obey(words, secrets), "--debug" in words, secrets)


def _run(work: Callable[[], int], debug: bool | None, secrets: Iterable[str] = ()) -> int:
    def interruptible() -> int:
        with _interruptible():
            return work()

    return run_command("nst-live", interruptible, EXIT_CODES, debug=debug, secrets=secrets)


def _obey(words: Sequence[str], secrets: list[str]) -> int:
    """Does what the options ask for; returns the exit code. Adds the addresses of the settings file to the secrets."""
    settings = read_settings(words, os.environ)
    options = settings.options
    secrets += (*options.source.input, options.on_air.stream or "")
    if options.command.print_config:
        with closable_output():
            for line in written_settings(settings):
                print_line(line, sys.stdout)
        return 0
    export_folders(options.folders)
    for name, listing in LISTINGS.items():
        if getattr(options.command, name):
            with closable_output():
                listing()
            return 0
    return paint(options)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lets the first Ctrl-C (or SIGTERM, SIGHUP) end the work; further ones do not disturb the finishing of its files.

    SIGHUP is left alone if it is ignored: that is what nohup is for.
    """
    interrupted = False
    ours = [
        number for number in _STOPPING_SIGNALS if number != getattr(signal, "SIGHUP", None) or not _is_ignored(number)
    ]

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        for number in ours:
            signal.signal(number, _still_finishing)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            # once interrupted, the process is about to end: a further Ctrl-C would only change the exit code
            signal.signal(number, signal.SIG_IGN if interrupted else handler)


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


def _still_finishing(_number: int, _frame: FrameType | None) -> None:
    print_line("finishing the file …")


def _bench(argv: Sequence[str]) -> int:
    from realtime.app import bench

    return bench.main(argv)


def _gallery(argv: Sequence[str]) -> int:
    from realtime.app import gallery

    return gallery.main(argv)


def _pack(argv: Sequence[str]) -> int:
    from realtime.app import pack

    return pack.main(argv)


def _styles(argv: Sequence[str]) -> int:
    from realtime.app import own_styles

    return own_styles.main(argv)


def _doctor(argv: Sequence[str]) -> int:
    from build_engines import cli

    return cli.main(["doctor", *argv])


def _cache(argv: Sequence[str]) -> int:
    from realtime.app import cache

    return cache.main(argv)


# By first word; anything else is painting, which is not to wait for what these import.
_COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "bench": _bench,
    "gallery": _gallery,
    "pack": _pack,
    "styles": _styles,
    "doctor": _doctor,
    "cache": _cache,
}

if __name__ == "__main__":
    sys.exit(main())
