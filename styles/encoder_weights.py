"""The style encoder as a file: its shape, its weights, and a head for each net. Needs no torch.

The encoder turns any picture into a code, and the head of a net turns that code into a style vector of this net
(compare Ghiasi et al. 2017). A vector belongs to one training of its net, and so does a head: it names that net by
checksum, as style files do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from styles.weights import Arrays, WeightsError, file_sha256, load_tensors, save_tensors

# Metadata keys: the shape of the encoder, and the checksums of the nets that the heads belong to.
ENCODER_KEY = "encoder_config"
_NETS_KEY = "nets"
# The encoder looks at a picture that is scaled to this short side, in pixels, of which a middle this long is enough.
SHORT_SIDE = 320
LONG_SIDE = 576
# Under the root of a deviation, which has no gradient at 0.
DEVIATION_EPS = 1e-5
# Covariances of colours in 0..1 are small beside the other numbers that the MLP reads.
COVARIANCE_SCALE = 10.0
# The layers of the loss network that the eye imitates, with their maps: relu2_1, relu2_2, … relu4_1. The resolution is
# halved before a new block begins, and the first layer of each block is read.
EYE_LAYERS = {"21": 128, "22": 128, "31": 256, "32": 256, "33": 256, "34": 256, "41": 512}
EYE_STEM, EYE_STEM_KERNEL, EYE_PIXELS_KERNEL = 32, 5, 7
_LARGEST_NUMBER = 4096


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of a style encoder.

    Args:
        widths: channels of its stages, each of which halves the resolution. This and the three that follow are those of
            an encoder without an eye.
        first_kernel: the kernel of the first convolution; the others have 3 x 3.
        hidden: the width of the hidden layer of the MLP.
        code: the length of the MLP's code.
        eye: the widths to which the maps of all EYE_LAYERS but the last are narrowed; () is an encoder without an eye.
        seen: the length of the eye's code; 0 is an encoder without an eye.
    """

    widths: tuple[int, ...] = (32, 64, 128, 192, 256)
    first_kernel: int = 5
    hidden: int = 512
    code: int = 256
    eye: tuple[int, ...] = ()
    seen: int = 0

    @property
    def length(self) -> int:
        """The length of a code."""
        return self.seen or self.code

    @property
    def eye_statistics(self) -> int:
        """How many numbers are read from the eye: means and root mean squares of the maps that are read."""
        return 2 * sum(maps for name, maps in EYE_LAYERS.items() if is_read(name))

    @property
    def statistics(self) -> int:
        """How many numbers the MLP reads: means and deviations of all features, and nine of the colours."""
        return 2 * sum(self.widths) + 9

    def to_json(self) -> str:
        """Returns the config as `from_json` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> EncoderConfig:
        """Returns the config written by `to_json`.

        Raises:
            ValueError: the text is something else.
        """
        try:
            fields = json.loads(text)
            config = cls(**{**fields, "widths": tuple(fields["widths"]), "eye": tuple(fields.get("eye", ()))})
        except (KeyError, TypeError, ValueError, RecursionError) as exc:
            raise ValueError(f"not an encoder config: {text[:80]!r}") from exc
        numbers = (*config.widths, config.first_kernel, config.hidden, config.code, *config.eye)
        if not config.widths or not all(type(n) is int and 1 <= n <= _LARGEST_NUMBER for n in numbers):
            raise ValueError(f"not an encoder config: its numbers are not from 1 to {_LARGEST_NUMBER}")
        narrowed = len(EYE_LAYERS) - 1 if config.seen else 0
        if type(config.seen) is not int or not 0 <= config.seen <= _LARGEST_NUMBER or len(config.eye) != narrowed:
            raise ValueError(f"not an encoder config: its eye has {len(config.eye)} widths for {config.seen!r} numbers")
        return config


def is_read(layer: str) -> bool:
    """Returns whether the eye's statistics are read after this one of EYE_LAYERS, which begins a block."""
    return layer.endswith("1")


