"""What `nst-live --version` prints: the version, and with --debug those of what it runs on."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from realtime import __version__

# What runs nets, reads and writes files, draws windows and paints on several machines, by the names of their packages.
_PACKAGES = (
    "openvino",
    "onnxruntime",
    "onnxruntime-gpu",
    "torch",
    "tensorrt",
    "tensorrt-rtx",
    "pycuda",
    "onnx",
    "numpy",
    "opencv-python",
    "av",
    "pillow",
    "ray",
)


def version_text(detailed: bool) -> str:
    """Returns the version.

    Args:
        detailed: also those of Python, of the backends, and of the other packages that matter; nothing is imported.
    """
    return "\n".join([f"nst-live {__version__}", *(_details() if detailed else ())])


def _details() -> Iterator[str]:
    yield f"Python {platform.python_version()} on {platform.platform()}"
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} is not installed"
