"""`nst-build doctor`: reports which backends can paint on this machine, why the others cannot, and what to type."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from build_engines.gpus import NoGpuError, find_gpus, first_gpu, no_gpu_reason
from build_engines.tensorrt.run import NoPycudaError, load_pycuda, pycuda_unavailable_reason
from build_engines.tensorrt.variants import NoTensorRTError, VariantName, known_targets, load_variant
from styles.support.openvino_core import openvino_core
from styles.support.silent_imports import import_onnxruntime


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    `good` means that it can be used. `text` describes what was found, or says why it cannot be used and what to type.
    """

    kind: Literal["software", "backend"]
    name: str
    good: bool
    text: str


def examine() -> list[Finding]:
    """Returns the findings: first the installed software, then whether each backend is usable. It changes nothing."""
    return [_look("software", name, look) for name, look in _SOFTWARE.items()] + [
        _look("backend", name, look) for name, look in _BACKENDS.items()
    ]


def print_report(as_json: bool = False) -> int:
    """Prints the report, as a table or as JSON. Returns 0, or 1 if no backend is usable."""
    findings = examine()
    console = Console(highlight=False, soft_wrap=True)
    if as_json:
        console.print(json.dumps([asdict(finding) for finding in findings], indent=1), markup=False)
    else:
        for kind in ("software", "backend"):
            table = Table(title=kind.capitalize(), title_justify="left", box=None, show_header=False, padding=(0, 1))
            for finding in findings:
                if finding.kind == kind:
                    table.add_row("✓" if finding.good else "–", finding.name, Text(finding.text))
            console.print(table)
    return 0 if any(finding.good for finding in findings if finding.kind == "backend") else 1


def no_tensorrt_reason() -> str | None:
    """Returns why no engine can run here, or None if one can. It works without TensorRT and without a driver."""
    if reason := no_gpu_reason():
        return reason
    try:
        load_variant(gpu=first_gpu())
    except NoTensorRTError as exc:
        return str(exc)
    return pycuda_unavailable_reason()


class _MissingError(Exception):
    """Something is missing; the message says why and what to type."""


def _look(kind: Literal["software", "backend"], name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(kind, name, True, look())
    except (_MissingError, NoGpuError, NoTensorRTError, NoPycudaError) as exc:
        return Finding(kind, name, False, str(exc))
    except Exception as exc:  # a half-installed library may raise anything when it is loaded
        return Finding(kind, name, False, f"installed but does not work: {(str(exc) or repr(exc)).splitlines()[0]}")


def _driver() -> str:
    return "CUDA {}.{}".format(*first_gpu().driver)


def _gpus() -> str:
    return "; ".join(f"{gpu.name} ({gpu.target}, {gpu.memory_bytes / 2**30:.0f} GiB)" for gpu in find_gpus())


def _variant(name: VariantName) -> Callable[[], str]:
    def look() -> str:
        variant = load_variant(name)
        targets = known_targets(variant)
        return f"{variant}{', for ' + ' '.join(targets) if targets else ''}"

    return look


def _pycuda() -> str:
    if reason := pycuda_unavailable_reason():
        raise _MissingError(reason)
    if no_gpu_reason() is None:
        load_pycuda()
    return _installed("pycuda")


def _torch() -> str:
    _need("torch", '"nst-live[train]"')
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__}, built without CUDA"
    return f"torch {torch.__version__}, CUDA {'works' if torch.cuda.is_available() else 'finds no GPU'}"


def _onnx_runtime() -> str:
    _need("onnxruntime", "onnxruntime")
    onnxruntime = import_onnxruntime()

    providers = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return f"onnxruntime {onnxruntime.__version__}: {', '.join(providers)}"


def _openvino() -> str:
    _need("openvino", "openvino")

    core = openvino_core()
    devices = [f"{name} ({core.get_property(name, 'FULL_DEVICE_NAME')})" for name in core.available_devices]
    return f"openvino {_installed('openvino')}: {', '.join(devices)}"


def _onnx() -> str:
    _need("onnx", "onnx")
    return f"onnx {_installed('onnx')}"


def _tensorrt_backend() -> str:
    if reason := no_tensorrt_reason():
        raise _MissingError(reason)
    load_pycuda()
    return f"usable on {first_gpu().name}"


def _pytorch_backend() -> str:
    _need("torch", '"nst-live[train]"')
    import torch

    return f"usable on {'CUDA' if torch.cuda.is_available() else 'the CPU, slowly'}"


_SOFTWARE: dict[str, Callable[[], str]] = {
    "NVIDIA driver": _driver,
    "GPU": _gpus,
    "TensorRT": _variant("tensorrt"),
    "TensorRT for RTX": _variant("rtx"),
    "pycuda": _pycuda,
    "PyTorch": _torch,
    "ONNX": _onnx,
    "ONNX Runtime": _onnx_runtime,
    "OpenVINO": _openvino,
}
_BACKENDS: dict[str, Callable[[], str]] = {
    "tensorrt": _tensorrt_backend,
    "openvino": lambda: f"usable: {_openvino()}",
    "onnxruntime": lambda: f"usable: {_onnx_runtime()}",
    "pytorch": _pytorch_backend,
}


def _need(module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise _MissingError(f"not installed; type: pip install {package}")


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"
