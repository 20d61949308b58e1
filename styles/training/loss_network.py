"""The frozen VGG-19 whose features measure content and style (Simonyan, Zisserman 2015; Gatys, Ecker, Bethge 2016).

Two kinds of file are read, told apart by their tensors' names:

- torchvision's `vgg19-dcbb9e9d.pth`: the network itself. It was trained on pixels in 0..1 normalised with torchvision's
  mean and deviation, so that is what it is fed here. (The article's weights want 0..255 less (123.68, 116.779,
  103.939): the same picture in another unit.)
- a distilled VGG-19 (Wang et al. 2020, "Collaborative Distillation"), safetensors with layers `conv0 … conv51` and
  `convN1_aux`: a quarter as wide, with linear maps from its reluN_1 to VGG-19's own channels. Its `conv0` makes
  mean-free BGR in 0..255 from RGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from styles.training.loss_network_file import TORCHVISION_FILE

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
# Of the pictures that the loss network can look at, in pixels.
SMALLEST_SIDE = 32

# Convolutions per block up to relu5_1, and torchvision's index of each in `features`.
_BLOCKS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 1}
_CONVS = tuple(f"{block}{i}" for block, count in _BLOCKS.items() for i in range(1, count + 1))
_TORCHVISION_INDEX = dict(zip(_CONVS, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28), strict=True))
_TORCHVISION_MEAN = (0.485, 0.456, 0.406)
_TORCHVISION_STD = (0.229, 0.224, 0.225)


class LossNetworkError(ValueError):
    """The file is no loss network that this module can read."""


@dataclass(frozen=True)
class Features:
    """What the loss network sees in a batch: `content` N x C x H x W (relu4_2), `grams` five of N x C x C (float32)."""

    content: Tensor
    grams: tuple[Tensor, ...]


def gram_matrix(features: Tensor, projection: Tensor | None = None) -> Tensor:
    """Returns the Gram matrix FᵀF / (h·w·c) of N x C x H x W features: N x C x C, float32.

    `projection` (C' x (C + 1)) is a linear map with bias to C' channels; the result is then that of the mapped
    features, found without forming them: A·G·Aᵀ for the Gram matrix G of [features, 1].
    """
    n, _, height, width = features.shape
    flat = features.float().flatten(2)
    if projection is not None:
        flat = torch.cat([flat, flat.new_ones(n, 1, height * width)], dim=1)
    gram = flat @ flat.transpose(1, 2)
    if projection is not None:
        gram = projection @ gram @ projection.T
    return gram / (height * width * gram.shape[1])


class LossNetwork(nn.Module):
    """VGG-19 up to relu5_1, frozen: `network(images)` returns the `Features` of N x 3 x H x W RGB in 0..1.

    Pictures have at least SMALLEST_SIDE pixels either way.
    """

    def __init__(
        self,
        convs: Mapping[str, tuple[Tensor, Tensor]],
        stem: tuple[Tensor, Tensor],
        projections: Mapping[int, Tensor],
        padding: str,
    ) -> None:
        super().__init__()
        self.padding = padding
        for name, (weight, bias) in {**convs, "0": stem}.items():
            self.register_buffer(f"weight{name}", weight.float())
            self.register_buffer(f"bias{name}", bias.float())
        for block, projection in projections.items():
            self.register_buffer(f"projection{block}", projection.float())

    def _conv(self, x: Tensor, name: str) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode=self.padding)
        return F.relu(F.conv2d(x, self.get_buffer(f"weight{name}"), self.get_buffer(f"bias{name}")))

    def _gram(self, x: Tensor, block: int) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return gram_matrix(x, dict(self.named_buffers()).get(f"projection{block}"))

    def forward(self, images: Tensor) -> Features:
        x = F.conv2d(images, self.get_buffer("weight0"), self.get_buffer("bias0"))
        grams, content = [], None
        for block, count in _BLOCKS.items():
            if block > 1:
                x = F.max_pool2d(x, 2)
            for i in range(1, count + 1):
                x = self._conv(x, f"{block}{i}")
                if i == 1:
                    grams.append(self._gram(x, block))
                if (block, i) == (4, 2):
                    content = x
        assert content is not None
        return Features(content, tuple(grams))

    def content(self, images: Tensor) -> Tensor:
        """Returns relu4_2 alone, which is all that a photograph is needed for."""
        x = F.conv2d(images, self.get_buffer("weight0"), self.get_buffer("bias0"))
        for name in _CONVS[: _CONVS.index("42") + 1]:
            if name[0] != "1" and name[1] == "1":
                x = F.max_pool2d(x, 2)
            x = self._conv(x, name)
        return x


def load_loss_network(path: Path) -> LossNetwork:
    """Returns the loss network in `path`, frozen. Raises LossNetworkError, saying what it found, or OSError."""
    tensors = _read_tensors(path)
    read = _distilled if "conv51_aux.weight" in tensors else _torchvision
    try:
        network = read(tensors)
        with torch.no_grad():
            network(torch.zeros(1, 3, SMALLEST_SIDE, SMALLEST_SIDE))
    except (KeyError, RuntimeError) as exc:  # a tensor that is missing, or of another shape
        names = ", ".join(sorted(map(str, tensors))[:4]) or "nothing"
        raise LossNetworkError(
            f"{path} is no loss network: it holds {names}; "
            f"wanted torchvision's {TORCHVISION_FILE} or a distilled VGG-19 ({first_line(exc)})"
        ) from exc
    return network.eval().requires_grad_(False)


def first_line(error: Exception) -> str:
    """Returns what an error of torch says, without the pages of advice that follow."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"no loss network at {path}; give one with --loss-network FILE ({TORCHVISION_FILE})")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # a damaged pickle can raise anything
        raise LossNetworkError(f"{path} cannot be read as weights: {first_line(exc)}") from exc
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise LossNetworkError(f"{path} is no loss network: it holds a {type(tensors).__name__}; wanted named tensors")
    return tensors


def _distilled(tensors: Mapping[str, Tensor]) -> LossNetwork:
    def conv(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"conv{name}.weight"], tensors[f"conv{name}.bias"]

    projections = {}
    for block in _BLOCKS:
        weight, bias = conv(f"{block}1_aux")
        projections[block] = torch.cat([weight.flatten(1), bias[:, None]], dim=1)
    return LossNetwork({name: conv(name) for name in _CONVS}, conv("0"), projections, padding="reflect")


def _torchvision(tensors: Mapping[str, Tensor]) -> LossNetwork:
    def conv(name: str) -> tuple[Tensor, Tensor]:
        index = _TORCHVISION_INDEX[name]
        return tensors[f"features.{index}.weight"], tensors[f"features.{index}.bias"]

    std = torch.tensor(_TORCHVISION_STD)
    stem = torch.diag(1 / std)[:, :, None, None], -torch.tensor(_TORCHVISION_MEAN) / std
    return LossNetwork({name: conv(name) for name in _CONVS}, stem, {}, padding="constant")
