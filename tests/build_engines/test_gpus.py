"""What the NVIDIA driver says is asked for without it, with an empty one, and with one that has a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ASK = "from build_engines.gpus import find_gpus, no_gpu_reason; print(no_gpu_reason() or find_gpus())"

DRIVER = """
#include <string.h>
int cuInit(int flags) { return %(init)d; }
int cuDeviceGetCount(int *count) { *count = %(count)d; return 0; }
int cuDriverGetVersion(int *version) { *version = 13010; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "NVIDIA GeForce RTX 3090", size); return 0; }
int cuDeviceTotalMem_v2(unsigned long *bytes, int device) { *bytes = 24UL << 30; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 8 : 6; return 0; }
"""


def ask_driver(folder: Path, values: dict[str, int], program: str = ASK) -> str:
    """Returns what a process prints that finds a driver, made with these values, in `folder`."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler to make a stand-in for the NVIDIA driver")
    (folder / "driver.c").write_text(DRIVER % values)
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(folder / "driver.c")]
    subprocess.run(command, check=True)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_driver_with_a_gpu_is_described(tmp_path: Path) -> None:
    assert ask_driver(tmp_path, {"init": 0, "count": 1}) == (
        "(Gpu(index=0, name='NVIDIA GeForce RTX 3090', compute_capability=(8, 6), driver=(13, 1), "
        "memory_bytes=25769803776),)"
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"init": 100, "count": 0}, "no NVIDIA GPU (the driver is installed but finds none)"),
        ({"init": 0, "count": 0}, "no NVIDIA GPU (the driver is installed but lists none)"),
        ({"init": 999, "count": 0}, "the NVIDIA driver does not start (CUDA error 999)"),
    ],
)
def test_a_driver_without_a_gpu_says_so(values: dict[str, int], reason: str, tmp_path: Path) -> None:
    assert ask_driver(tmp_path, values) == reason


def test_with_a_driver_the_backend_says_what_is_missing_next(tmp_path: Path) -> None:
    program = "from realtime.backends import tensorrt; print(tensorrt.unavailable_reason())"
    hidden = "import sys; sys.modules.update({'tensorrt': None, 'tensorrt_rtx': None})\n" + (
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name: None if 'tensorrt' in name else find(name)\n"
    )
    assert 'type: pip install "nst-live[rtx]"' in ask_driver(tmp_path, {"init": 0, "count": 1}, hidden + program)
