"""The loss network: all kinds of file, the Gram matrices of features that are never formed, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from styles.evaluation.evaluation import evaluation_photos
from styles.training.loss_network import LossNetwork, LossNetworkError, gram_matrix, load_loss_network
from styles.training.loss_network_file import article_loss_network
from styles.training.pictures import to_tensor

INDICES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def torchvision_file(tmp_path: Path) -> Path:
    """A file of torchvision's layout with random weights, two channels wide."""
    torch.manual_seed(0)
    tensors = {}
    for index in INDICES:
        tensors[f"features.{index}.weight"] = torch.randn(2, 3 if index == 0 else 2, 3, 3)
        tensors[f"features.{index}.bias"] = torch.randn(2)
    torch.save(tensors, tmp_path / "vgg.pth")
    return tmp_path / "vgg.pth"


def assert_alike(one: torch.Tensor, other: torch.Tensor) -> None:
    """But for one factor, by which a network's features are brought to the size of the article's."""
    torch.testing.assert_close(one / one.norm(), other / other.norm())


def test_projected_gram_matrix_is_that_of_the_wide_features(images: torch.Tensor) -> None:
    features, projection = images.repeat(1, 2, 1, 1), torch.randn(10, 7, generator=torch.Generator().manual_seed(1))
    wide = F.conv2d(features, projection[:, :-1, None, None], projection[:, -1])
    torch.testing.assert_close(gram_matrix(features, projection), gram_matrix(wide))


def test_first_layer_of_the_distilled_network(loss_network_file: Path, images: torch.Tensor) -> None:
    tensors = load_file(loss_network_file)
    x = F.conv2d(images, tensors["conv0.weight"], tensors["conv0.bias"])
    x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), tensors["conv11.weight"], tensors["conv11.bias"]))
    wide = F.conv2d(x, tensors["conv11_aux.weight"], tensors["conv11_aux.bias"])
    assert_alike(load_loss_network(loss_network_file)(images).grams[0], gram_matrix(wide))


def test_torchvision_weights_see_pictures_in_torchvisions_own_unit(
    torchvision_file: Path, images: torch.Tensor
) -> None:
    tensors = torch.load(torchvision_file)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images - mean[:, None, None]) / std[:, None, None]
    x = F.relu(F.conv2d(x, tensors["features.0.weight"], tensors["features.0.bias"], padding=1))
    network = load_loss_network(torchvision_file)
    assert_alike(network(images).grams[0], gram_matrix(x))


def test_content_alone_is_the_content_of_the_whole(loss_network: LossNetwork, images: torch.Tensor) -> None:
    features = loss_network(images)
    alone = loss_network(images, grams=False)
    torch.testing.assert_close(alone.content, features.content)
    assert alone.grams == ()
    assert features.content.shape == (2, 8, 6, 4)  # relu4_2: an eighth of the size
    assert features.structure[0].shape == (2, 8, 12, 8)  # relu3_2
    assert [gram.shape[1] for gram in features.grams] == [8, 12, 16, 16, 16]


def test_nothing_in_it_is_trained(loss_network: LossNetwork) -> None:
    assert not list(loss_network.parameters())
    assert not any(buffer.requires_grad for buffer in loss_network.buffers())


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no loss network at .*none\.pth"):
        load_loss_network(tmp_path / "none.pth")


def test_other_weights_are_refused_with_what_they_are(tmp_path: Path) -> None:
    save_file({"layer1.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    with pytest.raises(LossNetworkError, match=r"not a loss network: it holds layer1\.weight; expected the article's"):
        load_loss_network(tmp_path / "resnet.safetensors")


@pytest.mark.parametrize("kind", ["distilled", "torchvision"])
def test_a_truncated_file_is_refused(
    kind: str, tmp_path: Path, loss_network_file: Path, torchvision_file: Path
) -> None:
    whole = loss_network_file if kind == "distilled" else torchvision_file
    half = tmp_path / f"half{whole.suffix}"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(LossNetworkError, match="cannot be read as weights"):
        load_loss_network(half)


def test_the_articles_network_sees_bgr_in_0_to_255_less_the_mean(images: torch.Tensor) -> None:
    path = article_loss_network()
    file = torch.load(path, weights_only=True)
    kernel = file["block1_conv1_W_table"][file["block1_conv1_W_q"].flatten().long()].reshape(64, 3, 3, 3)
    x = 255 * images.flip(1) - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    x = F.relu(F.conv2d(x, kernel, file["block1_conv1_b"], padding=1))
    torch.testing.assert_close(load_loss_network(path)(images).grams[0], gram_matrix(x))


def test_an_article_network_without_a_layer_is_refused(tmp_path: Path) -> None:
    tensors = torch.load(article_loss_network(), weights_only=True)
    del tensors["block3_conv2_W_q"]
    torch.save(tensors, tmp_path / "vgg.bin")
    with pytest.raises(LossNetworkError, match=r"vgg\.bin is not a loss network"):
        load_loss_network(tmp_path / "vgg.bin")


@pytest.mark.needs_shared
def test_other_networks_are_brought_to_the_size_of_the_articles(shared: Path) -> None:
    """So that its weights of the losses fit them too, as nearly as one factor a layer can do it."""
    (photo,) = evaluation_photos(shared / "photos" / "val", most=1)
    sizes = []
    for path in (article_loss_network(), shared / "loss_network" / "vgg19_16x.safetensors"):
        features = load_loss_network(path)(to_tensor(photo))
        sizes.append([float(each.square().mean().sqrt()) for each in (features.content, *features.grams)])
    for article, distilled in zip(*sizes, strict=True):
        assert distilled == pytest.approx(article, rel=1.0)


@pytest.mark.parametrize(
    ("held", "line"),
    [
        ([1, 2], "it holds a list; expected named tensors"),
        (torch.zeros(3), "it holds a Tensor; expected named tensors"),
        ({"features.0.weight": torch.zeros(2, 3, 3, 3)}, r"it holds features\.0\.weight; expected"),
        ({"conv51_aux.weight": torch.zeros(2, 3, 1, 1)}, r"it holds conv51_aux\.weight; expected"),
    ],
)
def test_a_file_of_something_else_is_refused_with_what_it_holds(held: object, line: str, tmp_path: Path) -> None:
    torch.save(held, tmp_path / "other.pth")
    with pytest.raises(LossNetworkError, match=line):
        load_loss_network(tmp_path / "other.pth")


def test_tensors_of_other_shapes_are_refused(torchvision_file: Path) -> None:
    tensors = torch.load(torchvision_file)
    tensors["features.5.weight"] = torch.zeros(2, 9, 3, 3)
    torch.save(tensors, torchvision_file)
    with pytest.raises(LossNetworkError, match=r"is not a loss network: .*channels"):
        load_loss_network(torchvision_file)
