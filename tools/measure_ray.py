"""Measures what Ray costs on one machine: a film is painted with and without it, in turn.

Type: python -m tools.measure_ray [--seconds 90] [--size 640x360] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_WAYS = {"without Ray": ("--resume",), "with Ray": ("--ray",)}


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the times of each round, and the ratio of their medians."""
    parser = argparse.ArgumentParser(description="Measures what Ray costs on one machine.")
    parser.add_argument("--seconds", type=int, default=90, help="length of the film")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    times: dict[str, list[float]] = {name: [] for name in _WAYS}
    with tempfile.TemporaryDirectory(prefix="nst-measure-") as folder:
        film = _film(Path(folder), options.seconds, options.size)
        for _ in range(options.rounds):
            for name, flags in _WAYS.items():
                times[name].append(_seconds_for(film, flags))
                sys.stdout.write(f"{name}: {times[name][-1]:.1f} s\n")
                sys.stdout.flush()
    without, with_ray = (statistics.median(times[name]) for name in _WAYS)
    sys.stdout.write(f"with Ray it takes {with_ray / without:.3f} times as long (medians of {options.rounds})\n")
    return 0


def _film(folder: Path, seconds: int, size: str) -> Path:
    film = folder / "film.mp4"
    pictures = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration={seconds}"]
    sound = ["-f", "lavfi", "-i", f"sine=d={seconds}", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-v", "error", *pictures, *sound, str(film)], check=True)
    return film


def _seconds_for(film: Path, flags: Sequence[str]) -> float:
    """Returns how long a painting takes, from the start of the command to its end."""
    output = film.with_name("painted.mp4")
    command = [sys.executable, "-m", "realtime.app.main", str(film), "-o", str(output), *flags]
    started_s = time.monotonic()
    subprocess.run(command, cwd=_ROOT, check=True, stderr=subprocess.DEVNULL)
    elapsed_s = time.monotonic() - started_s
    output.unlink()
    return elapsed_s


if __name__ == "__main__":
    sys.exit(main())
