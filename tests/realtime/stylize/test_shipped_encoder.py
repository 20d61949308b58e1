"""The encoder that is shipped belongs to the nets that are shipped, and its graph to its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from build_engines.onnx.cache import ready_onnx
from realtime.stylize.prediction import StylePredictor
from styles.encoder_weights import nets_of_heads
from styles.registry import SHIPPED_FOLDER, list_styles, network_sha256
from styles.weights import load_style, read_metadata
from tests.styles.conftest import textured

ENCODER = SHIPPED_FOLDER / "encoder.safetensors"
NETS = ("fast", "full")

pytestmark = pytest.mark.skipif(not ENCODER.is_file(), reason="no style encoder is shipped with these nets")


def test_it_belongs_to_the_shipped_nets() -> None:
    checksums = {net: network_sha256(SHIPPED_FOLDER / f"{net}.safetensors") for net in NETS}
    assert nets_of_heads(ENCODER, read_metadata(ENCODER)) == checksums


def test_its_graph_lies_beside_it(tmp_path: Path) -> None:
    assert ready_onnx(ENCODER, tmp_path) == ENCODER.with_suffix(".onnx"), "type: nst-build onnx encoder"


@pytest.mark.parametrize("net", NETS)
def test_its_vectors_are_like_those_that_were_learned(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(textured(300, 400, 1)).save(tmp_path / "a.png")
    vector = StylePredictor(net).of_file(tmp_path / "a.png")
    learned = np.stack([load_style(style.path).vector for style in list_styles(net)])
    assert vector.shape == learned[0].shape
    assert 0.2 < np.abs(vector).mean() / np.abs(learned).mean() < 5
