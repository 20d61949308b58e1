"""What paints a picture, whatever is behind it: a net with a style vector, or an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from styles.encoder_weights import EncoderWeights
from styles.network import network_from_weights
from styles.support.openvino_core import openvino_core
from styles.training.pictures import to_picture, to_tensor
from styles.training.prediction import predict_vector
from styles.weights import NetworkWeights, WeightsError

# H x W x 3 uint8 RGB in, the same size out.
Painter = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def network_painter(weights: NetworkWeights, vector: NDArray[np.float32], device: torch.device) -> Painter:
    """Returns what paints with a net in float32: the reference for all backends.

    Args:
        weights: the net.
        vector: the style, float32[K].
        device: what computes.

    Raises:
        WeightsError: net and style do not belong together.
    """
    net = network_from_weights(weights).to(device)
    if vector.shape != (net.style_size,):
        raise WeightsError(
            f"the style has {vector.size} numbers; the net {weights.config.name!r} takes {net.style_size}"
        )
    style = torch.from_numpy(vector)[None].to(device)

    def paint(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.no_grad():
            return to_picture(net(to_tensor(picture).to(device), style))

    return _at_any_size(paint, weights.config.size_multiple)


def predicted_painter(
    encoder: EncoderWeights, net: str, weights: NetworkWeights, picture: NDArray[np.uint8], device: torch.device
) -> Painter:
    """Returns what paints in the style of any picture, which an encoder predicts.

    Args:
        encoder: of style pictures.
        net: the name of the net.
        weights: the net.
        picture: the style picture, H x W x 3 uint8.
        device: what computes.

    Raises:
        WeightsError: the encoder predicts no styles for this training of the net.
    """
    return network_painter(weights, predict_vector(encoder, net, weights, picture), device)


def onnx_painter(path: Path, vector: NDArray[np.float32] | None = None, weights_sha256: str = "") -> Painter:
    """Returns what paints with an ONNX file on the CPU in float32, by OpenVINO.

    Args:
        path: the file, which takes `frame`, 1 x H x W x 3 uint8, and may take `style`, float32[K].
        vector: the style, if the file takes one.
        weights_sha256: the checksum of the weights that the file must be made from; "" for any.

    Raises:
        WeightsError: the file is something else, or made from other weights.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no ONNX file at {path}")
    try:
        core = openvino_core()
        model = core.read_model(path)
        net = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    except RuntimeError as exc:
        raise WeightsError(f"{path} cannot be read as ONNX: {str(exc).splitlines()[0]}") from exc
    if weights_sha256 and _fact(model, "weights_sha256") != weights_sha256:
        raise WeightsError(f"{path} was made from other weights than the net has now; nst-build onnx makes it again")
    inputs = {node.any_name: node.element_type.get_type_name() for node in net.inputs}
    if inputs.get("frame") != "u8":
        raise WeightsError(f"{path} takes {', '.join(inputs)}; expected 'frame', 1 x H x W x 3 uint8")
    if "style" in inputs and vector is None:
        raise WeightsError(f"{path} paints in many styles; name one of them and give --onnx")
    styles = {"style": vector} if "style" in inputs else {}

    def paint(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.array(net({"frame": np.ascontiguousarray(picture)[None], **styles})[0][0])

    return _at_any_size(paint, int(_fact(model, "size_multiple") or 1))


def _fact(model: Any, name: str) -> str:
    """Returns a value of the metadata of an ONNX file, "" if there is none."""
    where = ["framework", name]  # OpenVINO's place for them
    return str(model.get_rt_info(where).astype(str)) if model.has_rt_info(where) else ""


def _at_any_size(paint: Painter, multiple: int) -> Painter:
    """Returns a painter that repeats the last row and column up to the next size that the net takes."""

    def paint_padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = picture.shape[:2]
        if height % multiple == 0 and width % multiple == 0:
            return paint(picture)
        padded = np.pad(picture, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="edge")
        return paint(padded)[:height, :width]

    return paint_padded
