"""Importing the app starts nothing and loads nothing heavy; the command needs no torch to paint."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "tensorrt", "tensorrt_rtx", "openvino", "onnxruntime", "onnx", "pycuda", "ray"}


def after(imports: str) -> tuple[list[str], list[str], str]:
    """Returns the modules in the order of their import, the threads, and what was printed, in a fresh interpreter."""
    code = f"import sys; {imports}; import json, threading; "
    code += "sys.stderr.flush(); print(json.dumps([list(sys.modules), [t.name for t in threading.enumerate()]]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    *printed, last = done.stdout.splitlines()
    modules, threads = json.loads(last)
    return modules, threads, "".join(printed) + done.stderr


@pytest.mark.parametrize("imports", ["import realtime", "import realtime.app.main"])
def test_importing_loads_nothing_heavy_prints_nothing_and_starts_no_thread(imports: str) -> None:
    modules, threads, printed = after(imports)
    assert not HEAVY & set(modules)
    assert threads == ["MainThread"]
    assert printed == ""


@pytest.mark.parametrize("module", ["realtime.app.main", "realtime.sinks.recorder"])
def test_opencv_is_loaded_before_pyav_without_which_its_windows_hang(module: str) -> None:
    modules, _, _ = after(f"import {module}")
    assert modules.index("cv2") < modules.index("av")


def test_a_file_is_painted_without_torch_and_without_onnx(tmp_path: Path) -> None:
    hide = "for name in ('torch', 'onnx', 'tensorrt', 'pycuda'): sys.modules[name] = None\n"
    options = ["-i", "test", "--size", "32x24", "--frames", "2", "--no-window", "-o", str(tmp_path / "painted.mp4")]
    code = f"import sys\n{hide}from realtime.app.main import main\nsys.exit(main({options!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "painted.mp4").stat().st_size > 0


_REPORTING = {"openvino", "onnxruntime", "ray"}
_SILENT = Path("styles/support/silent_imports.py")


def _imported(tree: ast.AST) -> set[str]:
    """Returns the packages that a module's import statements name."""
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}


def test_what_reports_its_use_is_imported_in_silence_alone() -> None:
    paths = [path for folder in ("realtime", "build_engines", "styles") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in paths if _REPORTING & _imported(ast.parse(path.read_text()))] == [ROOT / _SILENT]


def test_only_the_cluster_uses_ray() -> None:
    paths = [path for folder in ("realtime", "build_engines", "styles") for path in (ROOT / folder).rglob("*.py")]
    using = {path.relative_to(ROOT).parent for path in paths if "import_ray" in path.read_text()}
    assert using == {Path("realtime/app/cluster"), _SILENT.parent}


def test_a_silent_import_of_openvino_leaves_what_others_have_imported() -> None:
    """A program of the user's own may have chosen to report."""
    code = """
import sys, types
theirs = sys.modules["openvino_telemetry"] = types.ModuleType("openvino_telemetry")
theirs.Telemetry = None  # would fail if it were used
from styles.support.silent_imports import import_openvino
openvino = import_openvino()
assert openvino is import_openvino() is sys.modules["openvino"]
assert sys.modules["openvino_telemetry"] is theirs
del sys.modules["openvino_telemetry"]
import openvino_telemetry
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
