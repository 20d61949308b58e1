"""The style encoder: its statistics, its file, and refusals that say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from styles.encoder import StyleEncoder, encoder_arrays, encoder_from_weights, head_from_weights
from styles.encoder_weights import (
    EncoderConfig,
    EncoderHead,
    EncoderWeights,
    is_encoder,
    load_encoder,
    save_encoder,
)
from styles.registry import encoder_path, list_networks, list_styles, style_from_file
from styles.weights import WeightsError, file_sha256, read_metadata, save_style

TINY = EncoderConfig(widths=(4, 6), first_kernel=5, hidden=8, code=5)
SEEING = EncoderConfig(widths=(4, 6), first_kernel=5, hidden=8, code=5, eye=(4, 5, 6, 7, 8, 9), seen=3)


def tiny_encoder(seed: int = 0, config: EncoderConfig = TINY) -> StyleEncoder:
    """Returns an encoder that has seen a few pictures, so that its batch norms have statistics of their own."""
    torch.manual_seed(seed)
    encoder = StyleEncoder(config)
    encoder(torch.rand(4, 3, 32, 48))
    return encoder.eval()


def weights_of(encoder: StyleEncoder, **changes: str) -> EncoderWeights:
    config = encoder.config
    head = EncoderHead(np.ones((3, config.length), np.float32), np.arange(3, dtype=np.float32), "net's checksum")
    return EncoderWeights(config, encoder_arrays(encoder.state_dict()), {"fast": head}, {"steps": "3", **changes})


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, SEEING], ids=["plain", "seeing"])
def test_an_encoder_comes_back_with_its_heads(tmp_path: Path, config: EncoderConfig) -> None:
    encoder = tiny_encoder(config=config)
    sha256 = save_encoder(tmp_path / "encoder.safetensors", weights_of(encoder))
    found = load_encoder(tmp_path / "encoder.safetensors")
    assert found.config == config
    assert found.metadata["steps"] == "3"
    assert found.sha256 == sha256 == file_sha256(tmp_path / "encoder.safetensors")
    pictures = torch.rand(2, 3, 40, 64)
    codes = encoder_from_weights(found)(pictures)
    torch.testing.assert_close(codes, encoder(pictures), rtol=1e-2, atol=1e-3)
    vectors = head_from_weights(found.heads["fast"])(codes)
    torch.testing.assert_close(vectors, codes.sum(dim=1, keepdim=True) + torch.arange(3.0), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_code_says_how_a_picture_looks_and_not_where_things_are() -> None:
    encoder, picture = tiny_encoder(), torch.rand(1, 3, 64, 64)
    mirrored, shifted = picture.flip(3), picture.roll((16, 24), (2, 3))
    code = encoder(picture)
    other = encoder(picture * torch.tensor([1.0, 0.3, 0.3])[None, :, None, None])
    far = (other - code).norm()
    assert (encoder(shifted) - code).norm() < 0.1 * far
    assert (encoder(mirrored) - code).norm() < 0.1 * far


def test_all_of_an_encoder_learns_but_what_an_eye_sees() -> None:
    plain, seeing = (tiny_encoder(config=config).requires_grad_(False) for config in (TINY, SEEING))
    learning = []
    for encoder in (plain, seeing):
        encoder.start_learning()
        encoder(torch.rand(2, 3, 32, 48)).sum().backward()
        learning.append({name for name, parameter in encoder.named_parameters() if parameter.grad is not None})
    assert learning[0] == {name for name, _ in plain.named_parameters()}
    assert learning[1] == {"eye.read.weight", "eye.read.bias"}


def test_an_encoder_with_an_eye_has_nothing_else() -> None:
    assert {name.split(".")[0] for name in StyleEncoder(SEEING).state_dict()} == {"eye"}
    assert SEEING.length == 3
    assert TINY.length == 5


def test_a_config_with_an_eye_comes_back() -> None:
    assert EncoderConfig.from_json(SEEING.to_json()) == SEEING


@pytest.mark.parametrize(
    "changes",
    [{"seen": 0}, {"eye": [4, 5]}, {"eye": []}, {"seen": -1}, {"seen": 1.5}, {"eye": [4, 5, 6, 7, 8, 0]}, {"eye": 3}],
    ids=str,
)
def test_a_config_whose_eye_does_not_fit_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an encoder config"):
        EncoderConfig.from_json(json.dumps({**json.loads(SEEING.to_json()), **changes}))


@torch.no_grad()
def test_the_first_statistics_are_those_of_the_colours() -> None:
    seen: list[torch.Tensor] = []
    encoder, picture = tiny_encoder(), torch.rand(1, 3, 32, 32)
    encoder.mlp.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    encoder(picture)
    colours = seen[0][0, :9].numpy()
    covariance = np.cov(picture[0].flatten(1).numpy(), bias=True)
    np.testing.assert_allclose(colours[:3], picture.mean(dim=(2, 3))[0], atol=1e-5)
    np.testing.assert_allclose(colours[3:], 10 * covariance[np.triu_indices(3)], atol=1e-5)


def test_an_encoder_is_neither_a_net_nor_a_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NST_LIVE_STYLES", str(tmp_path))
    path = tmp_path / "encoder.safetensors"
    nets, styles = list_networks(), list_styles()
    save_encoder(path, weights_of(tiny_encoder()))
    assert is_encoder(read_metadata(path))
    assert encoder_path() == path
    assert list_networks() == nets
    assert list_styles() == styles
    with pytest.raises(WeightsError, match="is a style encoder, not a style"):
        style_from_file(path)


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    save_style(tmp_path / "style.safetensors", np.ones(3, np.float32), {})
    with pytest.raises(WeightsError, match="is not a style encoder: 'encoder_config'"):
        load_encoder(tmp_path / "style.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        load_encoder(tmp_path / "none.safetensors")
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, weights_of(tiny_encoder(), encoder_config=""))
    assert load_encoder(path).config == TINY  # the config is the encoder's own
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        load_encoder(path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    weights = weights_of(tiny_encoder())
    arrays = {name: array for name, array in weights.arrays.items() if name != "mlp.1.weight"}
    with pytest.raises(WeightsError, match=r"do not fit the style encoder: mlp\.1\.weight"):
        encoder_from_weights(EncoderWeights(TINY, arrays, {}))
    head = EncoderHead(np.ones((3, 2), np.float32), np.ones(3, np.float32), "")
    save_encoder(tmp_path / "e.safetensors", EncoderWeights(TINY, arrays, {"fast": head}))
    with pytest.raises(WeightsError, match=r"the head of the net 'fast' is \(3, 2\); expected \(3, 5\)"):
        load_encoder(tmp_path / "e.safetensors")


@pytest.mark.parametrize("number", [1e6, float("nan")])
def test_numbers_that_the_file_cannot_hold_are_refused(tmp_path: Path, number: float) -> None:
    weights = weights_of(tiny_encoder())
    head = EncoderHead(np.full((3, TINY.code), number, np.float32), np.ones(3, np.float32), "")
    with pytest.raises(WeightsError, match=r"head\.fast\.weight holds numbers that float16 does not"):
        save_encoder(tmp_path / "e.safetensors", EncoderWeights(TINY, weights.arrays, {"fast": head}))
    assert not (tmp_path / "e.safetensors").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"widths": [0]}', '{"widths": [4], "depth": 1}', '{"widths": 3}'])
def test_a_config_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an encoder config"):
        EncoderConfig.from_json(text)


def test_a_config_comes_back() -> None:
    assert EncoderConfig.from_json(TINY.to_json()) == TINY
    assert EncoderConfig().statistics == 1353