@dataclass(frozen=True)
class EncoderHead:
    """What turns a code into a style vector of one net: `weight @ code + bias`.

    Args:
        weight: float32[K x code].
        bias: float32[K].
        network_sha256: the checksum of the weights file of the net that the vectors belong to.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    network_sha256: str


@dataclass(frozen=True)
class EncoderWeights:
    """A style encoder with its heads.

    Args:
        config: its shape.
        arrays: float32, by the names that `styles.encoder.StyleEncoder` gives them.
        heads: by the name of the net.
        metadata: all that the file says.
        sha256: the checksum of the file, "" if there is none yet.
    """

    config: EncoderConfig
    arrays: Arrays
    heads: Mapping[str, EncoderHead]
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""

    def knows(self, net: str, sha256: str) -> bool:
        """Whether it predicts styles for this training of the net, whose file has that checksum."""
        head = self.heads.get(net)
        return head is not None and head.network_sha256 == sha256


def save_encoder(path: Path, weights: EncoderWeights) -> str:
    """Writes the encoder and its heads as float16 safetensors, atomically, and returns the sha256 of the file.

    Raises:
        WeightsError: a number is not finite, or too large for float16.
    """
    tensors = {f"encoder.{name}": array for name, array in weights.arrays.items()}
    for net, head in weights.heads.items():
        tensors |= {f"head.{net}.weight": head.weight, f"head.{net}.bias": head.bias}
    for name, array in tensors.items():
        if not np.abs(array).max(initial=0) <= np.finfo(np.float16).max:
            raise WeightsError(f"{path} cannot be written: {name} holds numbers that float16 does not")
    facts = {ENCODER_KEY: weights.config.to_json(), _NETS_KEY: heads_to_json(weights.heads)}
    save_tensors(path, tensors, {**weights.metadata, **facts})
    return file_sha256(path)


def load_encoder(path: Path) -> EncoderWeights:
    """Returns the encoder in a file.

    Raises:
        WeightsError: the file is damaged, or holds something else.
        FileNotFoundError: there is no such file.
    """
    tensors, metadata = load_tensors(path)
    nets = nets_of_heads(path, metadata)
    try:
        config = EncoderConfig.from_json(metadata[ENCODER_KEY])
        heads = {net: _head(tensors, net, sha256, config) for net, sha256 in nets.items()}
    except (KeyError, ValueError) as exc:
        raise WeightsError(f"{path} is not a style encoder: {exc}") from exc
    arrays = {name.removeprefix("encoder."): array for name, array in tensors.items() if name.startswith("encoder.")}
    if not all(np.isfinite(array).all() for array in tensors.values()):
        raise WeightsError(f"{path} holds a style encoder with values that are not numbers (NaN or infinite)")
    return EncoderWeights(config, arrays, heads, metadata, file_sha256(path))


def heads_to_json(heads: Mapping[str, EncoderHead]) -> str:
    """Returns which nets the heads belong to, as metadata: the checksums of the nets by name."""
    return json.dumps({net: head.network_sha256 for net, head in heads.items()})


def nets_of_heads(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns the checksums of the nets that the heads of an encoder belong to, by the names of the nets.

    Args:
        path: the file, for the message.
        metadata: of the file.

    Raises:
        WeightsError: it does not say so.
    """
    try:
        if ENCODER_KEY not in metadata:
            raise ValueError(f"{ENCODER_KEY!r}")
        nets = json.loads(metadata[_NETS_KEY])
        return {str(net): str(sha256) for net, sha256 in nets.items()}
    except (KeyError, ValueError, AttributeError, RecursionError) as exc:
        raise WeightsError(f"{path} is not a style encoder: {exc}") from exc


def is_encoder(metadata: Mapping[str, str]) -> bool:
    """Returns whether a file with this metadata holds a style encoder."""
    return ENCODER_KEY in metadata


def _head(tensors: Arrays, net: str, sha256: str, config: EncoderConfig) -> EncoderHead:
    weight, bias = (np.asarray(tensors[f"head.{net}.{part}"], np.float32) for part in ("weight", "bias"))
    if weight.shape != (len(bias), config.length):
        raise ValueError(f"the head of the net {net!r} is {weight.shape}; expected ({len(bias)}, {config.length})")
    return EncoderHead(weight, bias, sha256)
