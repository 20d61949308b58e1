"""The graph of a style encoder gives what the module gives, with every backend that runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from build_engines.cli import main
from build_engines.onnx.cache import read_onnx_metadata, ready_onnx, write_onnx
from build_engines.onnx.encoder_graph import onnx_from_encoder
from realtime.backends import load_backend
from realtime.backends.onnxruntime import open_graph as open_onnxruntime
from realtime.backends.openvino import open_graph as open_openvino
from styles.encoder import encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderConfig, EncoderHead, EncoderWeights, load_encoder, save_encoder
from styles.weights import WeightsError
from tests.styles.conftest import textured
from tests.styles.test_encoder import SEEING, TINY, tiny_encoder, weights_of

OPENERS = {"openvino": open_openvino, "onnxruntime": open_onnxruntime}


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """An encoder with heads of two nets."""
    return write_encoder(tmp_path, SEEING)


def write_encoder(folder: Path, config: EncoderConfig) -> Path:
    dice = np.random.default_rng(3)

    def normal(*shape: int) -> np.ndarray:
        return dice.normal(size=shape).astype(np.float32)

    sizes = {"fast": 7, "full": 11}
    heads = {net: EncoderHead(normal(size, config.length), normal(size), f"of {net}") for net, size in sizes.items()}
    weights = weights_of(tiny_encoder(config=config))
    save_encoder(folder / "encoder.safetensors", EncoderWeights(config, weights.arrays, heads))
    return folder / "encoder.safetensors"


@pytest.mark.parametrize("backend", OPENERS)
@pytest.mark.parametrize("size", [(64, 64), (33, 100), (320, 427)], ids=str)
@pytest.mark.parametrize("config", [TINY, SEEING], ids=["plain", "seeing"])
def test_the_graph_gives_what_the_module_gives(
    backend: str, size: tuple[int, int], config: EncoderConfig, tmp_path: Path
) -> None:
    encoder = write_encoder(tmp_path, config)
    if load_backend(backend).unavailable_reason():
        pytest.skip(f"{backend} is not installed")
    picture = textured(*size, seed=1)
    vectors = OPENERS[backend](ready_onnx(encoder))({"picture": picture[None]})
    weights = load_encoder(encoder)
    with torch.no_grad():
        code = encoder_from_weights(weights)(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255)
        expected = {net: head_from_weights(head)(code)[0].numpy() for net, head in weights.heads.items()}
    assert vectors.keys() == expected.keys()
    for net, vector in vectors.items():
        assert vector.dtype == np.float32
        np.testing.assert_allclose(vector, expected[net], rtol=5e-3, atol=5e-3)


def test_the_file_says_which_weights_and_which_nets_it_belongs_to(encoder: Path) -> None:
    onnx.checker.check_model(onnx_from_encoder(load_encoder(encoder)), full_check=True)
    write_onnx(encoder, encoder.with_suffix(".onnx"))
    facts = read_onnx_metadata(encoder.with_suffix(".onnx"))
    assert facts == {"weights_sha256": load_encoder(encoder).sha256, "heads": '{"fast": "of fast", "full": "of full"}'}
    assert ready_onnx(encoder) == encoder.with_suffix(".onnx")


def test_the_same_encoder_makes_the_same_bytes(encoder: Path) -> None:
    one, other = (onnx_from_encoder(load_encoder(encoder)).SerializeToString() for _ in range(2))
    assert one == other


def test_it_is_written_by_command(
    encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NST_LIVE_STYLES", str(encoder.parent))
    assert main(["onnx", "encoder"]) == 0
    assert capsys.readouterr().out.startswith(str(encoder.with_suffix(".onnx")))
    assert encoder.with_suffix(".onnx").is_file()


def test_weights_that_do_not_fit_are_refused(encoder: Path) -> None:
    weights = load_encoder(encoder)
    arrays = {name: array for name, array in weights.arrays.items() if name != "eye.narrow.1.weight"}
    with pytest.raises(WeightsError, match=r"do not fit the style encoder: eye\.narrow\.1\.weight"):
        onnx_from_encoder(EncoderWeights(weights.config, arrays, weights.heads))
