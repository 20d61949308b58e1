"""`python -m tests.gpu`: builds, runs, compares and measures on the NVIDIA GPU that is here; prints a table and a JSON.

Ends with 0 if all bounds are kept, 1 if one is not, 4 if there is no GPU, or no TensorRT and nobody said that
it may be missing (--without-tensorrt).
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from build_engines.doctor import examine, no_tensorrt_reason
from build_engines.gpus import NoGpuError, first_gpu
from build_engines.onnx.cache import ready_onnx
from build_engines.onnx.options import Statistics
from build_engines.quality import FLOOR_DB, psnr_db, sample_frames
from build_engines.tensorrt.cache import FOLDER_VARIABLE
from build_engines.tensorrt.engines import BuildSource, styles_of
from realtime.backends import Painter
from realtime.backends.onnxruntime import onnx_painter
from styles.registry import list_networks
from tests.gpu.contestants import bare_engine, bare_pytorch, built_engine, pytorch_painter, tensorrt_painter
from tests.gpu.measure import Speed, compute_ms, measure_painters
from tests.gpu.reference import samples
from tests.gpu.training import drawn_training, step_ms

_STATISTICS: tuple[Statistics, ...] = ("fp32", "fp16")
SIZES = ((1280, 720), (1920, 1080))
ODD_SIZES = ((328, 248), (648, 360))
_WARM_UP_STEPS = 20
LEAST_OF_BARE = 0.95
MOST_LATENCY = 1.5
# Of the bare net's frame rate, by what `nst-live bench` calls them; what x264 allows was set at the first size.
LEAST_OF_LOOP = {"loop, null sink": LEAST_OF_BARE, "loop, steady": 0.85}
LEAST_OF_RECORDING = ((1280, 720), 0.75)
MOST_FIRST_FRAME_S = 3.0
# For one frame of this net at this size in PyTorch, without copies.
MOST_COMPUTING_MS = ("full", (1920, 1080), 4.0)


@dataclass(frozen=True)
class Line:
    """One measurement. `kept` says whether its bound is kept, None without one. `note` says why there is no value."""

    net: str
    size: str
    what: str
    value: float
    unit: str
    kept: bool | None = None
    note: str = ""

    def __str__(self) -> str:
        if self.note:
            return f"{self.net:6} {self.size:10} {self.what}: not run: {self.note}"
        verdict = {None: "", True: "ok", False: "TOO FAR"}[self.kept]
        return f"{self.net:6} {self.size:10} {self.what:52} {self.value:9.2f} {self.unit:8} {verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--net", action="append", help="only this net (default: all)")
    parser.add_argument("--without-tensorrt", action="store_true", help="TensorRT may be missing")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=100, help="frames per round")
    arguments = parser.parse_args()
    try:
        gpu = first_gpu()
    except NoGpuError as exc:
        print(f"gpu-check: {exc}", file=sys.stderr)
        return 4
    print(f"{gpu.name} ({gpu.target}), CUDA {gpu.driver[0]}.{gpu.driver[1]}, {platform.platform()}")
    software = {finding.name: finding.text for finding in examine()}
    no_tensorrt = no_tensorrt_reason()
    if no_tensorrt is not None:
        print(f"TensorRT is not run: {no_tensorrt}", file=sys.stderr)
    lines: list[Line] = []

    def keep() -> None:
        """Writes the figures measured so far, so that a run that fails or is interrupted does not lose them."""
        if arguments.json:
            facts = {"gpu": vars(gpu), "software": software, "no_tensorrt": no_tensorrt}
            arguments.json.write_text(json.dumps({**facts, "lines": [vars(line) for line in lines]}, indent=1))

    with ExitStack() as stack:
        folder = os.environ.get(FOLDER_VARIABLE) or stack.enter_context(tempfile.TemporaryDirectory())
        for name, weights in list_networks().items():
            if arguments.net is None or name in arguments.net:
                for line in check_net(weights, Path(folder), arguments.rounds, arguments.count):
                    print(line, flush=True)
                    lines.append(line)
                    keep()
    if any(line.kept is False for line in lines):
        return 1
    return 4 if no_tensorrt is not None and not arguments.without_tensorrt else 0


def check_net(weights: Path, folder: Path, rounds: int, count: int) -> Iterator[Line]:
    """Yields the qualities at odd sizes and at the first size, then the speeds, of training and at all sizes."""
    with_tensorrt = no_tensorrt_reason() is None
    for size in (*ODD_SIZES, SIZES[0]):
        for fuses in (False, True):
            with ExitStack() as stack:
                painter = pytorch_painter(weights, size, depth=1, fuses=fuses)
                stack.callback(painter.close)
                yield quality_line(weights, size, f"pytorch CUDA f16{', fused' if fuses else ''}", painter)
        for statistics in _STATISTICS if with_tensorrt else ():
            stored, variant = built_engine(weights, size, folder, statistics)
            yield Line(
                weights.stem, _text(size), f"build, {statistics} statistics", _number(stored.metadata["build_s"]), "s"
            )
            with ExitStack() as stack:
                engine = tensorrt_painter(stored, variant, depth=1)
                stack.callback(engine.close)
                yield quality_line(weights, size, f"{variant} f16, {statistics} statistics", engine)
    trainer = drawn_training(weights, folder, "cuda", steps=_WARM_UP_STEPS + count)
    milliseconds = step_ms(trainer, _WARM_UP_STEPS)
    yield Line(weights.stem, "256x256", f"a step of training, batch {trainer.plan.batch}", milliseconds, "ms")
    yield Line(weights.stem, "256x256", "training", 1000 * trainer.plan.batch / milliseconds, "images/s")
    for size in SIZES:
        yield from race(weights, size, folder, rounds, count)
        for backend in ("tensorrt", "pytorch") if with_tensorrt else ("pytorch",):
            yield from loop_lines(weights.stem, size, backend, folder)


def loop_lines(net: str, size: tuple[int, int], backend: str, folder: Path) -> Iterator[Line]:
    """Yields the shares of the bare net's rate that the loop reaches, and how soon the first frame comes."""
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "bench.json"
        command = [sys.executable, "-m", "realtime.app.main", "bench", "--net", net, "--size", _text(size)]
        command += ["--backend", backend, "--seconds", "1", "--rounds", "3", "--json", str(report)]
        environment = {**os.environ, FOLDER_VARIABLE: str(folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            note = done.stderr.strip().splitlines()[-1]
            yield Line(net, _text(size), f"{backend}: nst-live bench", 0, "", kept=False, note=note)
            return
        found = json.loads(report.read_text())["reports"][0]
    for name, least in LEAST_OF_LOOP.items():
        share = found["rates"][name]["of_bare"]
        yield Line(net, _text(size), f"{backend}: {name}, of the bare net", share, "", share >= least)
    share = found["rates"]["loop, recording"]["of_bare"]
    kept = share >= LEAST_OF_RECORDING[1] if size == LEAST_OF_RECORDING[0] else None
    yield Line(net, _text(size), f"{backend}: loop, recording, of the bare net", share, "", kept)
    first_s = found["first_frame_s"]
    yield Line(net, _text(size), f"{backend}: first painted frame", first_s, "s", first_s <= MOST_FIRST_FRAME_S)


def quality_line(weights: Path, size: tuple[int, int], what: str, painter: Painter) -> Line:
    """Returns the worst PSNR over all styles of the net against FP32 PyTorch on the CPU."""
    worst = FLOOR_DB * 2
    for sample in samples(weights, size):
        painter.start(sample.frame, sample.vector)
        worst = min(worst, psnr_db(painter.finish(), sample.exact))
    return Line(weights.stem, _text(size), f"{what}: worst PSNR", worst, "dB", worst >= FLOOR_DB)


def race(weights: Path, size: tuple[int, int], folder: Path, rounds: int, count: int) -> Iterator[Line]:
    """Yields the speeds of all contestants at one size: computing alone, then from frame to result."""
    net, style = weights.stem, next(iter(styles_of(BuildSource(weights.stem, weights)).values()))
    frame = sample_frames(*size)[0]
    with ExitStack() as stack:
        painters: dict[str, Painter] = {"pytorch": pytorch_painter(weights, size)}
        failed: dict[str, str] = {}
        runs = bare_pytorch(weights, size, failed)
        for name, reason in failed.items():
            yield Line(net, _text(size), name, 0, "", note=reason)
        bare_of = {"pytorch": "pytorch fused f16" if "pytorch fused f16" in runs else "pytorch CUDA graph f16"}
        if no_tensorrt_reason() is None:
            for statistics in _STATISTICS:
                stored, variant = built_engine(weights, size, folder, statistics)
                name = f"tensorrt, {statistics} statistics"
                runs[name], close = bare_engine(stored, variant)
                stack.callback(close)
                painters[name] = tensorrt_painter(stored, variant)
                bare_of[name] = name
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            painters["onnxruntime CUDA"] = onnx_painter(ready_onnx(weights, folder), *size)
        for painter in painters.values():
            stack.callback(painter.close)
        computing = compute_ms(runs, rounds=rounds, count=count)
        for name, milliseconds in computing.items():
            bounded = name == bare_of["pytorch"] and (net, size) == MOST_COMPUTING_MS[:2]
            kept = milliseconds <= MOST_COMPUTING_MS[2] if bounded else None
            yield Line(net, _text(size), f"{name}: computing", milliseconds, "ms", kept)
        for name, speed in measure_painters(painters, frame, style, rounds=rounds, count=count).items():
            yield Line(net, _text(size), f"{name}: frame to result", speed.frame_ms, "ms")
            yield Line(net, _text(size), f"{name}: latency", speed.latency_ms, "ms")
            if name in bare_of:
                yield from bounds(net, size, name, computing[bare_of[name]], speed)


def bounds(net: str, size: tuple[int, int], name: str, bare_ms: float, speed: Speed) -> Iterator[Line]:
    """Yields the share of the bare engine's throughput, and the latency as a multiple of its time and their bounds."""
    share, times = bare_ms / speed.frame_ms, speed.latency_ms / bare_ms
    yield Line(net, _text(size), f"{name}: share of bare throughput", share, "", share >= LEAST_OF_BARE)
    yield Line(net, _text(size), f"{name}: latency over bare time", times, "", times <= MOST_LATENCY)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


if __name__ == "__main__":
    sys.exit(main())
