"""What the tests of the live loop share: nets that cost nothing, the command run in this process, a folder apart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from realtime.app.main import main
from styles.registry import USER_FOLDER_VARIABLE
from tests.realtime.on_screen import OnScreen, x_server

NODES = {
    "identity": helper.make_node("Identity", ["frame"], ["painted"]),
    "negative": helper.make_node("Sub", ["white", "frame"], ["painted"]),
}


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the tests from the user's own styles, and from a screen that happens to be there."""
    monkeypatch.setenv(USER_FOLDER_VARIABLE, str(tmp_path / "no styles"))
    monkeypatch.setattr("realtime.app.options.settings.default_file", lambda: tmp_path / "no settings" / "config.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no settings"))
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net for --style that paints everything as it is."""
    return _graph("identity", tmp_path_factory)


@pytest.fixture(scope="session")
def negative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net for --style that paints white as black."""
    return _graph("negative", tmp_path_factory)


def _graph(name: str, folders: pytest.TempPathFactory) -> Path:
    shape: list[str | int | None] = [1, "height", "width", 3]
    ends = [helper.make_tensor_value_info(end, TensorProto.UINT8, shape) for end in ("frame", "painted")]
    white = helper.make_tensor("white", TensorProto.UINT8, [], [255])
    graph = helper.make_graph([NODES[name]], name, ends[:1], ends[1:], [white] if name == "negative" else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    path = folders.mktemp("nets") / f"{name}.onnx"
    onnx.save(model, path)
    return path


@dataclass(frozen=True)
class Told:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that says what went wrong."""
        (line,) = (line for line in self.err.splitlines() if line.startswith("nst-live: "))
        return line


NstLive = Callable[..., Told]


@pytest.fixture
def nst_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> NstLive:
    """Returns `nst_live("-i", "test", …)`, which runs the command here, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exc:  # argparse leaves this way
            code = int(exc.code or 0)
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Returns `missing("openvino")`, after which that module is as good as not installed."""
    return lambda module: monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The DISPLAY of an X server without a monitor."""
    with x_server() as display:
        yield display


@pytest.fixture
def open_window(screen: str, tmp_path: Path) -> Iterator[Callable[..., OnScreen]]:
    """Returns `open_window("-i", …)`, which starts the command and waits for its window."""
    opened: list[OnScreen] = []

    def start(*arguments: object) -> OnScreen:
        opened.append(OnScreen(screen, tmp_path / "captures", [str(argument) for argument in arguments]))
        opened[-1].wait_for_picture()
        return opened[-1]

    yield start
    for window in opened:
        window.end()
