"""How long the key k takes in a real window, and whether frames stop meanwhile.

Type: python -m tests.realtime.style_key [--styles DIR] [--times N]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from realtime.session import COUNTDOWN_S
from styles.registry import USER_FOLDER_VARIABLE
from styles.support.terminal import print_line
from tests.realtime.on_screen import OnScreen, x_server

_SIZE, _WARM_UP_S, _LATER_S = "640x480", 5.0, 3.0


@dataclass(frozen=True)
class Taken:
    """What was measured of one press, in seconds.

    Args:
        saved_s: from the end of the countdown until the picture's file was there.
        predicted_s: from the end of the countdown until the style vector was there.
    """

    saved_s: float
    predicted_s: float


def measure(folder: Path, times: int) -> tuple[Sequence[Taken], float, float]:
    """Returns what was measured of each press, the median and the longest time between two frames, in seconds."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    predicted, mine = folder / "cache" / "nst-live" / "predictions", Path(os.environ[USER_FOLDER_VARIABLE])
    with x_server() as display:
        window = OnScreen(display, folder / "captures", ["-i", "test", "--size", _SIZE, "--net", "fast"])
        window.wait_for_picture()
        time.sleep(_WARM_UP_S)
        # what is recorded by key has the times at which it was seen
        window.type("r")
        time.sleep(_LATER_S)
        taken = []
        for _ in range(times):
            before = {*mine.glob("camera-*.jpg"), *predicted.glob("*.f32")}
            window.type("k")
            due_s = time.monotonic() + COUNTDOWN_S
            window.wait_for(lambda before=before: {*mine.glob("camera-*.jpg")} - before)  # type: ignore[misc]
            saved_s = time.monotonic() - due_s
            window.wait_for(lambda before=before: {*predicted.glob("*.f32")} - before)  # type: ignore[misc]
            taken.append(Taken(saved_s, time.monotonic() - due_s))
            time.sleep(_LATER_S)
        window.type("q")
        window.wait_for_end()
    (recording,) = (folder / "captures").glob("*.mp4")
    with av.open(str(recording)) as container:
        shown_s = sorted(float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts)
    gaps_s = sorted(later - earlier for earlier, later in itertools.pairwise(shown_s))
    return taken, gaps_s[len(gaps_s) // 2], gaps_s[-1]


def main() -> int:
    """Measures, and prints a line for each press."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--styles", type=Path, help="a folder with nets and encoder (default: the shipped ones)")
    parser.add_argument("--times", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        mine = Path(name) / "mine"
        mine.mkdir()
        for file in args.styles.iterdir() if args.styles else ():
            (mine / file.name).symlink_to(file.resolve())
        os.environ[USER_FOLDER_VARIABLE] = str(mine)
        taken, usual_s, longest_s = measure(Path(name), args.times)
    for each in taken:
        print_line(f"after the countdown: picture {each.saved_s:.2f} s, style {each.predicted_s:.2f} s", sys.stdout)
    print_line(f"between two frames: usually {1000 * usual_s:.0f} ms, at most {1000 * longest_s:.0f} ms", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
