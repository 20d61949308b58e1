"""The NVIDIA driver and its GPUs, asked through the driver's own library before anything that crashes without one.

`trt.Runtime` ends the process with a segmentation fault where no driver is, and `import pycuda.driver` fails in words
of the linker; so every use of a GPU begins here.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from dataclasses import dataclass

# cuda.h: CUdevice_attribute
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76
_NO_DEVICE = 100
_DRIVER_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


class NoGpuError(RuntimeError):
    """There is no NVIDIA GPU that could be used; the text says what is missing."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its number, name, `compute_capability` as (8, 6), and the CUDA version of the driver as (13, 0)."""

    index: int
    name: str
    compute_capability: tuple[int, int]
    driver: tuple[int, int]
    memory_bytes: int

    @property
    def target(self) -> str:
        """The GPU's architecture as nvcc and `nst-build --target` write it: sm86."""
        return f"sm{self.compute_capability[0]}{self.compute_capability[1]}"


@functools.cache
def find_gpus() -> tuple[Gpu, ...]:
    """Returns the GPUs of this machine, at least one. Raises NoGpuError."""
    library = driver_library()
    _check(library.cuInit(0), "the NVIDIA driver does not start")
    count, version = ctypes.c_int(), ctypes.c_int()
    _check(library.cuDeviceGetCount(ctypes.byref(count)), "the NVIDIA driver does not list its GPUs")
    _check(library.cuDriverGetVersion(ctypes.byref(version)), "the NVIDIA driver does not tell its version")
    if not count.value:
        raise NoGpuError("no NVIDIA GPU (the driver is there, and lists none)")
    driver = (version.value // 1000, version.value % 1000 // 10)
    return tuple(_describe(library, index, driver) for index in range(count.value))


def first_gpu() -> Gpu:
    """Returns the GPU that we paint on: the driver's first, which CUDA_VISIBLE_DEVICES chooses. Raises NoGpuError."""
    return find_gpus()[0]


def no_gpu_reason() -> str | None:
    """Returns why there is no GPU to be used, None where there is one."""
    try:
        first_gpu()
    except NoGpuError as exc:
        return str(exc)
    return None


def driver_library() -> ctypes.CDLL:
    """Returns the driver's library. Raises NoGpuError where no driver is installed."""
    try:
        return ctypes.CDLL(_DRIVER_LIBRARY)
    except OSError as exc:
        raise NoGpuError(
            f"no NVIDIA driver ({_DRIVER_LIBRARY} is not there); see https://www.nvidia.com/drivers"
        ) from exc


def _check(status: int, trouble: str) -> None:
    if status == _NO_DEVICE:
        raise NoGpuError("no NVIDIA GPU (the driver is there, and finds none)")
    if status:
        raise NoGpuError(f"{trouble} (CUDA error {status})")


def _describe(library: ctypes.CDLL, index: int, driver: tuple[int, int]) -> Gpu:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    trouble = f"the NVIDIA driver does not describe GPU {index}"
    _check(library.cuDeviceGet(ctypes.byref(device), index), trouble)
    _check(library.cuDeviceGetName(name, len(name), device), trouble)
    _check(library.cuDeviceTotalMem_v2(ctypes.byref(memory), device), trouble)
    capability = []
    for attribute in (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR):
        value = ctypes.c_int()
        _check(library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device), trouble)
        capability.append(value.value)
    return Gpu(index, name.value.decode(), (capability[0], capability[1]), driver, memory.value)
