"""The measuring itself, which needs no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest

from build_engines.gpus import no_gpu_reason
from build_engines.quality import sample_frames
from realtime.backends import Blender, Vector
from realtime.frames import Pixels
from styles.registry import list_networks
from tests.conftest import ROOT
from tests.gpu import table
from tests.gpu.__main__ import Line, bounds
from tests.gpu.measure import Speed, compute_ms, frame_ms, latency_ms, measure_painters
from tests.gpu.reference import samples

FRAME = np.zeros((2, 2, 3), np.uint8)


class SlowPainter:
    """Takes `seconds` a frame, one after the other, from the moment it is started."""

    description = "slow"
    blender: Blender | None = None

    def __init__(self, seconds: float, depth: int) -> None:
        self.seconds, self.depth = seconds, depth
        self._ready: deque[float] = deque()
        self.most = 0

    def start(self, frame: Pixels, style: Vector | None) -> None:
        last = self._ready[-1] if self._ready else 0.0
        self._ready.append(max(time.perf_counter(), last) + self.seconds)
        self.most = max(self.most, len(self._ready))

    def finish(self) -> Pixels:
        time.sleep(max(0.0, self._ready.popleft() - time.perf_counter()))
        return FRAME

    def close(self) -> None:
        pass


def test_throughput_is_measured_with_all_slots_full_and_latency_with_one() -> None:
    painter = SlowPainter(0.01, 3)
    assert 10 <= frame_ms(painter, FRAME, None, 10) < 20
    assert painter.most == 3
    assert 10 <= latency_ms(painter, FRAME, None, 3) < 20
    speeds = measure_painters(
        {"slow": SlowPainter(0.01, 2), "fast": SlowPainter(0.001, 2)}, FRAME, None, rounds=2, count=4
    )
    assert speeds["slow"].frame_ms > 3 * speeds["fast"].frame_ms
    assert speeds["slow"].frames_per_s == pytest.approx(1000 / speeds["slow"].frame_ms)


def test_computing_is_measured_until_the_gpu_is_done() -> None:
    waiting: list[int] = []

    def wait() -> None:
        time.sleep(0.005 * len(waiting))
        waiting.clear()

    assert 5 <= compute_ms({"gpu": (lambda: waiting.append(1), wait)}, rounds=2, count=4)["gpu"] < 10


def test_a_bound_that_is_not_kept_is_said() -> None:
    kept = list(bounds("full", (1280, 720), "tensorrt", 4.0, Speed(frame_ms=4.1, latency_ms=5.9)))
    assert [line.kept for line in kept] == [True, True]
    broken = list(bounds("full", (1280, 720), "tensorrt", 4.0, Speed(frame_ms=4.5, latency_ms=6.1)))
    assert [line.kept for line in broken] == [False, False]
    assert str(broken[0]).endswith("TOO FAR")
    assert str(Line("fast", "640x480", "what", 1.0, "ms")).rstrip().endswith("ms")


@pytest.mark.skipif(no_gpu_reason() is None, reason="there is a GPU here")
def test_without_a_gpu_the_check_says_so_and_ends_with_4() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.gpu"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith("gpu-check: no NVIDIA ")


def test_the_figures_become_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        Line("fast", "1280x720", "pytorch: latency", 2.5, "ms"),
        Line("full", "1280x720", "pytorch: latency", 4.254, "ms", kept=False),
        Line("full", "1280x720", "tensorrt: latency", 0, "", note="no TensorRT"),
    ]
    report = tmp_path / "gpu-check.json"
    report.write_text(json.dumps({"gpu": {"name": "RTX 3090"}, "lines": [vars(line) for line in lines]}))
    assert table.main([str(report)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| what | `fast` 1280x720 | `full` 1280x720 |",
        "| --- | --- | --- |",
        "| pytorch: latency | 2.50 ms | 4.25 ms (!) |",
        "| tensorrt: latency |  | not run |",
    ]
    assert table.main([str(tmp_path / "none.json")]) == 3
    assert capsys.readouterr().err.strip().endswith("type: make gpu-check")


def test_what_is_compared_is_painted_once() -> None:
    weights = next(iter(list_networks().values()))
    found = samples(weights, (32, 24))
    assert found is samples(weights, (32, 24))
    assert len({sample.style for sample in found}) * len(sample_frames(32, 24)) == len(found)
