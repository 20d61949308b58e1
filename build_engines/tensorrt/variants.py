"""TensorRT's two variants, which share one API: `tensorrt`, and TensorRT for RTX, `tensorrt_rtx`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from build_engines.gpus import Gpu

FlavourName = Literal["tensorrt", "rtx"]
RuntimeName = Literal["auto", "tensorrt", "rtx"]


class NoTensorRTError(RuntimeError):
    """The TensorRT that was asked for cannot be imported; the text says why and what to type."""


@dataclass(frozen=True)
class Variant:
    """One of the two, as it is installed. `trt` is the imported module."""

    name: FlavourName
    version: str
    trt: Any

    def __str__(self) -> str:
        return f"{_MODULES[self.name]} {self.version}"


_MODULES: dict[FlavourName, str] = {"tensorrt": "tensorrt", "rtx": "tensorrt_rtx"}


def load_flavour(asked: RuntimeName = "auto", gpu: Gpu | None = None) -> Variant:
    """Returns the variant asked for; for `auto` the first that is installed and runs on `gpu`, where one is given.

    Raises NoTensorRTError.
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
        reasons.append(f"{variant} does not know {gpu.name} ({gpu.target})")
    raise NoTensorRTError("; ".join(reasons))


@functools.cache
def _load(name: FlavourName) -> Variant:
    module = _MODULES[name]
    if importlib.util.find_spec(module) is None:
        raise NoTensorRTError(f'{module} is not installed; type: pip install "nst-live[{name}]"')
    try:
        trt = importlib.import_module(module)
    except (ImportError, OSError) as exc:  # the wheel is there, and the libraries that it loads are not
        raise NoTensorRTError(f"{module} is installed and does not load: {exc}") from exc
    return Variant(name, trt.__version__, trt)


def known_targets(variant: Variant) -> Sequence[str]:
    """Returns the architectures, as `sm86`, that TensorRT for RTX builds for; none for `tensorrt`."""
    capabilities = getattr(variant.trt, "ComputeCapability", None) if variant.name == "rtx" else None
    return [name.lower() for name in dir(capabilities) if name.startswith("SM")]


@functools.cache
def logger_of(variant: Variant) -> Any:
    """Returns the variant's logger, one to a process as TensorRT wants it; its `lines` are the last errors.

    TensorRT reports a failure as None or False and says the reason to its logger alone.
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


def last_words(variant: Variant) -> str:
    """Returns what the logger was told since it was last asked, on one line."""
    lines = logger_of(variant).lines
    words = " | ".join(dict.fromkeys(lines))
    lines.clear()
    return words or "TensorRT gave no reason"
