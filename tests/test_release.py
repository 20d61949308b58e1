"""The wheel and the sdist: what is in them, that one makes the other, and that they paint in a fresh environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from realtime import __version__
from tests.conftest import ROOT

# Of Python, other than this one, where they are installed.
OTHERS = ("3.12", "3.13")


def test_the_version_is_the_same_everywhere() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == __version__
    assert f"\n## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel made of it, and in `direct` the wheel made of the files of the project."""
    folder = tmp_path_factory.mktemp("release")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        target = folder / "project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    build = [sys.executable, "-m", "build", "--outdir"]
    subprocess.run([*build, folder / "dist", folder / "project"], check=True)
    shutil.rmtree(folder / "project" / "build", ignore_errors=True)
    subprocess.run([*build, folder / "dist" / "direct", "--wheel", folder / "project"], check=True)
    return folder / "dist"


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("*.whl")
    return found


def contents(path: Path) -> dict[str, str]:
    """Returns the files of a wheel with a checksum of each; the list of them is one too, in any order."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        lines = {name: b"".join(sorted(archive.read(name).splitlines())) for name in names}
        return {name: hashlib.sha256(data).hexdigest() for name, data in lines.items()}


@pytest.mark.long
def test_the_wheel_has_nets_and_licences_and_neither_tests_nor_docs(dist: Path) -> None:
    names = contents(wheel(dist))
    info = f"nst_live-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"realtime", "build_engines", "styles", info}
    assert {"realtime/py.typed", f"{info}/licenses/LICENSE", f"{info}/licenses/styles/trained/LICENSE"} < set(names)
    inside = {name for name in names if name.startswith("styles/trained/")}
    shipped = {str(path.relative_to(ROOT)) for path in (ROOT / "styles" / "trained").rglob("*") if path.is_file()}
    assert inside == shipped
    assert "build_engines/onnx/blend.onnx" in names
    page = {str(path.relative_to(ROOT)) for path in (ROOT / "realtime" / "remote" / "page").iterdir()}
    assert {name for name in names if name.startswith("realtime/remote/page/")} == page
    kinds = {Path(name).suffix for name in set(names) - page if not name.startswith(info)}
    assert kinds == {".py", ".typed", ".onnx", ".safetensors", ""}
    modules = {
        str(path.relative_to(ROOT))
        for top in ("realtime", "build_engines", "styles")
        for path in ROOT.glob(f"{top}/**/*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        folders = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert not folders & {"tests", "docs", "examples", "tools"}
    assert {"LICENSE", "README.md", "pyproject.toml", "realtime", "build_engines", "styles"} < folders


@pytest.mark.long
def test_the_sdist_makes_the_wheel_that_the_project_makes(dist: Path) -> None:
    assert contents(wheel(dist)) == contents(wheel(dist / "direct"))
    files = map(str, (*dist.glob("*.tar.gz"), wheel(dist)))
    twine = [sys.executable, "-m", "twine", "check", "--strict", *files]
    done = subprocess.run(twine, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def python_of(version: str) -> str | None:
    """Returns the path of a Python of another version, if there is one."""
    # pyenv's own are no commands where another version is chosen
    installed = sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")))
    return next(iter(installed), shutil.which(f"python{version}"))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["", *OTHERS])
def test_the_wheel_paints_a_clip_in_a_fresh_environment(version: str, dist: Path, tmp_path: Path) -> None:
    python = python_of(version) if version else sys.executable
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    subprocess.run([python, "-m", "venv", tmp_path / "clean"], check=True)
    programs = tmp_path / "clean" / ("Scripts" if os.name == "nt" else "bin")
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel(dist)], env=environment, check=True)
    options = ["-i", "test", "--size", "64x48", "--frames", "5", "--no-window", "-o", "painted.mp4"]
    subprocess.run([programs / "nst-live", *options], cwd=tmp_path, env=environment, check=True)
    subprocess.run([programs / "nst-live", "painted.mp4", "-o", "again.mkv"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "again.mkv").stat().st_size > 0
    told = subprocess.run(
        [programs / "nst-live", "--version", "--debug"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith(f"nst-live {__version__}\nPython ")
    assert "\nopenvino 2" in told.stdout
    assert "\ntorch is not installed" in told.stdout
