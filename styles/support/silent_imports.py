"""OpenVINO, ONNX Runtime and Ray, imported so that they report nothing to anybody and leave the home folder alone.

Nothing else in the project imports them. Their users elsewhere on the machine keep their own settings.
"""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType
from typing import Any

# The package through which OpenVINO reports each import to Google Analytics; it does without when there is none.
_OPENVINO_TELEMETRY = "openvino_telemetry"
# ONNX Runtime reads it once, when it is loaded, and then makes neither an uploader nor a device identifier.
_ONNXRUNTIME_SWITCH = "ORT_DISABLE_TELEMETRY"
# Ray reads them when it is imported, and hands them on to the processes that it starts: no reports of its use, no
# measures for monitoring programs, and no hints about what will change in later versions.
_RAY_SWITCHES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_lock = threading.Lock()


def import_openvino() -> Any:
    """Returns the module `openvino`.

    Raises:
        ImportError: it is not installed, or does not work.
    """
    with _lock:
        if "openvino" in sys.modules:
            return sys.modules["openvino"]
        before = {name: module for name, module in sys.modules.items() if _is_telemetry(name)}
        for name in before:
            del sys.modules[name]
        hidden: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
        hidden[_OPENVINO_TELEMETRY] = None  # an import of it then fails as if it were not installed
        try:
            import openvino
        finally:
            del hidden[_OPENVINO_TELEMETRY]
            sys.modules.update(before)
    return openvino


def import_onnxruntime() -> Any:
    """Returns the module `onnxruntime`.

    Raises:
        ImportError: it is not installed, or does not work.
    """
    os.environ[_ONNXRUNTIME_SWITCH] = "1"
    import onnxruntime

    return onnxruntime


def import_ray() -> Any:
    """Returns the module `ray`.

    Raises:
        ImportError: it is not installed, or does not work.
    """
    os.environ.update(_RAY_SWITCHES)
    import ray

    return ray


def _is_telemetry(name: str) -> bool:
    return name == _OPENVINO_TELEMETRY or name.startswith(f"{_OPENVINO_TELEMETRY}.")
