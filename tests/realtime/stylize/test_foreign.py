"""A graph from elsewhere that cannot paint is found out at the start, in words, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from realtime.backends import BackendUnavailableError, Net, load_backend
from realtime.stylize.foreign import open_painter, rehearse
from tests.realtime.conftest import NstLive

BACKENDS = ["openvino", "onnxruntime"]
FRAME = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)


def graph(
    path: Path, nodes: Sequence[onnx.NodeProto], *weights: onnx.TensorProto, kind: int = TensorProto.UINT8
) -> Net:
    """Writes a graph of these nodes from `frame` to `painted` and returns it as a net."""
    shape: list[str | int | None] = [1, "height", "width", 3]
    ends = [helper.make_tensor_value_info("frame", TensorProto.UINT8, shape),
            helper.make_tensor_value_info("painted", kind, [None] * 4)]  # fmt: skip
    made = helper.make_graph(list(nodes), path.stem, ends[:1], ends[1:], list(weights))
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, path)
    return Net(path.stem, path, None, 0, 4)


@pytest.fixture
def doubling(tmp_path: Path) -> Net:
    """A graph whose paintings are twice as large as its frames."""
    twice = helper.make_tensor("twice", TensorProto.INT64, [4], [1, 2, 2, 1])
    return graph(tmp_path / "doubling.onnx", [helper.make_node("Tile", ["frame", "twice"], ["painted"])], twice)


@pytest.fixture
def choosy(tmp_path: Path) -> Net:
    """A graph that takes frames of a height of 100 alone, which shows only when it runs."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 100, -1, 3])
    return graph(tmp_path / "choosy.onnx", [helper.make_node("Reshape", ["frame", "shape"], ["painted"])], shape)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["doubling", "choosy"])
def test_a_graph_that_cannot_paint_fails_its_rehearsal(
    kind: str, backend: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    net = request.getfixturevalue(kind)
    with pytest.raises(BackendUnavailableError, match=f"backend {backend} cannot run '{kind}' here: ") as caught:  # noqa: PT012
        painter = open_painter(load_backend(backend), net, 64, 48)
        rehearse(painter, net, 64, 48)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "libraries print nothing by themselves"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_graph_that_paints_is_left_alone(backend: str, tmp_path: Path) -> None:
    net = graph(tmp_path / "same.onnx", [helper.make_node("Identity", ["frame"], ["painted"])])
    painter = rehearse(open_painter(load_backend(backend), net, 64, 48), net, 64, 48)
    for _ in range(painter.depth):
        painter.start(FRAME, None)
    for _ in range(painter.depth):
        assert np.array_equal(painter.finish(), FRAME)
    painter.close()


def test_it_is_found_out_before_anything_is_written(doubling: Net, tmp_path: Path, nst_live: NstLive) -> None:
    told = nst_live("-i", "test", "--frames", 3, "-o", "painted.mkv", "--style", doubling.onnx)
    assert told.code == 4
    assert "'doubling'" in told.complaint
    assert "painted 3 frames" not in told.err
    assert not (tmp_path / "painted.mkv").exists()


def test_a_photograph_that_it_cannot_paint_is_one_line(doubling: Net, tmp_path: Path, nst_live: NstLive) -> None:
    Image.fromarray(FRAME).save(tmp_path / "photo.png")
    told = nst_live("-i", "photo.png", "-o", "painted.png", "--style", doubling.onnx)
    assert told.code == 4
    assert "cannot run 'doubling' here" in told.complaint
    assert not (tmp_path / "painted.png").exists()
