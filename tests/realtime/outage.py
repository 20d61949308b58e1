"""Measures how fast a run is while its server is away: python -m tests.realtime.outage (needs nginx with RTMP)."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from realtime.backends import choose_backend
from realtime.frames import Frame, Pixels
from realtime.player.controls import Controls
from realtime.player.parts import PlayerOutputs
from realtime.player.player import Player
from realtime.player.status import Status
from realtime.queues import QueuePolicy, SinkQueue
from realtime.sinks.stream import REPEAT_S, Stream
from realtime.sources.real_time import RealTime
from realtime.sources.scene import SceneSource
from realtime.stylize.styles import load_styles, network_for
from realtime.stylize.stylizer import FrameStylizer
from styles.support.terminal import print_line
from tests.realtime.servers import RtmpServer, no_nginx_reason

SIZE = (160, 120)
PHASES = ("on air", "server away")


class _Counter:
    """A null sink that counts its frames."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, pixels: Pixels, frame: Frame) -> None:
        self.count += 1


def measure(rounds: int, seconds: float, folder: Path) -> Mapping[str, Sequence[float]]:
    """Returns the null sink's frames per second, round by round, with the server there and with the server killed."""
    backend = choose_backend("auto").backend
    paintings, chosen = load_styles("wreck", network_for("auto", backend.name))
    painting, counter, server = paintings[chosen], _Counter(), RtmpServer(folder)
    source = RealTime(SceneSource(SIZE, Fraction(30)))
    rates: dict[str, list[float]] = {phase: [] for phase in PHASES}

    def conduct(stream: Stream) -> None:
        server.start()
        for _ in range(rounds):
            while not stream.status.startswith("on air"):
                time.sleep(0.05)
            rates[PHASES[0]].append(_rate_over(counter, seconds))
            server.kill()
            while stream.status.startswith("on air"):
                time.sleep(0.05)
            rates[PHASES[1]].append(_rate_over(counter, seconds))
            server.start()
        source.stop()

    with (
        FrameStylizer(backend) as stylizer,
        Stream(server.url, SIZE, source.rate) as stream,
        SinkQueue(
            stream, "stream", QueuePolicy(repeat_s=REPEAT_S), hurry=stream.hurry, status=lambda: stream.status
        ) as queue,
    ):
        conductor = threading.Thread(target=conduct, args=(stream,))
        conductor.start()
        status = Status(reporters=(queue,), print_line=print_line)
        outputs = PlayerOutputs(sinks=[queue, counter])
        Player(source, stylizer, Controls.of_one_style(painting), status=status, outputs=outputs).run()
        conductor.join()
    server.kill()
    return rates


def _rate_over(counter: _Counter, seconds: float) -> float:
    before, began_s = counter.count, time.monotonic()
    time.sleep(seconds)
    return (counter.count - before) / (time.monotonic() - began_s)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.realtime.outage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each phase in each round")
    args = parser.parse_args()
    if (reason := no_nginx_reason()) is not None:
        print_line(reason)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        rates = measure(args.rounds, args.seconds, Path(folder))
    medians = {phase: statistics.median(values) for phase, values in rates.items()}
    told = "; ".join(f"{phase} " + ", ".join(f"{rate:.1f}" for rate in values) for phase, values in rates.items())
    print_line(f"fps {told}; ratio of the medians {medians[PHASES[1]] / medians[PHASES[0]]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
