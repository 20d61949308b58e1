"""NVIDIA's own builder makes our engines and refuses what it should. TensorRT for RTX builds without a GPU."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from build_engines.onnx.graph import onnx_from_network
from build_engines.onnx.options import GraphOptions
from build_engines.tensorrt.build import (
    BuildCancelledError,
    BuildOrder,
    BuildProgress,
    EngineBuildError,
    PhaseTree,
    engine_from_onnx,
)
from build_engines.tensorrt.variants import Variant, known_targets, load_variant
from styles.weights import load_network
from tests.build_engines.conftest import SaveNet

SIZE = (320, 192)


def order(rtx: Variant, size: tuple[int, int] | None = None) -> BuildOrder:
    return BuildOrder(rtx, "sm86", size)


def graph(weights: Path, options: GraphOptions) -> bytes:
    model: bytes = onnx_from_network(load_network(weights), options).SerializeToString()
    return model


@pytest.mark.parametrize("options", [GraphOptions("fp16"), GraphOptions("fp16", "fp16"), GraphOptions("fp32")])
@pytest.mark.parametrize(("name", "baked"), [("fast", False), ("full", False), ("fast", True)])
def test_every_kind_of_graph_becomes_an_engine(
    name: str, baked: bool, options: GraphOptions, save_net: SaveNet, rtx: Variant
) -> None:
    model = graph(save_net(name, baked=baked), GraphOptions(options.precision, options.statistics, SIZE))
    assert len(engine_from_onnx(model, order(rtx))) > 100_000


def test_a_graph_with_free_sizes_becomes_an_engine_of_one_size(save_net: SaveNet, rtx: Variant) -> None:
    model = graph(save_net("fast"), GraphOptions("fp16"))
    assert len(engine_from_onnx(model, order(rtx, SIZE))) > 100_000
    with pytest.raises(EngineBuildError, match="leaves height and width free; give them with --size"):
        engine_from_onnx(model, order(rtx))


def test_a_graph_of_one_size_is_refused_at_another(save_net: SaveNet, rtx: Variant) -> None:
    model = graph(save_net("fast"), GraphOptions("fp16", size=SIZE))
    with pytest.raises(EngineBuildError, match="the graph only takes 320x192"):
        engine_from_onnx(model, order(rtx, (640, 480)))


def test_garbage_empty_and_truncated_files_are_refused(save_net: SaveNet, rtx: Variant) -> None:
    whole = graph(save_net("fast"), GraphOptions("fp16", size=SIZE))
    for data in (b"", b"no graph at all, but words", whole[: len(whole) // 2], whole[:-1]):
        with pytest.raises(EngineBuildError, match=r"holds no ONNX graph|does not accept this ONNX graph"):
            engine_from_onnx(data, order(rtx))
    assert engine_from_onnx(whole, order(rtx))  # and none of them leaves the builder in disorder


def test_a_graph_that_does_not_go_from_picture_to_picture_is_refused(rtx: Variant) -> None:
    def identity(name: str, kind: int) -> bytes:
        ends = [onnx.helper.make_tensor_value_info(end, kind, [1, 8, 8, 3]) for end in (name, "painted")]
        node = onnx.helper.make_node("Relu", [name], ["painted"])
        model = onnx.helper.make_model(
            onnx.helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=[onnx.helper.make_opsetid("", 18)]
        )
        model.ir_version = 10
        data: bytes = model.SerializeToString()
        return data

    with pytest.raises(EngineBuildError, match=r"has inputs \['image'\]"):
        engine_from_onnx(identity("image", onnx.TensorProto.FLOAT), order(rtx))
    with pytest.raises(EngineBuildError, match="expected uint8"):
        engine_from_onnx(identity("frame", onnx.TensorProto.FLOAT), order(rtx))


def test_a_type_error_in_the_graph_is_reported_with_tensorrts_message(save_net: SaveNet, rtx: Variant) -> None:
    model = onnx_from_network(load_network(save_net("fast")), GraphOptions("fp16", "fp16", SIZE))
    for tensor in model.graph.initializer:
        if tensor.name.startswith("ones_"):  # InstanceNormalization with FP16 input and FP32 scale
            values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    with pytest.raises(EngineBuildError, match=r"tensorrt_rtx .*: \S+"):
        engine_from_onnx(model.SerializeToString(), order(rtx))


def test_an_unknown_target_is_refused_with_the_known_ones(save_net: SaveNet, rtx: Variant) -> None:
    assert "sm86" in known_targets(rtx)
    with pytest.raises(EngineBuildError, match=r"does not build for sm90; it builds for .*sm86"):
        engine_from_onnx(graph(save_net("fast"), GraphOptions("fp16", size=SIZE)), BuildOrder(rtx, "sm90"))


def test_progress_rises_to_the_end(save_net: SaveNet, rtx: Variant) -> None:
    seen: list[BuildProgress] = []
    engine_from_onnx(graph(save_net("fast"), GraphOptions("fp16", size=SIZE)), order(rtx), seen.append)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.5
    assert fractions[-1] == pytest.approx(1.0)


def test_a_build_is_cancelled_at_its_next_step(save_net: SaveNet, rtx: Variant) -> None:
    cancel, seen = threading.Event(), []

    def cancel_soon(progress: BuildProgress) -> None:
        seen.append(progress)
        cancel.set()

    model = graph(save_net("fast"), GraphOptions("fp16", size=SIZE))
    with pytest.raises(BuildCancelledError):
        engine_from_onnx(model, order(rtx), cancel_soon, cancel)
    assert len(seen) < 20


def test_an_error_in_the_progress_display_ends_the_build_and_is_raised(save_net: SaveNet, rtx: Variant) -> None:
    def fail(progress: BuildProgress) -> None:
        raise BrokenPipeError("nobody looks")

    with pytest.raises(BrokenPipeError, match="nobody looks"):
        engine_from_onnx(graph(save_net("fast"), GraphOptions("fp16", size=SIZE)), order(rtx), fail)


def test_nested_phases_are_one_fraction() -> None:
    tree = PhaseTree()
    tree.start("whole", None, 2)
    tree.start("part", "whole", 4)
    assert tree.step("part", 0).fraction == pytest.approx(1 / 8)
    assert tree.step("part", 3).fraction == pytest.approx(1 / 2)
    tree.finish("part")
    assert tree.step("whole", 0).fraction == pytest.approx(1 / 2)
    assert tree.step("whole", 1).fraction == pytest.approx(1.0)


def test_the_variant_is_named_with_what_to_type_if_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    load_variant.__globals__["_load"].cache_clear()
    try:
        with pytest.raises(Exception, match=r'tensorrt_rtx is not installed; type: pip install "nst-live\[rtx\]"'):
            load_variant("auto")
    finally:
        load_variant.__globals__["_load"].cache_clear()
