"""The doctor reports on every backend, and says what to type for what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from build_engines import cli, doctor
from build_engines.gpus import no_gpu_reason
from realtime.backends import BACKENDS, load_backend
from tests.conftest import ROOT


def findings() -> dict[str, doctor.Finding]:
    return {f"{finding.kind} {finding.name}": finding for finding in doctor.examine()}


def test_every_backend_is_reported_on_as_it_sees_itself() -> None:
    found = findings()
    assert {finding.name for finding in found.values() if finding.kind == "backend"} == set(BACKENDS)
    for name in BACKENDS:
        assert found[f"backend {name}"].good == (load_backend(name).unavailable_reason() is None), name


def test_here_openvino_and_onnxruntime_are_usable() -> None:
    found = findings()
    assert found["backend openvino"].text.startswith("usable: openvino ")
    assert "CPU" in found["backend onnxruntime"].text


@pytest.mark.skipif(no_gpu_reason() is None, reason="there is a GPU here")
def test_without_a_driver_the_report_says_so() -> None:
    found = findings()
    assert not found["software NVIDIA driver"].good
    assert not found["backend tensorrt"].good
    assert "no NVIDIA" in found["backend tensorrt"].text


def test_what_is_not_installed_is_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = findings()
    assert found["software pycuda"].text.endswith("pip install pycuda")
    assert found["software PyTorch"].text == 'not installed; type: pip install "nst-live[train]"'
    assert found["backend openvino"].text == "not installed; type: pip install openvino"


def test_what_is_installed_and_does_not_load_is_a_line_of_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libfoo.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    found = findings()["backend onnxruntime"]
    assert not found.good
    assert found.text == "installed but does not work: libfoo.so.1: cannot open shared object file"


def test_the_command_prints_a_report_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    assert "OpenVINO" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in report if entry["kind"] == "backend"} == set(BACKENDS)


def test_help_and_doctor_need_neither_torch_nor_onnx_nor_tensorrt() -> None:
    program = """
import sys
for name in ("torch", "onnx", "onnxscript", "tensorrt", "tensorrt_rtx", "pycuda"):
    sys.modules[name] = None
import build_engines
from build_engines import cli
try:
    cli.main(["--help"])
except SystemExit as exc:
    assert exc.code == 0
import build_engines.tensorrt.background_build, build_engines.onnx.cache
import realtime.backends.tensorrt, realtime.backends.pytorch
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "One engine serves every style" in done.stdout
