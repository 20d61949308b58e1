"""The transform net: its layers against plain ones, its config through JSON, what it makes of a style vector."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from styles.architecture import CONFIGS, NetworkConfig
from styles.network import (
    ConvLayer,
    NormedConv,
    TransformNet,
    conditional_instance_norm,
    network_from_weights,
    subpixel_kernel,
)
from styles.weights import NetworkWeights, WeightsError


@pytest.fixture(params=sorted(CONFIGS))
def net(request: pytest.FixtureRequest) -> TransformNet:
    torch.manual_seed(0)
    return TransformNet(CONFIGS[request.param]).eval().requires_grad_(False)


def test_subpixel_kernel_is_bilinear_upsampling_then_the_kernel() -> None:
    torch.manual_seed(0)
    x, kernel = torch.randn(2, 3, 5, 7, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    upsampled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    plain = F.conv2d(upsampled[:, :, 1:-1, 1:-1], kernel)
    folded = F.pixel_shuffle(F.conv2d(x, subpixel_kernel(kernel)), 2)
    torch.testing.assert_close(folded, plain)


def test_a_constant_picture_stays_constant_up_to_the_edge() -> None:
    torch.manual_seed(0)
    for layer in (ConvLayer(2, 3, 3), ConvLayer(2, 3, 3, upsample=True), ConvLayer(2, 3, 5, stride=2)):
        out = layer(torch.ones(1, 2, 8, 8))
        assert out.std(dim=(2, 3)).max() < 1e-5


def test_a_layer_sees_the_picture_mirrored_at_its_edges() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 8, 10)
    head = ConvLayer(2, 3, 3, upsample=True, bias=True)
    for layer, scale in ((ConvLayer(2, 3, 3), 1), (head, 2), (ConvLayer(2, 3, 5), 1)):
        whole, margin = layer(F.pad(x, (4, 4, 4, 4), mode="reflect")), 4 * scale
        torch.testing.assert_close(layer(x), whole[:, :, margin:-margin, margin:-margin])


def test_an_upsampling_layer_refuses_other_kernels() -> None:
    with pytest.raises(ValueError, match="has a 3 x 3 kernel, not 5 x 5"):
        ConvLayer(1, 1, 5, upsample=True)


def test_conditional_instance_norm_sets_mean_and_deviation() -> None:
    x = 7 + 3 * torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    scale, shift = torch.tensor([[2.0, 3.0, 4.0, 5.0]]), torch.tensor([[-1.0, 0.0, 1.0, 2.0]])
    out = conditional_instance_norm(x, scale, shift)
    torch.testing.assert_close(out.mean(dim=(2, 3)), shift.expand(2, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(dim=(2, 3), unbiased=False), scale.expand(2, 4), atol=1e-3, rtol=0)


def test_config_survives_json(net: TransformNet) -> None:
    assert NetworkConfig.from_json(net.config.to_json()) == net.config


@pytest.mark.parametrize("text", ['{"name": "x"}', "[]", '{"down": 3}', "no json"])
def test_something_else_than_a_config_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a network config|Expecting value"):
        NetworkConfig.from_json(text)


def test_painting_has_the_size_of_the_photograph_and_lies_in_0_to_1(net: TransformNet) -> None:
    multiple = net.config.size_multiple
    photo = torch.rand(1, 3, 4 * multiple, 6 * multiple, generator=torch.Generator().manual_seed(0))
    painted = net(photo, net.plain_style()[None])
    assert painted.shape == photo.shape
    assert 0 <= painted.min() < painted.max() <= 1


def test_the_layers_share_out_the_style_vector(net: TransformNet) -> None:
    layers = sorted((m for m in net.modules() if isinstance(m, NormedConv)), key=lambda layer: layer.offset)
    ends = [layer.offset + 2 * layer.width for layer in layers]
    assert [layer.offset for layer in layers] == [0, *ends[:-1]]
    assert ends[-1] == net.style_size == len(net.plain_style())


def test_another_style_vector_gives_another_painting(net: TransformNet) -> None:
    photo = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    paintings = [net(photo, factor * net.plain_style()[None]) for factor in (1.0, 0.5)]
    assert (paintings[0] - paintings[1]).abs().mean() > 0.01


def test_pictures_of_a_batch_are_painted_each_in_its_style(net: TransformNet) -> None:
    photos = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    styles = torch.stack([net.plain_style(), 2 * net.plain_style()])
    apart = torch.cat([net(photos[i : i + 1], styles[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(net(photos, styles), apart, atol=1e-5, rtol=1e-4)


def test_weights_of_another_shape_are_refused(net: TransformNet) -> None:
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    arrays["head.weight"] = np.zeros((1, 1, 3, 3), np.float32)
    with pytest.raises(WeightsError, match=r"do not fit the net .*: head\.weight"):
        network_from_weights(NetworkWeights(net.config, arrays, {}, ""))
