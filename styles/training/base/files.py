"""The files of a base training: what one begins with, what it leaves, and what is shipped.

A training writes `<net>.safetensors` for each net (`net.…`, `vectors`, `head.weight`, `head.bias`) and
`encoder.safetensors`, all of averaged weights. Another training begins with such a folder, or with a folder of shipped
nets. `export_styles` writes such a folder from the files of a training: nets, style files, and the encoder with the
heads of all nets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from styles.architecture import NetworkConfig
from styles.encoder import StyleEncoder, encoder_arrays, encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderConfig, EncoderHead, EncoderWeights, is_encoder, load_encoder, save_encoder
from styles.network import TransformNet, network_from_weights
from styles.registry import ENCODER_NAME, NETWORK_SHA256, PICTURES, StylePicture
from styles.training.base.model import BaseModel, BaseNet, base_config, new_net
from styles.training.run import described
from styles.training.start import TRAINED_STYLES, starting_vector, trained_vector
from styles.weights import (
    NetworkWeights,
    WeightsError,
    file_sha256,
    is_network,
    load_network,
    load_tensors,
    read_metadata,
    save_network,
    save_style,
    save_tensors,
)

# Metadata keys of a training's files: the net's shape, and what is known of the style pictures.
_CONFIG = "base_config"
_PICTURES = "pictures"
_NET = "net."


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    Args:
        nets: by name.
        encoder: of style pictures.
        predicted: the own styles that the files do not hold, whose vectors begin with predictions.
        history: the commands of all trainings before, one a line; "" if there were none.
    """

    nets: Mapping[str, BaseNet]
    encoder: StyleEncoder
    predicted: Sequence[str] = ()
    history: str = ""


def new_start(kinds: Sequence[str], styles: Sequence[str]) -> Start:
    """Returns new nets and a new encoder, from torch's global generator.

    Args:
        kinds: names in CONFIGS.
        styles: the own styles of the nets.
    """
    encoder = StyleEncoder()
    return Start({kind: new_net(kind, styles, encoder.config.length) for kind in kinds}, encoder)


def read_start(folder: Path, kinds: Sequence[str], styles: Sequence[str]) -> Start:
    """Returns what a folder holds to begin with.

    Args:
        folder: of a training's files, or of shipped nets.
        kinds: the nets to read.
        styles: the own styles that the nets are to have.

    Raises:
        FileNotFoundError: a net is missing.
        WeightsError: a file is damaged, or of another shape.
    """
    encoder_file = folder / f"{ENCODER_NAME}.safetensors"
    has_encoder = encoder_file.is_file()
    encoder = _read_encoder(encoder_file) if has_encoder else StyleEncoder()
    nets: dict[str, BaseNet] = {}
    missing: set[str] = set()
    for kind in kinds:
        file = folder / f"{kind}.safetensors"
        if not file.is_file():
            raise FileNotFoundError(f"no net {kind!r} to begin with at {file}")
        shipped = is_network(read_metadata(file))
        nets[kind], unknown = (_read_shipped if shipped else _read_trained)(file, kind, styles, encoder.config.length)
        if shipped and has_encoder:
            _take_shipped_head(nets[kind], encoder_file, kind, file_sha256(file))
        missing |= unknown
    predicted = [style for style in styles if has_encoder and style in missing]
    return Start(nets, encoder, predicted, history_of(folder / f"{kinds[0]}.safetensors"))


def history_of(file: Path) -> str:
    """Returns the commands of the trainings that made a file, one a line; "" if it says nothing about them."""
    before = read_metadata(file)
    last = f"{before['steps']} steps: {before.get('command', 'unknown')}" if "steps" in before else ""
    return "\n".join(line for line in (before.get("history"), last) if line)


def write_model(folder: Path, model: BaseModel, pictures: Sequence[StylePicture], facts: Mapping[str, str]) -> None:
    """Writes the files of a training.

    Args:
        folder: where to.
        model: with averaged weights.
        pictures: what is known of the own styles' pictures, in the order of the vectors.
        facts: how the model was made, for the metadata.
    """
    known = json.dumps([{"name": picture.name, **described(picture)} for picture in pictures])
    for name, net in model.named_nets():
        metadata = {**facts, _CONFIG: net.net.config.to_json(), _PICTURES: known}
        save_tensors(folder / f"{name}.safetensors", _arrays(net), metadata)
    weights = EncoderWeights(model.encoder.config, encoder_arrays(model.encoder.state_dict()), {}, facts)
    save_encoder(folder / f"{ENCODER_NAME}.safetensors", weights)


