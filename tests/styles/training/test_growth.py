"""Growing a net: what it paints stays, what it can learn becomes more."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from styles.architecture import CONFIGS, Stage
from styles.network import TransformNet
from styles.training.growth import GrowthError, grown

FAST, FULL = CONFIGS["fast"], CONFIGS["full"]
PHOTO = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


def trained() -> tuple[TransformNet, torch.Tensor]:
    """Returns a `fast` net with two styles, as far from its beginning as a trained one."""
    torch.manual_seed(0)
    net = TransformNet(FAST)
    assert net.head.bias is not None
    torch.nn.init.normal_(net.head.bias)
    plain = net.plain_style().repeat(2, 1)
    return net, plain + 0.3 * torch.randn(2, net.style_size)


def test_a_grown_net_paints_the_same() -> None:
    net, vectors = trained()
    large, large_vectors = grown(net, vectors, FULL)
    assert large.config == FULL
    assert large_vectors.shape == (2, large.style_size)
    with torch.no_grad():
        torch.testing.assert_close(large(PHOTO, large_vectors), net(PHOTO, vectors), atol=2e-5, rtol=0)


def test_every_new_weight_can_learn() -> None:
    net, vectors = trained()
    large, large_vectors = grown(net, vectors, FULL)
    style = torch.nn.Parameter(large_vectors)
    optimizer = torch.optim.Adam([style, *large.parameters()], lr=1e-3)
    before = {name: weight.detach().clone() for name, weight in large.named_parameters()}
    for _ in range(3):  # in a new block first its scale, then what it adds, then what that is made of
        optimizer.zero_grad()
        torch.autograd.backward((large(PHOTO, style) - PHOTO).square().mean())
        optimizer.step()
    still = {name: float((weight == before[name]).float().mean()) for name, weight in large.named_parameters()}
    assert max(still.values()) < 0.01, still


def test_the_same_kind_stays_as_it_is() -> None:
    net, vectors = trained()
    same, same_vectors = grown(net, vectors, FAST)
    assert torch.equal(same_vectors, vectors)
    for name, weight in same.state_dict().items():
        assert torch.equal(weight, net.state_dict()[name])


@pytest.mark.parametrize(
    "other",
    [
        CONFIGS["article"],
        dataclasses.replace(FULL, head_kernel=5),
        dataclasses.replace(FULL, down=(Stage(8, 5, 2), *FULL.down[1:])),
        dataclasses.replace(FULL, down=(*FULL.down[:2], Stage(128, 3, 2, blocks=3))),
        dataclasses.replace(FULL, up=FULL.up[:2]),
    ],
    ids=["another net", "another head", "narrower", "fewer blocks", "fewer stages"],
)
def test_what_is_no_enlargement_is_refused(other: object) -> None:
    net, vectors = trained()
    with pytest.raises(GrowthError, match=r"'fast' cannot grow into one of the kind '.*'"):
        grown(net, vectors, other)  # type: ignore[arg-type]
