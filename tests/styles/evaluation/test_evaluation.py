"""The table of figures, on painters whose figures are known; painters from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from styles.architecture import NetworkConfig, Stage
from styles.evaluation.evaluation import evaluate, evaluation_photos, mean_gram_errors, style_grams
from styles.evaluation.painter import network_painter, onnx_painter
from styles.network import TransformNet
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.pictures import PictureError, read_picture, to_tensor
from styles.weights import NetworkWeights, WeightsError
from tests.styles.conftest import textured

SMALL = NetworkConfig("small", down=(Stage(4, 3, 4),), up=(Stage(4, 3, 2),), head_kernel=3, head_scale=2)


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    return [textured(160, 160, seed) for seed in range(3)]


def test_the_unpainted_photograph_has_its_own_row(photos: list[NDArray[np.uint8]], loss_network: LossNetwork) -> None:
    grams = style_grams(textured(200, 170, seed=9, grain=1.0), loss_network, 160)
    quality = evaluate(lambda photo: photo, photos, grams, loss_network)
    seen = [loss_network(to_tensor(photo)).grams for photo in photos]
    for layer, error in enumerate(quality.grams):
        each = [((g[layer] - grams[layer]) ** 2).sum() / (grams[layer] ** 2).sum() for g in seen]
        assert error == pytest.approx(float(torch.stack(each).mean()), rel=1e-4)
    pixels = np.stack(photos) / 255.0
    tv = (np.diff(pixels, axis=1) ** 2).mean() + (np.diff(pixels, axis=2) ** 2).mean()
    assert quality.tv == pytest.approx(tv, rel=1e-4)
    assert quality.content == 0
    assert quality.gram_sum == pytest.approx(sum(quality.grams))
    assert quality.artefacts.found == ()


def test_the_style_picture_itself_is_a_perfect_likeness(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    picture = textured(160, 160, seed=9)
    quality = evaluate(lambda _: picture, photos, style_grams(picture, loss_network, 160), loss_network)
    assert quality.gram_sum == pytest.approx(0, abs=1e-9)
    assert quality.content > 0.1


def test_a_checkerboard_is_found_in_what_a_painter_makes(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    board = np.indices((160, 160)).sum(axis=0) % 2 * 12
    grams = style_grams(photos[0], loss_network, 160)
    quality = evaluate(lambda photo: (photo * 0.9 + board[:, :, None]).astype(np.uint8), photos, grams, loss_network)
    assert quality.artefacts.found == ("a pattern of 2 pixels",)


def test_gram_errors_of_frames_are_those_of_photographs(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    grams = style_grams(textured(160, 160, seed=9), loss_network, 160)
    quality = evaluate(lambda photo: photo, photos, grams, loss_network)
    assert mean_gram_errors(photos, grams, loss_network) == pytest.approx(quality.grams)


def test_photographs_are_the_first_ones_centred_and_all_readable(pictures_folder: Path, photos_folder: Path) -> None:
    photos = evaluation_photos(pictures_folder, most=2, size=40)
    assert [photo.shape for photo in photos] == [(40, 40, 3)] * 2
    with pytest.raises(PictureError, match=r"broken\.jpg is not a picture"):
        evaluation_photos(photos_folder)


def test_a_net_paints_any_size(loss_network: LossNetwork) -> None:
    torch.manual_seed(0)
    net = TransformNet(SMALL)
    weights = NetworkWeights(SMALL, {name: value.numpy() for name, value in net.state_dict().items()}, {}, "")
    paint = network_painter(weights, net.plain_style().numpy(), torch.device("cpu"))
    picture = textured(42, 51, seed=0)
    padded = np.pad(picture, ((0, 2), (0, 1), (0, 0)), mode="edge")
    assert np.array_equal(paint(picture), paint(padded)[:42, :51])
    with pytest.raises(WeightsError, match=r"the style has 5 numbers; the net 'small' takes 16"):
        network_painter(weights, np.ones(5, np.float32), torch.device("cpu"))


def save_onnx(path: Path, styled: bool = False, name: str = "frame", kind: int = TensorProto.UINT8) -> Path:
    """Writes a graph that returns its frame, or with `styled` the frame times style[0]."""
    shape: list[str | int | None] = [1, "h", "w", 3]
    inputs = [helper.make_tensor_value_info(name, kind, shape)]
    nodes = [helper.make_node("Identity", [name], ["painted"])]
    if styled:
        inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, [1]))
        nodes = [
            helper.make_node("Cast", [name], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["pixels", "style"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["painted"], to=kind),
        ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("painted", kind, shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    entry = model.metadata_props.add()
    entry.key, entry.value = "size_multiple", "8"
    onnx.save(model, path)
    return path


def test_an_onnx_file_paints_with_and_without_style(tmp_path: Path) -> None:
    picture = textured(21, 34, seed=0) // 2
    assert np.array_equal(onnx_painter(save_onnx(tmp_path / "a.onnx"))(picture), picture)
    styled = save_onnx(tmp_path / "b.onnx", styled=True)
    assert np.array_equal(onnx_painter(styled, np.array([2], np.float32))(picture), 2 * picture)
    with pytest.raises(WeightsError, match=r"b\.onnx paints in many styles"):
        onnx_painter(styled)


def test_other_onnx_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"takes image; wanted 'frame', 1 x H x W x 3 uint8"):
        onnx_painter(save_onnx(tmp_path / "a.onnx", name="image"))
    (tmp_path / "b.onnx").write_text("text")
    with pytest.raises(WeightsError, match=r"b\.onnx cannot be read as ONNX"):
        onnx_painter(tmp_path / "b.onnx")
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        onnx_painter(tmp_path / "c.onnx")


@pytest.mark.needs_shared
def test_photographs_beside_la_muse_have_the_figures_that_were_measured_elsewhere(shared: Path) -> None:
    """The row of ../shared/README.md; it does not say which twelve photographs those were, hence the tolerance."""
    network = load_loss_network(shared / "loss_network" / "vgg19_16x.safetensors")
    photos = evaluation_photos(shared / "photos" / "val", most=12)
    grams = style_grams(read_picture(shared / "style_images" / "la_muse.jpg"), network)
    assert mean_gram_errors(photos, grams, network) == pytest.approx((0.49, 0.52, 0.71, 0.72, 0.77), rel=0.15)
