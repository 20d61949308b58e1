"""How long it takes from a browser's camera to the painted frame in the same browser:

    python -m tests.realtime.remote.latency --seconds 20 -- --style wave --strength 0.5

A canvas stands for the camera. It shows the time in black and white fields, which are read from the painting; so the
style, at the strength that is given, must leave dark and light apart. What stands behind -- is for nst-live.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from styles.support.terminal import print_line
from tests.realtime.on_screen import PATIENCE_S
from tests.realtime.remote.browser import open_browser
from tests.realtime.remote.show import Show

# 16 fields in 8 columns: a white one, a black one, and 14 bits of the time in ticks of 4 ms.
_CLOCK = """
(() => {
  const [width, height] = [%d, %d], [columns, rows, tick] = [8, 2, 4];
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  const draw = () => {
    const time = Math.floor(performance.now() / tick);
    for (let field = 0; field < 16; field++) {
      const isWhite = field === 0 || (field > 1 && (time >> (field - 2)) & 1);
      context.fillStyle = isWhite ? "#fff" : "#000";
      const [column, row] = [field %% columns, Math.floor(field / columns)];
      context.fillRect((column * width) / columns, (row * height) / rows, width / columns, height / rows);
    }
    requestAnimationFrame(draw);
  };
  draw();
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(30);
  const small = Object.assign(document.createElement("canvas"), { width: 160, height: 120 });
  const reader = small.getContext("2d", { willReadFrequently: true });
  // the time that is shown in a video, in ms; null if it cannot be read
  window.timeIn = (video) => {
    reader.drawImage(video, 0, 0, 160, 120);
    const light = (field) => {
      const [column, row] = [field %% columns, Math.floor(field / columns)];
      const pixels = reader.getImageData(column * 20 + 6, row * 60 + 20, 8, 20).data;
      return pixels.reduce((sum, value, index) => (index %% 4 === 3 ? sum : sum + value), 0);
    };
    const [white, black] = [light(0), light(1)];
    if (white - black < 8 * 20 * 3 * 20) return null;
    let time = 0;
    for (let bit = 0; bit < 14; bit++) if (light(bit + 2) > (white + black) / 2) time |= 1 << bit;
    return time * tick;
  };
  window.measure = (video, seconds) =>
    new Promise((resolve) => {
      const delays = [], end = performance.now() + 1000 * seconds, round = 4 << 14;
      let unread = 0;
      const look = () => {
        const time = timeIn(video);
        if (time === null) unread++;
        else delays.push((((performance.now() - time) %% round) + round) %% round);
        if (performance.now() < end) video.requestVideoFrameCallback(look);
        else resolve({ delays, unread });
      };
      video.requestVideoFrameCallback(look);
    });
})()
"""
_SETTLED_S = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Measures, and prints what was found; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.realtime.remote.latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to measure")
    parser.add_argument("--size", default="640x480", help="of the camera, and of what is painted")
    parser.add_argument("show", nargs="*", help="options of nst-live, behind --")
    given = parser.parse_args(argv)
    width, height = map(int, given.size.split("x"))
    options = ["-i", "browser", "--control", "127.0.0.1:0", "--steady", "0", "--size", given.size, *given.show]
    with tempfile.TemporaryDirectory() as folder, Show(Path(folder), *options) as show, open_browser() as browser:
        page = browser.new_page(show.wait_for_line("controls: "))
        page.value(_CLOCK % (width, height))
        page.wait_for("document.querySelector('#use-camera') !== null")
        page.click("#use-camera")
        page.wait_for("(video => !video.hidden && video.videoWidth > 0)(document.querySelector('video'))", PATIENCE_S)
        page.value(f"new Promise((resolve) => setTimeout(resolve, {1000 * _SETTLED_S}))")
        page.value(
            f"window.result = null; measure(document.querySelector('video'), {given.seconds})"
            ".then((found) => { result = found })"
        )
        found = page.value("result")
    delays = sorted(found["delays"])
    if len(delays) < 2:
        print_line(f"the time could not be read in {found['unread']} frames; try --strength 0.3 behind --")
        return 1
    p95 = statistics.quantiles(delays, n=20)[-1]
    print_line(
        f"{given.size} {' '.join(given.show)}: median {statistics.median(delays):.0f} ms, p95 {p95:.0f} ms, "
        f"{len(delays) / given.seconds:.1f} fps, {found['unread']} of {len(delays) + found['unread']} frames unread"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
