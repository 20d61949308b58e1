"""The blend of the stabilizer is one definition: ONNX Runtime, OpenVINO and PyTorch make the same pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from build_engines.onnx.blend import BLEND_TENSORS, FLOW, KEPT, LAST, NEW, NEW_PAINTING, view_size
from build_engines.onnx.blend_graph import blend_graph
from build_engines.onnx.blend_net import blend_in_torch
from build_engines.onnx.options import BLEND_GRAPH
from build_engines.tensorrt.build import BuildOrder, EngineBuildError, engine_from_onnx
from build_engines.tensorrt.variants import Variant
from styles.support.openvino_core import openvino_core
from tests.conftest import ROOT

Pixels = NDArray[np.uint8]
Inputs = Mapping[str, NDArray[Any]]
Run = Callable[[Inputs], tuple[Pixels, Pixels]]
SIZES = [(96, 64), (328, 248), (500, 333)]


def drawn(size: tuple[int, int], seed: int = 0, kept: float = 0.72) -> Inputs:
    """Returns two blobby pictures, a smooth flow that leaves the picture here and there, and a mask of blobs."""
    rng = np.random.default_rng(seed)
    width, height = view_size(size)

    def blobs(channels: int, cell: int, of: tuple[int, int]) -> NDArray[np.float32]:
        coarse = rng.uniform(0, 1, (of[1] // cell + 2, of[0] // cell + 2, channels)).astype(np.float32)
        return np.asarray(cv2.resize(coarse, of, interpolation=cv2.INTER_CUBIC), np.float32).reshape(of[1], of[0], -1)

    last, painted = (np.clip(255 * (0.7 * blobs(3, 9, size) + 0.3 * blobs(3, 3, size)), 0, 255) for _ in range(2))
    return {
        LAST: last.astype(np.uint8)[None],
        NEW_PAINTING: painted.astype(np.uint8)[None],
        FLOW: np.ascontiguousarray(60 * (blobs(2, 40, (width, height)) - 0.5).transpose(2, 0, 1))[None],
        NEW: (255 * (blobs(1, 12, (width, height)) > 0.7)).astype(np.uint8)[None, :, :, 0],
        KEPT: np.array([kept], np.float32),
    }


def run_onnxruntime(inputs: Inputs) -> tuple[Pixels, Pixels]:
    session = onnxruntime.InferenceSession(str(BLEND_GRAPH), providers=["CPUExecutionProvider"])
    shown, mixed = session.run(["shown", "mixed"], dict(inputs))
    return shown[0], mixed[0]


def run_openvino(inputs: Inputs) -> tuple[Pixels, Pixels]:
    core = openvino_core()
    model = core.read_model(BLEND_GRAPH)
    model.reshape({name: list(values.shape) for name, values in inputs.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(dict(inputs))
    return results["shown"][0], results["mixed"][0]


def run_torch(inputs: Inputs) -> tuple[Pixels, Pixels]:
    tensors = [torch.from_numpy(inputs[name]) for name in (LAST, NEW_PAINTING, FLOW, NEW, KEPT)]
    with torch.inference_mode():
        shown, mixed = blend_in_torch(*tensors)
    return shown[0].numpy(), mixed[0].numpy()


def share_that_differs(one: Pixels, other: Pixels) -> float:
    """Returns the share of values that differ by more than one level."""
    return float((np.abs(one.astype(int) - other) > 1).mean())


def test_the_graph_that_comes_with_the_package_is_what_the_code_writes() -> None:
    assert blend_graph().SerializeToString() == BLEND_GRAPH.read_bytes(), (
        "type: python -m build_engines.onnx.blend_graph"
    )


def test_the_graph_is_valid_and_takes_and_gives_bytes() -> None:
    model = onnx.load(str(BLEND_GRAPH))
    onnx.checker.check_model(model, full_check=True)
    assert str(ROOT).encode() not in BLEND_GRAPH.read_bytes()
    ends = {value.name: value.type.tensor_type.elem_type for value in [*model.graph.input, *model.graph.output]}
    assert ends.keys() == BLEND_TENSORS
    kinds = {name: onnx.TensorProto.DataType.Name(kind) for name, kind in ends.items()}
    assert {name for name, kind in kinds.items() if kind != "UINT8"} == {FLOW, KEPT}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("run", [run_openvino, run_torch])
def test_every_runtime_makes_the_same_pictures_of_it(run: Run, size: tuple[int, int]) -> None:
    for seed in range(3):
        inputs = drawn(size, seed)
        for one, other in zip(run(inputs), run_onnxruntime(inputs), strict=True):
            assert one.shape == (size[1], size[0], 3)
            assert one.dtype == np.uint8
            assert share_that_differs(one, other) < 1e-4


@pytest.mark.parametrize("run", [run_onnxruntime, run_torch])
def test_where_nothing_is_kept_the_new_painting_is_shown(run: Run) -> None:
    inputs = drawn((96, 64), kept=0.0)
    shown, mixed = run(inputs)
    np.testing.assert_array_equal(mixed, inputs[NEW_PAINTING][0])
    np.testing.assert_array_equal(shown, inputs[NEW_PAINTING][0])
    everywhere = {**drawn((96, 64)), NEW: np.full((1, 64, 96), 255, np.uint8)}
    assert run(everywhere)[1].tobytes() == everywhere[NEW_PAINTING].tobytes()


@pytest.mark.parametrize("run", [run_onnxruntime, run_torch])
def test_a_still_picture_stays_as_it_is(run: Run) -> None:
    inputs = dict(drawn((96, 64)))
    inputs[LAST], inputs[FLOW] = inputs[NEW_PAINTING], np.zeros_like(inputs[FLOW])
    for picture in run(inputs):
        np.testing.assert_array_equal(picture, inputs[NEW_PAINTING][0])


def test_a_flow_says_where_a_pixel_was() -> None:
    inputs = dict(drawn((96, 64)))
    inputs[NEW][:], inputs[FLOW][0] = 0, np.array([5, 0]).reshape(2, 1, 1)
    inputs[NEW_PAINTING] = np.roll(inputs[LAST], -5, axis=2)
    _, mixed = run_onnxruntime(inputs)
    np.testing.assert_array_equal(mixed[:, :-8], inputs[NEW_PAINTING][0, :, :-8])


@pytest.mark.parametrize("size", [(1280, 720), (96, 64)])
def test_nvidias_builder_makes_an_engine_of_it(size: tuple[int, int], rtx: Variant) -> None:
    model = BLEND_GRAPH.read_bytes()
    assert len(engine_from_onnx(model, BuildOrder(rtx, "sm86", size))) > 10_000
    with pytest.raises(EngineBuildError, match="leaves height and width free"):
        engine_from_onnx(model, BuildOrder(rtx, "sm86"))
