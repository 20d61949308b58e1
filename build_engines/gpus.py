"""The NVIDIA driver and its GPUs, queried through the driver's own library.

Without a driver `trt.Runtime` ends the process with a segmentation fault, and `import pycuda.driver` fails with a
linker error. So every use of a GPU begins here.
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
    """There is no usable NVIDIA GPU; the message says what is missing."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: its index in the driver's list, its name and its memory in bytes.

    `compute_capability` is a pair, e.g. (8, 6). `driver` is the CUDA version that the driver supports, e.g. (13, 0).
    """

    index: int
    name: str
    compute_capability: tuple[int, int]
    driver: tuple[int, int]
    memory_bytes: int

    @property
    def target(self) -> str:
        """The GPU's architecture as nvcc and `nst-build --target` write it, e.g. sm86."""
        return f"sm{self.compute_capability[0]}{self.compute_capability[1]}"


@functools.cache
def find_gpus() -> tuple[Gpu, ...]:
    """Returns the GPUs of this machine, at least one.

    Raises:
        NoGpuError: there is no driver, it does not start, or it finds no GPU.
    """
    library = driver_library()
    _check(library.cuInit(0), "the NVIDIA driver does not start")
    count, version = ctypes.c_int(), ctypes.c_int()
    _check(library.cuDeviceGetCount(ctypes.byref(count)), "the NVIDIA driver does not list its GPUs")
    _check(library.cuDriverGetVersion(ctypes.byref(version)), "the NVIDIA driver does not report its version")
    if not count.value:
        raise NoGpuError("no NVIDIA GPU (the driver is installed but lists none)")
    driver = (version.value // 1000, version.value % 1000 // 10)
    return tuple(_describe(library, index, driver) for index in range(count.value))


def first_gpu() -> Gpu:
    """Returns the GPU that we paint on: the driver's first, which CUDA_VISIBLE_DEVICES can change.

    Raises:
        NoGpuError: there is no usable GPU.
    """
    return find_gpus()[0]


def no_gpu_reason() -> str | None:
    """Returns why there is no usable GPU, or None if there is one."""
    try:
        first_gpu()
    except NoGpuError as exc:
        return str(exc)
    return None


def driver_library() -> ctypes.CDLL:
    """Returns the driver's library.

    Raises:
        NoGpuError: no driver is installed.
    """
    try:
        return ctypes.CDLL(_DRIVER_LIBRARY)
    except OSError as exc:
        raise NoGpuError(f"no NVIDIA driver ({_DRIVER_LIBRARY} is missing); see www.nvidia.com/drivers") from exc


def _check(status: int, trouble: str) -> None:
    if status == _NO_DEVICE:
        raise NoGpuError("no NVIDIA GPU (the driver is installed but finds none)")
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
