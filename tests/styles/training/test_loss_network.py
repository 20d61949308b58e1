"""The loss network: both kinds of file, the Gram matrices of features that are never formed, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from styles.training.loss_network import LossNetwork, LossNetworkError, gram_matrix, load_loss_network

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


def test_projected_gram_matrix_is_that_of_the_wide_features(images: torch.Tensor) -> None:
    features, projection = images.repeat(1, 2, 1, 1), torch.randn(10, 7, generator=torch.Generator().manual_seed(1))
    wide = F.conv2d(features, projection[:, :-1, None, None], projection[:, -1])
    torch.testing.assert_close(gram_matrix(features, projection), gram_matrix(wide))


def test_first_layer_of_the_distilled_network(loss_network_file: Path, images: torch.Tensor) -> None:
    tensors = load_file(loss_network_file)
    x = F.conv2d(images, tensors["conv0.weight"], tensors["conv0.bias"])
    x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), tensors["conv11.weight"], tensors["conv11.bias"]))
    wide = F.conv2d(x, tensors["conv11_aux.weight"], tensors["conv11_aux.bias"])
    torch.testing.assert_close(load_loss_network(loss_network_file)(images).grams[0], gram_matrix(wide))


def test_torchvision_weights_see_pictures_in_torchvisions_own_unit(
    torchvision_file: Path, images: torch.Tensor
) -> None:
    tensors = torch.load(torchvision_file)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images - mean[:, None, None]) / std[:, None, None]
    x = F.relu(F.conv2d(x, tensors["features.0.weight"], tensors["features.0.bias"], padding=1))
    network = load_loss_network(torchvision_file)
    torch.testing.assert_close(network(images).grams[0], gram_matrix(x))


def test_content_alone_is_the_content_of_the_whole(loss_network: LossNetwork, images: torch.Tensor) -> None:
    features = loss_network(images)
    torch.testing.assert_close(loss_network.content(images), features.content)
    assert features.content.shape == (2, 8, 6, 4)  # relu4_2: an eighth of the size
    assert [gram.shape[1] for gram in features.grams] == [8, 12, 16, 16, 16]


def test_nothing_in_it_is_trained(loss_network: LossNetwork) -> None:
    assert not list(loss_network.parameters())
    assert not any(buffer.requires_grad for buffer in loss_network.buffers())


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no loss network at .*none\.pth; give one with --loss-network"):
        load_loss_network(tmp_path / "none.pth")


def test_other_weights_are_refused_with_what_they_are(tmp_path: Path) -> None:
    save_file({"layer1.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    with pytest.raises(LossNetworkError, match=r"is no loss network: it holds layer1\.weight; wanted torchvision's"):
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


@pytest.mark.needs_shared
def test_mean_activation_of_the_distilled_vgg_is_about_one(shared: Path) -> None:
    network = load_loss_network(shared / "loss_network" / "vgg19_16x.safetensors")
    from styles.evaluation.evaluation import evaluation_photos
    from styles.training.pictures import to_tensor

    (photo,) = evaluation_photos(shared / "photos" / "val", most=1)
    features = network(to_tensor(photo))
    # The last diagonal of A·G·Aᵀ is the mean square: "normalised" VGG weights have activations of about 1.
    mean_squares = [float(gram[0].diagonal().mean() * gram.shape[1]) for gram in features.grams]
    assert all(0.1 < value < 20 for value in mean_squares), mean_squares


@pytest.mark.parametrize(
    ("held", "line"),
    [
        ([1, 2], "it holds a list; wanted named tensors"),
        (torch.zeros(3), "it holds a Tensor; wanted named tensors"),
        ({"features.0.weight": torch.zeros(2, 3, 3, 3)}, r"it holds features\.0\.weight; wanted"),
        ({"conv51_aux.weight": torch.zeros(2, 3, 1, 1)}, r"it holds conv51_aux\.weight; wanted"),
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
    with pytest.raises(LossNetworkError, match=r"is no loss network: .*channels"):
        load_loss_network(torchvision_file)
