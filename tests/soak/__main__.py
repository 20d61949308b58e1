"""Runs a show with all its parts, and reports what it held at the end that it did not hold before.

A camera that hiccups, is unplugged, comes back under another number, in another size and rate; a window on an X server
without a monitor; a recording; a stream to a server that is restarted; a microphone whose clock is too fast.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av.error

from styles.support.terminal import print_line
from tests.conftest import ROOT
from tests.realtime.on_screen import x_server
from tests.realtime.servers import RtmpServer, no_nginx_reason
from tests.soak.measure import Pace, Playback, Usage, pace, play

# Libraries and buffers have what they need by then, but no later than after a third of the time.
SETTLED_S = 300.0
# In each minute the camera does the same, so rates are compared over a whole one.
_MINUTE_S = 60.0
_SAMPLE_EVERY_S = 2.0
# The server goes away for so long, so often.
_OUTAGE_S, _OUTAGE_EVERY_S = 5.0, 90.0
_MOST_GROWTH_MB, _MOST_SHIFT_MS, _LEAST_RATE = 20.0, 60.0, 0.97
_PATIENCE_S = 120


@dataclass
class Result:
    """What a soak found: usage and pace when the show had settled and at its end, and what its files play."""

    settled: Usage
    end: Usage
    pace_settled: Pace
    pace_end: Pace
    code: int
    whole_minutes: bool
    recording: Playback | None = None
    streams: list[Path] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    words: str = ""

    def complaints(self) -> list[str]:
        """Returns what is not as it should be, one line each."""
        found = list(self.broken)
        if self.code != 0:
            found.append(f"the show ended with the exit code {self.code}:\n{self.words}")
        if (growth := self.end.memory_mb - self.settled.memory_mb) > _MOST_GROWTH_MB:
            found.append(f"memory grew by {growth:.1f} MB")
        more = [what for what in ("threads", "files") if getattr(self.end, what) > getattr(self.settled, what)]
        found += [f"there are more {what}" for what in more]
        if self.whole_minutes and self.pace_end.fps < _LEAST_RATE * self.pace_settled.fps:
            found.append(f"the rate fell from {self.pace_settled.fps:.2f} to {self.pace_end.fps:.2f} fps")
        shift = None if self.recording is None else self.recording.end_ms
        if shift is None or abs(shift) > _MOST_SHIFT_MS:
            found.append(f"sound and picture are apart by {shift} ms at the end")
        if not self.streams:
            found.append("the server received nothing")
        return found

    def lines(self) -> Iterator[str]:
        """Yields the report."""
        yield f"settled  {self.settled}; {self.pace_settled}"
        yield f"end      {self.end}; {self.pace_end}"
        if (recording := self.recording) is not None:
            begin, end = (
                f"{each:+.0f} ms" if each is not None else "?" for each in (recording.begin_ms, recording.end_ms)
            )
            yield f"recording of {recording.video_s:.1f} s: sound {begin} at the beginning, {end} at the end"
        yield f"{len(self.streams)} streams received"
        yield from self.complaints()


def soak(minutes: float, folder: Path, style: str = "wreck") -> Result:
    """Runs a show and returns what it found.

    Args:
        minutes: how long.
        folder: takes what is written.
        style: what it is painted in.
    """
    server = RtmpServer(made(folder / "server"))
    server.start()
    began_s = time.monotonic()
    ends_s, settled_s = began_s + 60 * minutes, began_s + min(SETTLED_S, 20 * minutes)
    whole_minutes = minutes >= 2
    window_s = _MINUTE_S if whole_minutes else 20 * minutes
    samples: list[tuple[float, Usage]] = []
    try:
        with x_server() as display, show(folder, display, style, server.url) as process:
            next_outage_s = began_s + min(_OUTAGE_EVERY_S, 20 * minutes)
            while time.monotonic() < ends_s:
                time.sleep(_SAMPLE_EVERY_S)
                assert process.poll() is None, "the show has ended by itself"
                samples.append((time.monotonic(), Usage.of(process.pid)))
                if time.monotonic() > next_outage_s:
                    next_outage_s += _OUTAGE_EVERY_S
                    server.kill()
                    time.sleep(_OUTAGE_S)
                    server.start()
            press_q(display)
            code = process.wait(_PATIENCE_S)
    finally:
        server.kill()
    diary = folder / "diary.jsonl"
    result = Result(
        Usage.with_all([usage for at_s, usage in samples if settled_s <= at_s < settled_s + window_s]),
        Usage.typical([usage for at_s, usage in samples if at_s >= ends_s - window_s]),
        pace(diary, settled_s, settled_s + window_s),
        pace(diary, ends_s - window_s, ends_s),
        code,
        whole_minutes,
        words=(folder / "words").read_text(),
    )
    listen(result, folder, window_s)
    return result


def listen(result: Result, folder: Path, window_s: float) -> None:
    """Plays what was written to its end, and notes it in the result."""
    try:
        result.recording = play(folder / "recording.mkv", window_s)
    except av.error.FFmpegError as exc:
        result.broken.append(f"the recording does not play: {exc}")
    for stream in sorted((folder / "server").glob("*.flv")):
        if stream.stat().st_size < 10_000:
            continue  # a connection that was cut at once
        result.streams.append(stream)
        try:
            play(stream, window_s)
        except (av.error.FFmpegError, IndexError) as exc:
            result.broken.append(f"the stream {stream.name} does not play: {exc}")


@contextmanager
def show(folder: Path, display: str, style: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the command in a window, on air, recording, with a microphone; ends it on leaving."""
    fake = made(folder / "portaudio")
    shutil.copy(Path(__file__).with_name("sounddevice.py"), fake)
    environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": f"{fake}{os.pathsep}{ROOT}"}
    options = ["--style", style, "--microphone", "Soak", "-o", str(folder / "recording.mkv"), "--stream", url]
    options += ["--captures", str(folder), "--size", "160x120", "--steady", "0"]
    command = [sys.executable, "-m", "tests.soak.show", str(folder / "diary.jsonl"), *options]
    with (folder / "words").open("wb") as words:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=words, stderr=words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def press_q(display: str) -> None:
    """Ends the show as a person would."""
    environment = {**os.environ, "DISPLAY": display}
    search = ["xdotool", "search", "--onlyvisible", "--name", "^nst-live$"]
    window = subprocess.run(search, env=environment, capture_output=True, text=True, check=False).stdout.strip()
    command = ["xdotool", "windowfocus", window, "mousemove", "--window", window, "50", "50", "key", "q"]
    subprocess.run(command, env=environment, check=False)


def made(folder: Path) -> Path:
    """Returns a folder, which is made if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--style", default="wreck", help="a style by name, or an .onnx file (default: %(default)s)")
    args = parser.parse_args()
    if (reason := no_nginx_reason()) is not None:
        print_line(reason)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        result = soak(args.minutes, Path(folder), args.style)
        for line in result.lines():
            print_line(line)
    return 1 if result.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
