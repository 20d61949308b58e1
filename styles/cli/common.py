"""What the subcommands of `nst-train` make of the options that several of them have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch

from styles.cli.options import LossOptions, NamedWeight, TrainingLossOptions
from styles.support.errors import UsageError
from styles.training.loss_network import SMALLEST_SIDE
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS, LossWeights


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
    return replace(weights, temporal=temporal, temporals=temporals, lattice=options.lattice_weight)


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


def device_named(name: str) -> torch.device:
    """Returns the device of that name; "auto" is the GPU if there is one. Raises UsageError if there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
