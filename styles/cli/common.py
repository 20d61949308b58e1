"""What the subcommands of `nst-train` make of the options that several of them have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch

from styles.cli.options import BaseLossOptions, LossOptions, NamedWeight, TrainingLossOptions
from styles.registry import StylePicture, known_picture
from styles.support.errors import UsageError
from styles.training.loss_network import SMALLEST_SIDE, LossNetwork, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS, LossWeights
from styles.training.memory import keep_freed_memory

# The word for the unpainted photograph itself instead of a style: the floor of every figure.
UNPAINTED = "photo"
_NAME = re.compile(r"\w[\w.-]*")


def check_style_scale(style_scale: int | None) -> None:
    """Raises UsageError if style pictures of that short side are too small for the loss network."""
    if style_scale is not None and style_scale < SMALLEST_SIDE:
        raise UsageError(f"--style-scale {style_scale}: the loss network looks at {SMALLEST_SIDE} pixels and up")


def loss_weights(options: LossOptions, names: Collection[str]) -> LossWeights:
    """Returns the weights of the losses.

    Args:
        options: what was typed.
        names: of the styles that are painted, which can have weights of their own.

    Raises:
        UsageError: a weight names another style.
    """
    usual = DEFAULT_LOSS_WEIGHTS
    content, contents = _common_and_single("--content-weight", options.content_weight, names, usual.content)
    style, styles = _common_and_single("--style-weight", options.style_weight, names, usual.style)
    tv, tvs = _common_and_single("--tv-weight", options.tv_weight, names, usual.tv)
    weights = LossWeights(
        content=content,
        style=style,
        tv=tv,
        structure=options.structure_weight,
        contents=contents,
        styles=styles,
        tvs=tvs,
    )
    if not isinstance(options, TrainingLossOptions):
        return weights
    temporal, temporals = _common_and_single("--temporal-weight", options.temporal_weight, names, usual.temporal)
    weights = replace(weights, temporal=temporal, temporals=temporals, lattice=options.lattice_weight)
    if not isinstance(options, BaseLossOptions):
        return weights
    return replace(weights, fringes=options.fringe_weight, border=options.border_weight, flat=options.flat_weight)


def _common_and_single(
    option: str, values: Sequence[NamedWeight], names: Collection[str], usual: float
) -> tuple[float, dict[str, float]]:
    """Returns the weight that was typed without a name, or the usual one, and those of single styles; of each the last.

    Raises UsageError if a name is not among `names`.
    """
    single = {name: weight for name, weight in values if name}
    unknown = sorted(single.keys() - set(names))
    if unknown:
        raise UsageError(f"{option} {unknown[0]}=…: no such style here; there are: {', '.join(sorted(names))}")
    return next((weight for name, weight in reversed(values) if not name), usual), single


def describe_pictures(
    paths: Sequence[Path], names: Sequence[str], facts: Mapping[str, str] = MappingProxyType({})
) -> dict[Path, StylePicture]:
    """Returns, for the file of each style picture, what the metadata will say about it.

    Args:
        paths: the files.
        names: of the styles.
        facts: fields of StylePicture that the user gave.

    Raises:
        UsageError: two styles have the same name, or one cannot be a name.
    """
    for name in names:
        check_name(name)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two pictures are called {twice[0]!r}; a style is named by its picture's file name")
    known = [known_picture(path) if path.is_file() else None for path in paths]
    described = [replace(picture or StylePicture("", "", "", "", ""), **facts) for picture in known]
    return {
        path: replace(picture, name=name, title=picture.title or name)
        for path, name, picture in zip(paths, names, described, strict=True)
    }


def check_name(name: str) -> None:
    """Raises UsageError if a style, or a net, cannot have this name."""
    if not _NAME.fullmatch(name) or name == UNPAINTED or Path(name).suffix in {".safetensors", ".onnx"}:
        raise UsageError(
            f"{name!r} cannot be the name of a style; expected letters, digits, '_', '-' and '.', no file's ending and "
            f"not {UNPAINTED!r}: --name NAME, or another name for the picture"
        )


def device_named(name: str) -> torch.device:
    """Returns the device of that name; "auto" is the GPU if there is one. Raises UsageError if there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def open_loss_network(given: Path | None, device: torch.device) -> LossNetwork:
    """Returns the loss network, ready to compute: memory that it frees is kept from here on.

    Args:
        given: the file that the user named, or None.
        device: what computes.

    Raises:
        FileNotFoundError: the file that was named does not exist.
        MissingLossNetworkError: no file was named, and the article's is not installed.
        LossNetworkError: the file is something else.
    """
    file = find_loss_network(given)
    keep_freed_memory()
    return load_loss_network(file).to(device)
