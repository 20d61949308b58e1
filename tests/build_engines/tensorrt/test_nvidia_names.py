"""Every name of NVIDIA's and pycuda's that our code uses exists in the real thing, which no GPU is needed to import."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.backends import pycuda_device
from tests.conftest import ROOT

SOURCES = (
    "build_engines/tensorrt/build.py",
    "build_engines/tensorrt/run.py",
    "build_engines/tensorrt/variants.py",
    "realtime/backends/tensorrt_nets.py",
)
# What a variable of that name is in our code. A name in the code that is not here is found by the second test below.
CLASS_OF = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "cache": "ITimingCache",
    "tensor": "ITensor",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "contexts[0]": "IExecutionContext",
}
NVIDIA_STUBS = {
    "libnvinfer.so.11": (
        "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL "
        "getBuilderPluginRegistry getPluginRegistry"
    ),
    "libnvinfer_plugin.so.11": "initLibNvInferPlugins",
    "libnvonnxparser.so.11": "createNvOnnxParserRefitter_INTERNAL createNvOnnxParser_INTERNAL getNvOnnxParserVersion",
}


def used_names() -> set[str]:
    """Returns the dotted names of TensorRT's API in our code: `trt.A.B` as A.B, `builder.x` as Builder.x."""
    names = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse((ROOT / source).read_text())):
            if isinstance(node, ast.Attribute) and (name := _api_name(node)):
                names.add(name)
            if isinstance(node, ast.ClassDef) and node.bases and "trt.I" in ast.unparse(node.bases[0]):
                base = ast.unparse(node.bases[0]).removeprefix("trt.")
                methods = (item.name for item in node.body if isinstance(item, ast.FunctionDef))
                names.update(f"{base}.{method}" for method in methods)
    return names


def _api_name(node: ast.Attribute) -> str | None:
    text = ast.unparse(node)
    if found := re.search(r"\btrt\.([A-Za-z]\w*(\.\w+)*)$", text):
        return found[1]
    owner = ast.unparse(node.value).rsplit(".", maxsplit=1)[-1]
    return f"{CLASS_OF[owner]}.{node.attr}" if owner in CLASS_OF else None


def missing_names(module: str, libraries: Path | None = None) -> list[str]:
    """Returns which of the names the module lacks. In a process of its own: such imports are not undone."""
    program = f"""
import functools, importlib, json, sys
module = importlib.import_module({module!r})
def there(name):
    try:
        functools.reduce(getattr, name.split("."), module)
    except AttributeError:
        return False
    return True
print(json.dumps([name for name in json.loads(sys.stdin.read()) if not there(name)]))
"""
    environment = {**os.environ, **({"LD_LIBRARY_PATH": str(libraries)} if libraries else {})}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        input=json.dumps(sorted(used_names())),
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    missing: list[str] = json.loads(done.stdout)
    return missing


def stub_library(folder: Path, name: str, functions: list[str]) -> None:
    compiler = shutil.which("cc")
    if compiler is None and "tensorrt-cu13-bindings" in required():
        pytest.fail("no C compiler to make stand-ins for NVIDIA's libraries")
    if compiler is None:
        pytest.skip("no C compiler to make stand-ins for NVIDIA's libraries")
    source = folder / f"{name}.c"
    source.write_text("".join(f"int {function}(void) {{ return 100; }}\n" for function in functions))
    command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
    subprocess.run(command, check=True)


def need(module: str, package: str) -> None:
    """Skips where a module is missing; fails where NST_REQUIRE names its package."""
    if importlib.util.find_spec(module) is not None:
        return
    if package in required():
        pytest.fail(f"{module} is not installed")
    pytest.skip(f"{module} is not installed; type: pip install --no-deps {package}")


def required() -> list[str]:
    return os.environ.get("NST_REQUIRE", "").split(",")


def test_the_names_are_found_in_our_code() -> None:
    names = used_names()
    assert {
        "Builder.build_serialized_network",
        "ComputeCapability",
        "ExecutionContextAllocationStrategy.USER_MANAGED",
        "IBuilderConfig.progress_monitor",
        "ICudaEngine.device_memory_size_v2",
        "IExecutionContext.execute_async_v3",
        "IExecutionContext.set_device_memory",
        "ILogger.Severity.ERROR",
        "IProgressMonitor.step_complete",
        "ITimingCache.serialize",
        "NetworkDefinitionCreationFlag.STRONGLY_TYPED",
        "OnnxParser.get_error",
        "Runtime.deserialize_cuda_engine",
    } <= names
    assert len(names) > 40


def test_tensorrt_11_has_every_name_that_we_use(tmp_path: Path) -> None:
    need("tensorrt_bindings", "tensorrt-cu13-bindings")
    for library, functions in NVIDIA_STUBS.items():
        stub_library(tmp_path, library, functions.split())
    # how TensorRT for RTX is told its target: our code gets there for that variant alone
    for_rtx = {"ComputeCapability", "IBuilderConfig.num_compute_capabilities", "IBuilderConfig.set_compute_capability"}
    assert set(missing_names("tensorrt_bindings", tmp_path)) == for_rtx


def test_tensorrt_for_rtx_has_every_name_that_we_use() -> None:
    need("tensorrt_rtx", "tensorrt-rtx")
    assert missing_names("tensorrt_rtx") == []


def test_pycuda_has_the_signatures_that_we_type_check_against(tmp_path: Path) -> None:
    need("pycuda", "pycuda")
    extension = next(Path(str(importlib.util.find_spec("pycuda.driver").origin)).parent.glob("_driver*.so"))  # type: ignore[union-attr]
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", str(extension)], capture_output=True, text=True, check=True
    ).stdout
    stub_library(tmp_path, "libcuda.so.1", sorted(set(re.findall(r" (cu[A-Z]\w+)", symbols))))
    owners = {
        "PycudaDriver": "",
        "PycudaStream": "Stream.",
        "PycudaEvent": "Event.",
        "PycudaMemory": "DeviceAllocation.",
        "PycudaContext": "Context.",
        "PycudaGpu": "Device.",
    }
    expected = {
        owner + name: len(inspect.signature(member).parameters) - (not owner) if callable(member) else -1
        for protocol, owner in owners.items()
        for name, member in vars(getattr(pycuda_device, protocol)).items()
        if (callable(member) or isinstance(member, property)) and (not name.startswith("_") or name == "__int__")
    }
    assert expected["memcpy_htod_async"] == 3
    assert expected["Stream.wait_for_event"] == 2
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _PYCUDA_ARITIES, json.dumps(sorted(expected))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    real: dict[str, int] = json.loads(done.stdout)
    for name, arity in expected.items():
        if name in {"Device", "Stream", "Event"}:  # classes: their constructors take self, too
            assert real[name] >= arity + 1, name
        elif name != "Context.pop":  # a static method of Boost
            assert real[name] == arity, name


# Prints how many parameters, with self, each function takes by the signature in its docstring; -1 for an attribute.
_PYCUDA_ARITIES = """
import functools, json, re, sys
import pycuda.driver
def arity(name):
    member = functools.reduce(getattr, name.split("."), pycuda.driver)
    if isinstance(member, type):
        member = member.__init__
    signature = re.search(r"\\((.*)\\) ->", member.__doc__ or "")
    return len(re.findall(r"\\(\\w+\\)", signature[1])) if signature else -1
print(json.dumps({name: arity(name) for name in json.loads(sys.argv[1])}))
"""
