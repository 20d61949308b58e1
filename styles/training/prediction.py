"""The vector that the style encoder predicts from a picture, with torch; `realtime.stylize.prediction` needs none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from styles.encoder import encoder_from_weights, head_from_weights
from styles.encoder_weights import EncoderWeights
from styles.training.pictures import encoder_input
from styles.weights import NetworkWeights, WeightsError


def predict_vector(
    encoder: EncoderWeights, net: str, weights: NetworkWeights, picture: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Returns the style of a picture, float32[K].

    Args:
        encoder: of style pictures.
        net: the name of the net.
        weights: the net.
        picture: the style picture, H x W x 3 uint8 RGB.

    Raises:
        WeightsError: the encoder predicts no styles for this training of the net.
    """
    if not encoder.knows(net, weights.sha256):
        known = ", ".join(encoder.heads) or "none"
        raise WeightsError(
            f"the style encoder does not predict styles for this version of the net {net!r} (its nets: {known})"
        )
    with torch.no_grad():
        code = encoder_from_weights(encoder)(encoder_input(picture))
        vector: NDArray[np.float32] = head_from_weights(encoder.heads[net])(code)[0].numpy()
    return vector
