"""The image transform net: a photograph and a style vector in, a painting out.

One class covers every size. A `NetworkConfig` lists the stages; it travels as JSON in the metadata of the weights
file, so that a file says by itself which net it belongs to. All styles of a net share its convolutions: a style is
one vector, the scales and shifts of the instance norms (conditional instance norm; Dumoulin, Shlens, Kudlur 2017).
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles.architecture import NetworkConfig, Stage
from styles.weights import NetworkWeights, WeightsError

INSTANCE_NORM_EPS = 1e-5


def conditional_instance_norm(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Returns x with mean 0 and variance 1 per image and channel, then scaled and shifted; statistics in float32.

    x: N x C x H x W. scale, shift: N x C or 1 x C.
    """
    unit = F.instance_norm(x.float(), eps=INSTANCE_NORM_EPS)
    return (unit * scale[:, :, None, None] + shift[:, :, None, None]).to(x.dtype)


@functools.cache
def _spread(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Returns the weights of bilinear x2 upsampling for each phase. They are made once: a copy in every pass would let
    the host wait for the GPU, and no CUDA graph could record the pass.

    Row t of spread[phase] holds the low-resolution weights (at -1, 0, +1) of tap t of the kernel.
    """
    rows = [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ]
    with torch.inference_mode(False):
        return torch.tensor(rows, device=device, dtype=dtype)


def subpixel_kernel(kernel: Tensor) -> Tensor:
    """Returns the kernel that makes, at the low resolution, what bilinear x2 upsampling and `kernel` make together.

    kernel: out x in x 3 x 3, to be applied to the upsampled picture. Result: (out * 4) x in x 3 x 3, to be followed by
    `pixel_shuffle(…, 2)`. The two are equal up to rounding, at a fraction of the memory traffic (no picture is
    upsampled), and unlike a freely learned sub-pixel convolution it paints no checkerboard on flat places.
    """
    spread = _spread(kernel.device, kernel.dtype)
    folded = torch.einsum("oiyx,pya,qxb->opqiab", kernel, spread, spread)
    return folded.reshape(-1, kernel.shape[1], 3, 3)


class ConvLayer(nn.Module):
    """A convolution that keeps the edges clean: reflection padding, and `subpixel_kernel` for upsampling.

    Without bias, since an instance norm would remove it again; the last layer of a net, the head, has one. Upsampling
    inside a net repeats the edge, where reflection makes the outermost rows of paintings busy; in the head it is the
    other way round: a repeated edge calms them.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, upsample: bool = False, bias: bool = False
    ) -> None:
        super().__init__()
        if upsample and kernel != 3:
            raise ValueError(f"an upsampling layer has a 3 x 3 kernel, not {kernel} x {kernel}")
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.stride, self.upsample, self.folded = stride, upsample, False
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        # zero padding would paint a dark frame around every painting
        mode = "replicate" if self.upsample and self.bias is None else "reflect"
        x = F.pad(x, (self.weight.shape[-1] // 2,) * 4, mode=mode)
        if not self.upsample:
            return F.conv2d(x, self.weight, self.bias, self.stride)
        return F.pixel_shuffle(F.conv2d(x, *self._subpixel()), 2)

    def _subpixel(self) -> tuple[Tensor, Tensor | None]:
        if self.folded:
            return self.weight, self.bias
        return subpixel_kernel(self.weight), None if self.bias is None else self.bias.repeat_interleave(4)

    @torch.no_grad()
    def fold(self) -> None:
        """Replaces the trained kernel by the sub-pixel kernel: for export, after which nothing is trained."""
        if self.upsample and not self.folded:
            weight, bias = self._subpixel()
            self.weight = nn.Parameter(weight, requires_grad=False)
            self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
            self.folded = True


class NormedConv(nn.Module):
    """A convolution and its conditional instance norm; `offset` is where its scales begin in the style vector."""

    def __init__(self, conv: ConvLayer, offset: int) -> None:
        super().__init__()
        self.conv, self.offset = conv, offset
        self.width = conv.weight.shape[0]

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = style[:, self.offset : self.offset + 2 * self.width].chunk(2, dim=1)
        return conditional_instance_norm(self.conv(x), scale, shift)


class TransformNet(nn.Module):
    """Paints: `net(photo, style)` returns a painting of the photograph's size.

    photo: N x 3 x H x W float RGB in 0..1; H and W multiples of `config.size_multiple`. style: N x K or 1 x K float,
    K = `style_size`. Result: N x 3 x H x W RGB in 0..1.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.style_size = 0
        width = 3
        self.down = nn.ModuleList()
        for stage in config.down:
            conv = ConvLayer(width, stage.width, stage.kernel, stride=stage.scale)
            self.down.append(self._stage(conv, stage))
            width = stage.width
        self.up = nn.ModuleList()
        for stage in config.up:
            conv = ConvLayer(width, stage.width, stage.kernel, upsample=stage.scale == 2)
            self.up.append(self._stage(conv, stage))
            width = stage.width
        self.head = ConvLayer(width, 3, config.head_kernel, upsample=config.head_scale == 2, bias=True)
        nn.init.xavier_normal_(self.head.weight)

    def plain_style(self) -> Tensor:
        """Returns the style vector that scales by 1 and shifts by 0: where training starts. Shape K."""
        style = torch.zeros(self.style_size)
        for module in self.modules():
            if isinstance(module, NormedConv):
                style[module.offset : module.offset + module.width] = 1.0
        return style

    def _normed(self, conv: ConvLayer) -> NormedConv:
        layer = NormedConv(conv, self.style_size)
        self.style_size += 2 * layer.width
        return layer

    def _stage(self, conv: ConvLayer, stage: Stage) -> nn.ModuleList:
        layers = [self._normed(conv)]
        layers += [self._normed(ConvLayer(stage.width, stage.width, 3)) for _ in range(2 * stage.blocks)]
        return nn.ModuleList(layers)

    def forward(self, photo: Tensor, style: Tensor) -> Tensor:
        return self.paint_centred(photo - 0.5, style)

    def paint_centred(self, photo: Tensor, style: Tensor) -> Tensor:
        """As `forward`, of a photograph whose grey is 0."""
        x, kind = photo, self.head.weight.dtype
        skips: dict[int, Tensor] = {}
        resolution = 1
        for stage, layers in zip(self.config.down, self.down, strict=True):
            x = _run_stage(x, style, layers, kind)
            resolution *= stage.scale
            skips[resolution] = x
        for stage, layers in zip(self.config.up, self.up, strict=True):
            resolution //= stage.scale
            x = _run_stage(x, style, layers, kind, skips[resolution] if stage.skip else None)
        return torch.sigmoid(self.head(x))


def _run_stage(x: Tensor, style: Tensor, layers: nn.Module, kind: torch.dtype, skip: Tensor | None = None) -> Tensor:
    assert isinstance(layers, nn.ModuleList)
    first, *blocks = layers
    # the first convolution of a net in half precision is in float32 (`build_engines.onnx.pixel_net`)
    x = F.relu(first(x, style)).to(kind)
    if skip is not None:
        x = x + skip
    for conv1, conv2 in zip(blocks[::2], blocks[1::2], strict=True):
        x = x + conv2(F.relu(conv1(x, style)), style)
    return x


def network_from_weights(weights: NetworkWeights) -> TransformNet:
    """Returns the net with its trained convolutions, ready to paint (no gradients).

    Raises:
        WeightsError: the weights do not fit the config.
    """
    net = TransformNet(weights.config)
    wanted = net.state_dict()
    shapes = {name: tuple(array.shape) for name, array in weights.arrays.items()}
    missing = sorted(name for name, tensor in wanted.items() if shapes.get(name) != tuple(tensor.shape))
    if missing:
        raise WeightsError(f"the weights do not fit the net {weights.config.name!r}: {', '.join(missing[:3])}")
    net.load_state_dict({name: torch.from_numpy(weights.arrays[name]) for name in wanted})
    return net.eval().requires_grad_(False)
