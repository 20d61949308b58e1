"""Where a training begins: with a new net or a trained one, and with vectors of an earlier training, what the encoder
predicts, or a mean.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.architecture import CONFIGS
from styles.encoder_weights import load_encoder
from styles.network import TransformNet, network_from_weights
from styles.registry import NETWORK_SHA256, encoder_path, network_path
from styles.training.growth import grown
from styles.training.job import Result, TrainingJob
from styles.training.pictures import read_picture
from styles.training.prediction import predict_vector
from styles.weights import NetworkWeights, WeightsError, load_network, load_style, read_metadata

_log = logging.getLogger(__name__)

# The metadata key with the names of the styles that a net was trained with, as JSON.
TRAINED_STYLES = "styles"


@dataclass(frozen=True)
class TrainingStart:
    """Where a training begins: float32[S x K] vectors, one row a style; `sha256` is that of the net's file, if any."""

    net: TransformNet
    vectors: Tensor
    sha256: str = ""


def start_of(job: TrainingJob) -> TrainingStart:
    """Returns where a training begins.

    Raises:
        WeightsError, GrowthError, UnknownStyleError, FileNotFoundError: there is nothing to begin with.
    """
    if job.result is Result.VECTOR:
        return _start_of_vector(job)
    if job.init is not None:
        return _start_from_weights(job, job.init)
    torch.manual_seed(job.plan.seed)
    net = TransformNet(CONFIGS[job.net])
    return TrainingStart(net, net.plain_style().repeat(len(job.pictures), 1))


def _start_of_vector(job: TrainingJob) -> TrainingStart:
    beside = job.output / f"{job.net}.safetensors"
    path = beside if beside.is_file() else network_path(job.net)
    weights = load_network(path)
    if weights.vector is not None:
        raise WeightsError(
            f"the net {job.net!r} was trained for one style alone and takes no other; "
            "expected fast, full, or a net that you trained from several pictures"
        )
    net = network_from_weights(weights)
    if job.init:
        vector = torch.from_numpy(load_style(job.init).vector)
    else:
        (picture,) = job.pictures
        vector = torch.from_numpy(_vector_of_picture(path, job.net, weights, read_picture(picture)))
    if vector.shape != (net.style_size,):
        raise WeightsError(
            f"{job.init} is a style of {len(vector)} numbers; the net {job.net!r} takes {net.style_size}"
        )
    return TrainingStart(net, vector[None], weights.sha256)


def _start_from_weights(job: TrainingJob, init: Path) -> TrainingStart:
    """Styles of the same name go on from their vectors, others from the mean of them all."""
    weights = load_network(init)
    mean = starting_vector(init)
    vectors = [trained_vector(init, weights, picture.name) for picture in job.pictures.values()]
    rows = torch.stack([mean if vector is None else torch.from_numpy(vector) for vector in vectors])
    net = network_from_weights(weights)
    if job.net:
        torch.manual_seed(job.plan.seed)
        net, rows = grown(net, rows, CONFIGS[job.net])
    return TrainingStart(net, rows)


def _vector_of_picture(
    network: Path, net: str, weights: NetworkWeights, picture: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Returns what a new style begins with, float32[K]: its prediction, or `starting_vector` if the encoder cannot.

    Args:
        network: the net's file.
        net: its name.
        weights: what the file holds.
        picture: the style picture, H x W x 3 uint8 RGB.

    Raises:
        WeightsError: the encoder cannot be read.
    """
    file = encoder_path()
    encoder = load_encoder(file) if file else None
    if encoder is None or not encoder.knows(net, weights.sha256):
        _log.info("the style encoder does not know this net %s: beginning with the mean of its styles", net)
        return starting_vector(network).numpy()
    return predict_vector(encoder, net, weights, picture)


def starting_vector(network: Path) -> Tensor:
    """Returns the vector that a style starts from if none is predicted, float32[K]: the mean of the net's own.

    Styles that the user added later are left out, so that the same command gives the same style again.
    """
    weights = load_network(network)
    names = json.loads(weights.metadata.get(TRAINED_STYLES, "[]"))
    vectors = [vector for name in names if (vector := trained_vector(network, weights, name)) is not None]
    if weights.vector is not None:
        vectors.append(weights.vector)
    if not vectors:
        return TransformNet(weights.config).plain_style()
    return torch.from_numpy(np.mean(vectors, axis=0))


def trained_vector(network: Path, weights: NetworkWeights, name: str) -> NDArray[np.float32] | None:
    """Returns the vector of that style in the net's folder, if there is one and it belongs to this training of it."""
    path = network.with_suffix("") / f"{name}.safetensors"
    if not path.is_file() or read_metadata(path).get(NETWORK_SHA256) != weights.sha256:
        return None
    return load_style(path).vector
