"""The two variants of TensorRT, which share one API: `tensorrt`, and TensorRT for RTX, `tensorrt_rtx`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from build_engines.gpus import Gpu

VariantName = Literal["tensorrt", "rtx"]
RuntimeName = Literal["auto", "tensorrt", "rtx"]


class NoTensorRTError(RuntimeError):
    """TensorRT cannot be imported; the message says why and what to type."""


@dataclass(frozen=True)
class Variant:
    """An installed variant of TensorRT. `trt` is the imported module."""

    name: VariantName
    version: str
    trt: Any

    def __str__(self) -> str:
        return f"{_MODULES[self.name]} {self.version}"


_MODULES: dict[VariantName, str] = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}


def load_variant(asked: RuntimeName = "auto", gpu: Gpu | None = None) -> Variant:
    """Returns a variant of TensorRT.

    Args:
        asked: the variant; `auto` means the first that is installed and runs on `gpu`.
        gpu: the GPU that `auto` chooses for; by default it does not matter.

    Raises:
        NoTensorRTError: the variant cannot be imported, or none fits.
    """
    if asked != "auto":
        return _load(asked)
    reasons = []
    for name in _MODULES:
        try:
            variant = _load(name)
        except NoTensorRTError as exc:
            reasons.append(str(exc))
            continue
        if gpu is None or name == "tensorrt" or gpu.target in known_targets(variant):
            return variant
        reasons.append(f"{variant} does not support {gpu.name} ({gpu.target})")
    raise NoTensorRTError("; ".join(reasons))


@functools.cache
def _load(name: VariantName) -> Variant:
    module = _MODULES[name]
    if importlib.util.find_spec(module) is None:
        raise NoTensorRTError(f'{module} is not installed; type: pip install "nst-live[{name}]"')
    try:
        trt = importlib.import_module(module)
    except (ImportError, OSError) as exc:  # the wheel is installed, but the libraries that it loads are missing
        raise NoTensorRTError(f"{module} is installed but does not load: {exc}") from exc
    return Variant(name, trt.__version__, trt)


def known_targets(variant: Variant) -> Sequence[str]:
    """Returns the architectures that TensorRT for RTX builds for, e.g. `sm86`; none for `tensorrt`."""
    capabilities = getattr(variant.trt, "ComputeCapability", None) if variant.name == "rtx" else None
    return [name.lower() for name in dir(capabilities) if name.startswith("SM")]


@functools.cache
def logger_of(variant: Variant) -> Any:
    """Returns the variant's logger; its `lines` are the latest errors. TensorRT expects one logger per process.

    TensorRT reports a failure as None or False, and gives the reason only to its logger.
    """
    trt = variant.trt

    class Logger(trt.ILogger):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: deque[str] = deque(maxlen=20)

        def log(self, severity: Any, msg: str) -> None:
            if severity <= trt.ILogger.Severity.ERROR:
                self.lines.append(msg.strip())

    return Logger()


def last_errors(variant: Variant) -> str:
    """Returns the errors that were logged since the last call, on one line."""
    lines = logger_of(variant).lines
    errors = " | ".join(dict.fromkeys(lines))
    lines.clear()
    return errors or "TensorRT gave no reason"
