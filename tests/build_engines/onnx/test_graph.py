"""The graph that is written node by node is the net in PyTorch."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from build_engines.onnx.cache import read_onnx_metadata
from build_engines.onnx.graph import onnx_from_network, subpixel_kernel
from build_engines.onnx.layout import (
    FrameSizeError,
    check_size,
    check_weights,
    normed_convolutions,
    plain_style,
    smallest_side,
    style_size,
)
from build_engines.onnx.options import GRAPH_VERSION, GraphOptions
from build_engines.onnx.pixel_net import pixel_net_from_weights
from styles import network, registry
from styles.architecture import CONFIGS, NetworkConfig, Stage
from styles.weights import NetworkWeights, WeightsError, load_network, load_style
from tests.build_engines.conftest import SaveNet, some_style
from tests.conftest import ROOT

Pixels = NDArray[np.uint8]
NETS = sorted(CONFIGS)

SHIPPED = sorted(
    set(registry.SHIPPED_FOLDER.glob("*.safetensors"))
    - {registry.SHIPPED_FOLDER / f"{registry.ENCODER_NAME}.safetensors"}
)


def noise(width: int, height: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def paint_onnx(session: onnxruntime.InferenceSession, frame: Pixels, style: NDArray[np.float32] | None) -> Pixels:
    inputs = {"frame": frame[None]} if style is None else {"frame": frame[None], "style": style}
    painted: Pixels = session.run(None, inputs)[0][0]
    return painted


def paint_torch(weights: Path, frame: Pixels, style: NDArray[np.float32] | None) -> Pixels:
    with torch.inference_mode():
        vector = None if style is None else torch.from_numpy(style)
        painted: Pixels = pixel_net_from_weights(weights)(torch.from_numpy(frame)[None], vector)[0].numpy()
        return painted


def worst_difference(a: Pixels, b: Pixels) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("baked", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_a_graph_paints_what_pytorch_paints_at_every_size(name: str, baked: bool, save_net: SaveNet) -> None:
    weights = save_net(name, baked=baked)
    session = session_of(onnx_from_network(load_network(weights)))
    style = None if baked else some_style(name, seed=1)
    for width, height in ((smallest_side(CONFIGS[name]),) * 2, (104, 72)):
        frame = noise(width, height)
        assert worst_difference(paint_onnx(session, frame, style), paint_torch(weights, frame, style)) <= 1


@pytest.mark.parametrize("name", NETS)
def test_a_baked_style_is_the_style_given_as_a_vector(name: str, save_net: SaveNet, tmp_path: Path) -> None:
    baked = save_net(name, baked=True)
    plain = save_net(name, folder=tmp_path / "plain")
    frame = noise(64, 48)
    one = paint_onnx(session_of(onnx_from_network(load_network(baked))), frame, None)
    other = paint_onnx(session_of(onnx_from_network(load_network(plain))), frame, some_style(name))
    assert worst_difference(one, other) <= 1


@pytest.mark.parametrize("name", NETS)
def test_the_two_styles_of_one_graph_differ(name: str, save_net: SaveNet) -> None:
    session = session_of(onnx_from_network(load_network(save_net(name))))
    frame = noise(64, 48)
    one, other = (paint_onnx(session, frame, some_style(name, seed)) for seed in (1, 2))
    assert worst_difference(one, other) > 10


@pytest.mark.parametrize("options", [GraphOptions(), GraphOptions("fp16"), GraphOptions("fp16", "fp16")])
@pytest.mark.parametrize("name", NETS)
def test_a_graph_is_valid_clean_and_takes_and_gives_bytes(name: str, options: GraphOptions, save_net: SaveNet) -> None:
    model = onnx_from_network(load_network(save_net(name)), options)
    onnx.checker.check_model(model, full_check=True)
    text = model.SerializeToString()
    assert b"/home" not in text
    assert str(ROOT).encode() not in text
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    ends = [*model.graph.input, *model.graph.output]
    kinds = {value.name: onnx.TensorProto.DataType.Name(value.type.tensor_type.elem_type) for value in ends}
    assert kinds == {"frame": "UINT8", "style": "FLOAT", "painted": "UINT8"}


def test_fp16_statistics_leave_fp32_islands_only_where_asked(save_net: SaveNet) -> None:
    weights = load_network(save_net("fast"))

    def norm_types(options: GraphOptions) -> set[int]:
        model = onnx.shape_inference.infer_shapes(onnx_from_network(weights, options))
        types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
        norms = [node for node in model.graph.node if node.op_type == "InstanceNormalization"]
        assert len(norms) == len(list(normed_convolutions(weights.config)))
        return {types[node.input[0]] for node in norms}

    assert norm_types(GraphOptions("fp16", "fp32")) == {onnx.TensorProto.FLOAT}
    # the first one magnifies rounding most
    assert norm_types(GraphOptions("fp16", "fp16")) == {onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT}


def test_a_fixed_size_is_written_into_the_graph(save_net: SaveNet) -> None:
    weights = load_network(save_net("fast"))
    model = onnx_from_network(weights, GraphOptions(size=(64, 48)))
    assert [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [1, 48, 64, 3]


@pytest.mark.parametrize(
    ("name", "size"),
    [("fast", (640, 8)), ("fast", (644, 480)), ("full", (8, 8)), ("article", (4, 4)), ("article", (6, 64))],
)
def test_a_size_that_the_net_cannot_paint_is_refused_with_one_that_it_can(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(FrameSizeError, match=rf"not {size[0]}x{size[1]}; the nearest is (\d+)x(\d+)") as caught:
        check_size(CONFIGS[name], *size)
    nearest = str(caught.value).rsplit(maxsplit=1)[-1].split("x")
    check_size(CONFIGS[name], int(nearest[0]), int(nearest[1]))


def test_the_smallest_side_is_the_smallest_that_pytorch_paints(save_net: SaveNet) -> None:
    for name in NETS:
        config, weights = CONFIGS[name], save_net(name)
        least = smallest_side(config)
        paint_torch(weights, noise(least, least), some_style(name))
        with pytest.raises(RuntimeError, match=r"Padding size|pad"):
            paint_torch(weights, noise(least, least - config.size_multiple), some_style(name))


def test_weights_that_do_not_fit_are_refused_by_name(save_net: SaveNet) -> None:
    weights = load_network(save_net("fast"))
    without = {name: array for name, array in weights.arrays.items() if name != "up.0.0.conv.weight"}
    with pytest.raises(WeightsError, match=r"'fast': up\.0\.0\.conv\.weight"):
        onnx_from_network(replace(weights, arrays=without))
    with pytest.raises(WeightsError, match=r"head\.weight"):
        check_weights(replace(weights, arrays={**weights.arrays, "head.weight": np.zeros((3, 3, 3, 3), np.float32)}))
    with pytest.raises(WeightsError, match=r"shape \(7,\)"):
        onnx_from_network(replace(weights, vector=np.zeros(7, np.float32)))


def test_layers_and_folding_are_those_of_the_pytorch_net() -> None:
    for config in CONFIGS.values():
        net = network.TransformNet(config)
        shapes = {name: tuple(value.shape) for name, value in net.state_dict().items()}
        offset = 0
        for name, shape in normed_convolutions(config):
            assert shapes[f"{name}.conv.weight"] == shape
            layer = net.get_submodule(name)
            assert isinstance(layer, network.NormedConv)
            assert layer.offset == offset
            offset += 2 * shape[0]
        assert offset == style_size(config) == net.style_size
        np.testing.assert_array_equal(plain_style(config), net.plain_style().numpy())
    kernel = torch.randn(5, 4, 3, 3)
    np.testing.assert_allclose(subpixel_kernel(kernel.numpy()), network.subpixel_kernel(kernel).numpy(), atol=1e-6)


def test_a_change_of_what_is_written_counts_the_version_up() -> None:
    """Engines of an older graph are built again by it. Changed the graph? Then change GRAPH_VERSION, and this."""
    config = NetworkConfig("tiny", (Stage(2, 3, 2, blocks=1),), (Stage(2, 3, 1, skip=False),), 3, 2)
    arrays: dict[str, NDArray[np.floating]]
    arrays = {f"{name}.conv.weight": np.ones(shape, np.float32) for name, shape in normed_convolutions(config)}
    arrays |= {"head.weight": np.ones((3, 2, 3, 3), np.float32), "head.bias": np.ones(3, np.float32)}
    weights = NetworkWeights(config, arrays, {}, "0" * 64)
    written = hashlib.sha256()
    for options in (GraphOptions(), GraphOptions("fp16"), GraphOptions("fp16", "fp16")):
        for vector in (None, plain_style(config)):
            graph = onnx_from_network(replace(weights, vector=vector), options).graph
            for node in graph.node:
                attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
                written.update(repr((node.op_type, list(node.input), list(node.output), attributes)).encode())
            for tensor in graph.initializer:
                written.update(tensor.name.encode() + tensor.raw_data)
    assert (GRAPH_VERSION, written.hexdigest()[:16]) == (4, "d4ab36ad4049d0a0")


@pytest.mark.parametrize("weights", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_graph_is_its_weights(weights: Path) -> None:
    shipped = weights.with_suffix(".onnx")
    assert shipped.is_file(), f"not shipped: type nst-build onnx {weights.stem}"
    again = f"{shipped} is out of date: type nst-build onnx {weights.stem}"
    assert read_onnx_metadata(shipped)["weights_sha256"] == registry.network_sha256(weights), again
    session = session_of(onnx.load(shipped))
    loaded = load_network(weights)
    styles = [np.asarray(load_style(path).vector) for path in sorted(weights.with_suffix("").glob("*"))]
    frame = noise(104, 72)
    for style in [None] if loaded.vector is not None else styles:
        assert worst_difference(paint_onnx(session, frame, style), paint_torch(weights, frame, style)) <= 1
