"""The style encoder: a picture in, the style vectors of all nets out.

What makes a style is in the statistics of features, not in where things are. So the encoder is a small convolutional
net of which only the mean and the deviation of each feature is kept, at five resolutions, with the mean and the
covariance of the colours. An MLP makes a code of these numbers, and a linear head for each net its style vector.

The article's style loss, however, is made almost alone of the strength of the 512 maps of the loss network's relu4_1,
and the MLP's statistics do not tell them well enough. The eye does: convolutions that imitate the loss network with a
few percent of its work, fitted to it layer by layer (`styles.training.eye`). An encoder that has been given an eye
needs nothing else: its code is what the eye sees.
`styles.encoder_weights` has it as a file and needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles.encoder_weights import (
    COVARIANCE_SCALE,
    DEVIATION_EPS,
    EYE_LAYERS,
    EYE_PIXELS_KERNEL,
    EYE_STEM,
    EYE_STEM_KERNEL,
    EncoderConfig,
    EncoderHead,
    EncoderWeights,
    is_read,
)
from styles.weights import Arrays, WeightsError


class StyleEncoder(nn.Module):
    """Turns pictures into codes: `encoder(pictures)`.

    pictures: N x 3 x H x W float RGB in 0..1, H and W from 32 pixels; trained on squares of 256 pixels, and best with
    a short side of `SHORT_SIDE`. Result: N x `config.length` float32.
    """

    def __init__(self, config: EncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or EncoderConfig()
        self.eye = Eye(self.config) if self.config.seen else None
        if self.eye is not None:
            return
        inputs = (3, *self.config.widths[:-1])
        kernels = (self.config.first_kernel, *(3 for _ in self.config.widths[1:]))
        stages = zip(inputs, self.config.widths, kernels, strict=True)
        self.convs = nn.ModuleList([_stage(*stage) for stage in stages])
        self.mlp = nn.Sequential(
            nn.LayerNorm(self.config.statistics),
            nn.Linear(self.config.statistics, self.config.hidden),
            nn.GELU(),
            nn.Linear(self.config.hidden, self.config.code),
            nn.GELU(),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        code: Tensor = self._read_statistics(pictures) if self.eye is None else self.eye(pictures)
        return code

    def _read_statistics(self, pictures: Tensor) -> Tensor:
        found = [_colour_statistics(pictures.float())]
        x = pictures * 2 - 1
        for stage in self.convs:
            x = stage(x)
            found.append(_feature_statistics(x.float()))
        # in float32 also where a training computes in bfloat16
        with torch.autocast(pictures.device.type, enabled=False):
            code: Tensor = self.mlp(torch.cat(found, dim=1))
        return code

    def start_learning(self) -> None:
        """Lets a training change everything; of an eye only how it is read, since it was fitted to the loss network."""
        self.requires_grad_()
        if self.eye is not None:
            self.eye.requires_grad_(False)
            self.eye.read.requires_grad_()


class Eye(nn.Module):
    """Imitates the loss network, and makes a code of what it sees: `eye(pictures)`.

    It begins at half the resolution, from features of a stem and from the pixels themselves. Each convolution makes all
    maps of a layer of the loss network, and a 1 x 1 convolution hands fewer of them on.

    pictures: N x 3 x H x W float RGB in 0..1, H and W from 32 pixels. Result: N x `config.seen` float32.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        maps, inputs = list(EYE_LAYERS.values()), (EYE_STEM, *config.eye)
        self.stem = nn.Sequential(
            nn.Conv2d(3, EYE_STEM, EYE_STEM_KERNEL, stride=2, padding=EYE_STEM_KERNEL // 2),
            nn.ReLU(),
            nn.Conv2d(EYE_STEM, EYE_STEM, 3, padding=1),
            nn.ReLU(),
        )
        self.pixels = nn.Conv2d(3, maps[0], EYE_PIXELS_KERNEL, stride=2, padding=EYE_PIXELS_KERNEL // 2, bias=False)
        self.convs = nn.ModuleList([nn.Conv2d(i, o, 3, padding=1) for i, o in zip(inputs, maps, strict=True)])
        self.narrow = nn.ModuleList(
            [nn.Conv2d(i, o, 1, bias=False) for i, o in zip(maps[:-1], config.eye, strict=True)]
        )
        self.read = nn.Linear(config.eye_statistics, config.seen)

    def forward(self, pictures: Tensor) -> Tensor:
        statistics = self.statistics(pictures)
        with torch.autocast(pictures.device.type, enabled=False):
            seen: Tensor = self.read(statistics)
        return seen

    def statistics(self, pictures: Tensor) -> Tensor:
        """Returns the means, then the root mean squares, of the maps of each layer that is read: N x 1792 float32."""
        found = []
        for name, maps in self.layers(pictures):
            if is_read(name):
                seen = maps.float()
                power = seen.square().mean(dim=(2, 3))
                found += [seen.mean(dim=(2, 3)), (power + DEVIATION_EPS).sqrt()]
        return torch.cat(found, dim=1)

    def layers(self, pictures: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yields the name and the maps of each of EYE_LAYERS."""
        maps = pictures
        for i, name in enumerate(EYE_LAYERS):
            made = self.convs[i](self.before_conv(i, maps))
            maps = F.relu(made if i else made + self.pixels(pictures * 2 - 1))
            yield name, maps

    def before_conv(self, i: int, maps: Tensor) -> Tensor:
        """Returns what the convolution of layer i reads.

        Args:
            i: the layer.
            maps: of the layer before; the pictures for the first one.
        """
        if not i:
            stem: Tensor = self.stem(maps * 2 - 1)
            return stem
        name = list(EYE_LAYERS)[i]
        narrow: Tensor = self.narrow[i - 1](F.max_pool2d(maps, 2) if is_read(name) else maps)
        return narrow


def _stage(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Returns two convolutions, of which the first halves the resolution."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _colour_statistics(pictures: Tensor) -> Tensor:
    """Returns the means of R, G, B and their scaled covariances RR, RG, RB, GG, GB, BB: N x 9."""
    pixels = pictures.flatten(2)
    mean = pixels.mean(dim=2)
    centred = pixels - mean[:, :, None]
    covariance = COVARIANCE_SCALE * (centred @ centred.transpose(1, 2)) / pixels.shape[2]
    upper = [covariance[:, row, column] for row in range(3) for column in range(row, 3)]
    return torch.cat([mean, torch.stack(upper, dim=1)], dim=1)


def _feature_statistics(features: Tensor) -> Tensor:
    """Returns the means, then the deviations, of N x C x H x W features: N x 2C."""
    variance = features.var(dim=(2, 3), unbiased=False)
    return torch.cat([features.mean(dim=(2, 3)), (variance + DEVIATION_EPS).sqrt()], dim=1)


def encoder_from_weights(weights: EncoderWeights) -> StyleEncoder:
    """Returns the encoder with its trained weights, ready to look at pictures (no gradients).

    Raises:
        WeightsError: the weights do not fit the config.
    """
    encoder = StyleEncoder(weights.config)
    wanted = _parameters(encoder)
    shapes = {name: tuple(array.shape) for name, array in weights.arrays.items()}
    missing = sorted(name for name, tensor in wanted.items() if shapes.get(name) != tuple(tensor.shape))
    if missing:
        raise WeightsError(f"the weights do not fit the style encoder: {', '.join(missing[:3])}")
    tensors = {name: torch.from_numpy(np.asarray(weights.arrays[name], np.float32)) for name in wanted}
    encoder.load_state_dict(tensors, strict=False)
    return encoder.eval().requires_grad_(False)


def head_from_weights(head: EncoderHead) -> nn.Linear:
    """Returns what turns codes, N x code, into style vectors of a net, N x K (no gradients)."""
    linear = nn.Linear(head.weight.shape[1], head.weight.shape[0])
    linear.load_state_dict({"weight": torch.from_numpy(head.weight), "bias": torch.from_numpy(head.bias)})
    return linear.requires_grad_(False)


def encoder_arrays(state: Mapping[str, Tensor]) -> Arrays:
    """Returns the state of an encoder as the arrays of its file: without the counters of batch norms."""
    return {name: tensor.float().cpu().numpy() for name, tensor in state.items() if tensor.is_floating_point()}


def _parameters(encoder: StyleEncoder) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in encoder.state_dict().items() if tensor.is_floating_point()}
