"""What `nst-train evaluate` measures: styles, files, predicted styles, other people's nets, the photograph itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from styles.cli.common import UNPAINTED
from styles.cli.options import EvaluateOptions
from styles.encoder_weights import load_encoder
from styles.evaluation.painter import Painter, network_painter, onnx_painter, predicted_painter
from styles.evaluation.steadiness import Frame
from styles.registry import encoder_path, find_style, network_path, network_sha256, onnx_path
from styles.support.errors import UsageError
from styles.training.pictures import read_picture, style_picture
from styles.weights import WeightsError, load_network, load_style

# The net that styles are predicted for if none is named.
_USUAL_NET = "fast"


@dataclass(frozen=True)
class Candidate:
    """What is evaluated.

    Args:
        label: what the rows of the tables call it.
        style: names the style picture, "" without one.
        paint: what paints.
        picture: the style picture, H x W x 3 uint8.
        predicted: the encoder predicted the style.
    """

    label: str
    style: str
    paint: Painter
    picture: Frame | None = None
    predicted: bool = False


def all_candidates(options: EvaluateOptions, device: torch.device) -> list[Candidate]:
    """Returns what the options name.

    Raises:
        UsageError, UnknownStyleError, StyleMismatchError, WeightsError, PictureError, FileNotFoundError: something
            cannot be evaluated.
    """
    named = [_with_picture(_candidate(word, options, device), options.pictures) for word in options.styles]
    return [*named, *_predicted(options, device)]


def _candidate(word: str, options: EvaluateOptions, device: torch.device) -> Candidate:
    """Returns what `[STYLE=]NAME|FILE.safetensors|FILE.onnx|photo` on the command line means."""
    # a word with a slash before its first "=" is a path
    style, what = word.split("=", 1) if "=" in word and "/" not in word.split("=", 1)[0] else ("", word)
    path = Path(what)
    if what == UNPAINTED and not style and options.pictures:
        raise UsageError(f"{UNPAINTED} is compared with a style picture: NAME={UNPAINTED}")
    if what == UNPAINTED:
        return Candidate(word, style, lambda picture: picture)
    if path.suffix == ".onnx":
        return Candidate(word, style or path.stem, onnx_painter(path))
    found = find_style(what, options.net)
    vector = load_style(found.path).vector
    if options.onnx:
        sha256 = network_sha256(found.network_path)
        paint = onnx_painter(onnx_path(found.network), None if found.dedicated else vector, sha256)
    else:
        paint = network_painter(load_network(found.network_path), vector, device)
    return Candidate(word, style or found.name, paint)


def _predicted(options: EvaluateOptions, device: torch.device) -> list[Candidate]:
    """Returns the styles that the encoder predicts from the given pictures. Raises WeightsError if there is none."""
    if not options.style_picture:
        return []
    net, file = options.net or _USUAL_NET, encoder_path()
    if file is None:
        raise WeightsError("there is no style encoder; nst-train base trains one")
    encoder, weights = load_encoder(file), load_network(network_path(net))
    return [
        Candidate(
            label=f"{path.stem}:predicted",
            style=str(path),
            paint=predicted_painter(encoder, net, weights, picture, device),
            picture=picture,
            predicted=True,
        )
        for path in options.style_picture
        for picture in [read_picture(path)]
    ]


def _with_picture(candidate: Candidate, folder: Path | None) -> Candidate:
    if folder is None:
        return candidate
    return replace(candidate, picture=read_picture(style_picture(folder, candidate.style)))


def other_nets(folder: Path | None, candidates: Sequence[Candidate]) -> dict[str, Candidate]:
    """Returns other people's nets in that folder, by style. Raises FileNotFoundError if one is missing."""
    if folder is None:
        return {}
    pictures = {each.style: each.picture for each in candidates if each.style and not each.predicted}
    return {
        style: Candidate(f"{folder}/{style}.onnx", style, onnx_painter(folder / f"{style}.onnx"), picture)
        for style, picture in pictures.items()
    }
