"""A small style encoder that fits the shipped nets, for the tests of what is done with predicted styles.

It is a real encoder, run by the real backends, and it has learned nothing: its vectors lie around that of a shipped
style and differ from picture to picture.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from build_engines.onnx.cache import write_onnx
from build_engines.onnx.encoder_graph import encoder_shapes
from styles.encoder_weights import EncoderConfig, EncoderHead, EncoderWeights, save_encoder
from styles.registry import SHIPPED_FOLDER, network_sha256
from styles.weights import load_style

CONFIG = EncoderConfig(widths=(8, 12), hidden=24, code=16)
NETS = ("fast", "full")


def write_encoder(folder: Path, seed: int = 0, sha256: str = "") -> Path:
    """Writes an encoder into a folder of styles, and its graph beside it; returns its file.

    Args:
        folder: made if it does not exist.
        seed: another one predicts other vectors.
        sha256: the checksum of the nets that it says it belongs to; "" for those of the shipped ones.
    """
    dice = np.random.default_rng(seed)
    arrays = {name: _values(name, shape, dice) for name, shape in encoder_shapes(CONFIG)}
    heads = {}
    for net in NETS:
        wave = load_style(SHIPPED_FOLDER / net / "wave.safetensors").vector
        weight = dice.normal(0, 0.1, (len(wave), CONFIG.code)).astype(np.float32)
        heads[net] = EncoderHead(weight, wave, sha256 or network_sha256(SHIPPED_FOLDER / f"{net}.safetensors"))
    path = folder / "encoder.safetensors"
    save_encoder(path, EncoderWeights(CONFIG, arrays, heads))
    write_onnx(path, path.with_suffix(".onnx"))
    return path


def _values(name: str, shape: tuple[int, ...], dice: np.random.Generator) -> np.ndarray:
    if len(shape) > 1:
        return dice.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
    scales = name.endswith(("running_var", ".weight"))
    return np.full(shape, 1.0 if scales else 0.0, np.float32)
