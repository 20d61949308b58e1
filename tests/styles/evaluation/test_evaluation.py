"""The table of figures, on painters whose figures are known; painters from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from build_engines.imports.files import read_foreign_net
from build_engines.imports.graph import onnx_from_foreign
from styles.architecture import NetworkConfig, Stage
from styles.evaluation.evaluation import evaluate, evaluation_photos, mean_gram_errors
from styles.evaluation.painter import network_painter, onnx_painter
from styles.network import TransformNet
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_network_file import article_loss_network
from styles.training.pictures import PictureError, read_picture, to_tensor
from styles.training.style_grams import style_grams, style_reference, style_size
from styles.weights import NetworkWeights, WeightsError
from tests.styles.conftest import save_onnx, textured

SMALL = NetworkConfig("small", down=(Stage(4, 3, 4),), up=(Stage(4, 3, 2),), head_kernel=3, head_scale=2)


@pytest.fixture(scope="module")
def photos() -> list[NDArray[np.uint8]]:
    return [textured(160, 160, seed) for seed in range(3)]


def test_the_unpainted_photograph_has_its_own_row(photos: list[NDArray[np.uint8]], loss_network: LossNetwork) -> None:
    picture = textured(200, 170, seed=9, grain=1.0)
    grams = style_grams(picture, loss_network)
    quality = evaluate(lambda photo: photo, photos, style_reference(picture, loss_network), loss_network)
    seen = [loss_network(to_tensor(photo)).grams for photo in photos]
    terms = []
    for layer, error in enumerate(quality.grams):
        each = [((g[layer] - grams[layer]) ** 2).sum() / (grams[layer] ** 2).sum() for g in seen]
        assert error == pytest.approx(float(torch.stack(each).mean()), rel=1e-4)
        mean_squares = [((g[layer] - grams[layer]) ** 2).mean() for g in seen]
        terms.append(100 * float(torch.stack(mean_squares).mean()))
    pixels = np.stack(photos).astype(float)
    tv = (np.diff(pixels, axis=1) ** 2).mean() + (np.diff(pixels, axis=2) ** 2).mean()
    assert quality.tv == pytest.approx(200 * tv, rel=1e-4)
    assert quality.content == 0
    assert quality.style == pytest.approx(sum(terms), rel=1e-4)
    assert quality.total == pytest.approx(sum(terms) + 200 * tv, rel=1e-4)
    assert quality.structure == pytest.approx((1, 1))
    assert quality.gram_sum == pytest.approx(sum(quality.grams))
    assert quality.artefacts.found == ()


def test_the_style_picture_itself_is_a_perfect_likeness(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    picture = textured(160, 160, seed=9)
    quality = evaluate(lambda _: picture, photos, style_reference(picture, loss_network), loss_network)
    assert quality.gram_sum == pytest.approx(0, abs=1e-9)
    assert quality.content > 0.1
    assert max(quality.structure) < 0.5


def test_a_checkerboard_is_found_in_what_a_painter_makes(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    board = np.indices((160, 160)).sum(axis=0) % 2 * 12
    quality = evaluate(lambda photo: (photo * 0.9 + board[:, :, None]).astype(np.uint8), photos, None, loss_network)
    assert quality.artefacts.found == ("a pattern of 2 pixels",)


def test_gram_errors_of_frames_are_those_of_photographs(
    photos: list[NDArray[np.uint8]], loss_network: LossNetwork
) -> None:
    picture = textured(160, 160, seed=9)
    grams = style_grams(picture, loss_network)
    quality = evaluate(lambda photo: photo, photos, style_reference(picture, loss_network), loss_network)
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


def test_an_onnx_file_paints_with_and_without_style(tmp_path: Path) -> None:
    picture = textured(21, 34, seed=0) // 2
    assert np.array_equal(onnx_painter(save_onnx(tmp_path / "a.onnx"))(picture), picture)
    styled = save_onnx(tmp_path / "b.onnx", styled=True)
    assert np.array_equal(onnx_painter(styled, np.array([2], np.float32))(picture), 2 * picture)
    with pytest.raises(WeightsError, match=r"b\.onnx paints in many styles"):
        onnx_painter(styled)


def test_other_onnx_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"takes image; expected 'frame', 1 x H x W x 3 uint8"):
        onnx_painter(save_onnx(tmp_path / "a.onnx", name="image"))
    (tmp_path / "b.onnx").write_text("text")
    with pytest.raises(WeightsError, match=r"b\.onnx cannot be read as ONNX"):
        onnx_painter(tmp_path / "b.onnx")
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        onnx_painter(tmp_path / "c.onnx")


def test_a_style_picture_is_looked_at_at_its_own_size_up_to_two_megapixels() -> None:
    picture = textured(60, 90, seed=0)
    assert style_size(picture) is picture
    assert style_size(picture, 40).shape == (40, 60, 3)
    assert style_size(picture[:20]).shape == (32, 144, 3)  # the loss network looks at 32 pixels and up
    assert style_size(np.zeros((2000, 4000, 3), np.uint8)).shape == (1000, 2000, 3)
    with pytest.raises(PictureError, match="20000x10; expected at most 1953 times as long as wide"):
        style_size(np.zeros((10, 20000, 3), np.uint8))


@pytest.mark.needs_shared
def test_the_loss_is_the_articles_own(shared: Path, tmp_path: Path) -> None:
    """The article's net of la_muse beside the figures of ../shared/README.md.

    Those are of six other photographs, hence the tolerance.
    """
    network = load_loss_network(article_loss_network())
    picture = read_picture(shared / "style_images" / "la_muse.jpg")
    photos = evaluation_photos(shared / "photos" / "val", most=4)
    article_net = read_foreign_net(shared / "reference_checkpoints" / "la_muse.safetensors")
    onnx.save(onnx_from_foreign(article_net), tmp_path / "a.onnx")
    article = evaluate(onnx_painter(tmp_path / "a.onnx"), photos, style_reference(picture, network), network)
    assert (article.style, article.content, article.tv) == pytest.approx((4.23e6, 5.05e6, 0.27e6), rel=0.15)
    assert article.grams == pytest.approx((0.031, 0.007, 0.020, 0.019, 0.319), rel=0.2)