def export_styles(source: Path, kinds: Sequence[str], target: Path) -> list[Path]:
    """Writes the files of a training in the form in which nets are shipped, and returns their paths.

    Args:
        source: the folder of the training.
        kinds: the nets to export.
        target: a style folder.

    Raises:
        FileNotFoundError: a file is missing.
        WeightsError: a file is damaged.
    """
    encoder_file = source / f"{ENCODER_NAME}.safetensors"
    if not encoder_file.is_file():
        raise FileNotFoundError(f"no encoder at {encoder_file}; expected the folder of nst-train base")
    written: list[Path] = []
    heads: dict[str, EncoderHead] = {}
    for kind in kinds:
        path, files, heads[kind] = _export_net(source / f"{kind}.safetensors", kind, target)
        written += [path, *files]
    encoder = _read_encoder(encoder_file)
    weights = EncoderWeights(
        encoder.config, encoder_arrays(encoder.state_dict()), heads, _shared_facts(read_metadata(encoder_file))
    )
    save_encoder(target / encoder_file.name, weights)
    return [*written, target / encoder_file.name]


def _export_net(file: Path, kind: str, target: Path) -> tuple[Path, list[Path], EncoderHead]:
    """Writes a net and its styles; returns their paths and the head that belongs to the net."""
    tensors, metadata = load_tensors(file)
    if _CONFIG not in metadata:
        raise WeightsError(f"{file} is not a net of nst-train base, or an older one: its metadata lack {_CONFIG!r}")
    config, facts = NetworkConfig.from_json(metadata[_CONFIG]), {"network": kind, **_shared_facts(metadata)}
    pictures = [StylePicture(**each) for each in json.loads(metadata[_PICTURES])]
    arrays = {name.removeprefix(_NET): array for name, array in tensors.items() if name.startswith(_NET)}
    path = target / f"{kind}.safetensors"
    names = json.dumps([picture.name for picture in pictures])
    sha256 = save_network(path, config, arrays, {TRAINED_STYLES: names, **facts})
    files = [target / kind / f"{picture.name}.safetensors" for picture in pictures]
    for picture, vector, style_file in zip(pictures, tensors["vectors"], files, strict=True):
        save_style(style_file, vector, {**described(picture), **facts, NETWORK_SHA256: sha256})
    return path, files, EncoderHead(tensors["head.weight"], tensors["head.bias"], sha256)


def _shared_facts(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns what the metadata say about the training."""
    own = {_CONFIG, _PICTURES, "encoder_config", "nets"}
    return {key: value for key, value in metadata.items() if key not in own}


def _read_encoder(file: Path) -> StyleEncoder:
    """Returns the encoder in a file, also in one that says nothing about its shape."""
    if is_encoder(read_metadata(file)):
        weights = load_encoder(file)
    else:
        arrays = {
            name: tensor.float().numpy() for name, tensor in load_file(file).items() if tensor.is_floating_point()
        }
        weights = EncoderWeights(EncoderConfig(), arrays, {})
    encoder = encoder_from_weights(weights)
    encoder.start_learning()
    return encoder


def _read_trained(file: Path, kind: str, styles: Sequence[str], code: int) -> tuple[BaseNet, set[str]]:
    """Returns a net from the file of a training, and the styles that it lacks."""
    tensors, metadata = load_tensors(file)
    if "vectors" not in tensors:
        raise WeightsError(f"{file} is not a net to begin with: it holds {', '.join(sorted(tensors)[:3]) or 'nothing'}")
    config = NetworkConfig.from_json(metadata[_CONFIG]) if _CONFIG in metadata else base_config(kind)
    arrays = {name.removeprefix(_NET): array for name, array in tensors.items() if name.startswith(_NET)}
    rows = tensors["vectors"]
    # those that say nothing were trained on the six
    names = [each["name"] for each in json.loads(metadata[_PICTURES])] if _PICTURES in metadata else list(PICTURES)
    known = dict(zip(names, rows, strict=False))
    vectors = np.stack([known.get(style, rows.mean(axis=0)) for style in styles])
    net = BaseNet(_network(NetworkWeights(config, arrays, metadata, "")), torch.from_numpy(vectors), code)
    if tensors.get("head.weight", np.empty(0)).shape == tuple(net.head.weight.shape):
        head = EncoderHead(tensors["head.weight"], tensors["head.bias"], "")
        net.head.load_state_dict(head_from_weights(head).state_dict())
    return net, set(styles) - set(names)


def _read_shipped(file: Path, kind: str, styles: Sequence[str], code: int) -> tuple[BaseNet, set[str]]:
    """Returns a net from its shipped file and its style files, and the styles that it lacks."""
    weights = load_network(file)
    mean = starting_vector(file).numpy()
    found = {style: trained_vector(file, weights, style) for style in styles}
    vectors = np.stack([mean if vector is None else vector for vector in found.values()])
    net = BaseNet(_network(replace(weights, config=base_config(kind))), torch.from_numpy(vectors), code)
    return net, {style for style, vector in found.items() if vector is None}


def _take_shipped_head(net: BaseNet, encoder_file: Path, kind: str, sha256: str) -> None:
    """Gives a net its head from the encoder's file, if that has one for this very training of it."""
    encoder = load_encoder(encoder_file)
    if encoder.knows(kind, sha256):
        net.head.load_state_dict(head_from_weights(encoder.heads[kind]).state_dict())


def _network(weights: NetworkWeights) -> TransformNet:
    return network_from_weights(weights).train().requires_grad_()


def _arrays(module: nn.Module) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.float().cpu().contiguous().numpy() for name, tensor in module.state_dict().items()}
