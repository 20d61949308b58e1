"""Measures what a flood of OSC costs a show: python -m tests.realtime.remote.measure_osc [--frames N]

Prints the rate of a show that nobody sends anything, of one that gets 10,000 messages a second, and of one that gets as
many packets of garbage. The sender needs a processor too. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from styles.support.terminal import print_line
from tests.conftest import ROOT
from tests.realtime.servers import free_port

SENDER = """
import os, socket, sys, time
from pythonosc.osc_message_builder import build_msg
port, kind = int(sys.argv[1]), sys.argv[2]
packets = [build_msg("/nst/strength", number / 100).dgram for number in range(100)]
if kind == "garbage":
    packets = [os.urandom(60) for _ in packets]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for packet in packets:
        sender.sendto(packet, ("127.0.0.1", port))
    time.sleep(0.01)
"""
FLOODS: Mapping[str, str] = {
    "nothing": "",
    "10,000 messages a second": "messages",
    "10,000 packets of garbage": "garbage",
}


def rate_of_show(frames: int, flood: str) -> float:
    """Returns frames a second of the bundled scene, painted into a file while a flood comes."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--size", "640x480", "--net", "fast", "--frames", str(frames), "--no-window", "--osc", str(port)]
        command = [sys.executable, "-m", "realtime.app.main", "-i", "test", *options, "-o", str(Path(folder) / "a.mp4")]
        sender = subprocess.Popen([sys.executable, "-c", SENDER, str(port), flood]) if flood else None
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        finally:
            if sender is not None:
                sender.kill()
                sender.wait()
    found = re.search(r"\(([\d.]+) fps", done.stderr)
    assert found is not None, done.stderr
    return float(found[1])


def main() -> int:
    """Measures, and prints a line for each flood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=600)
    frames = parser.parse_args().frames
    for name, flood in FLOODS.items():
        print_line(f"{name}: {rate_of_show(frames, flood):.1f} fps", sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
