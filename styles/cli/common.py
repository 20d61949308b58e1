"""What the subcommands of `nst-train` make of the options that several of them have."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence

import torch

from styles.support.errors import UsageError
from styles.training.loss_network import SMALLEST_SIDE
from styles.training.loss_weights import LossWeights


def check_style_scale(args: argparse.Namespace) -> None:
    if args.style_scale is not None and args.style_scale < SMALLEST_SIDE:
        raise UsageError(f"--style-scale {args.style_scale}: the loss network looks at {SMALLEST_SIDE} pixels and up")


def loss_weights(args: argparse.Namespace, names: Collection[str]) -> LossWeights:
    content, contents = _common_and_single("--content-weight", args.content_weight, names)
    style, styles = _common_and_single("--style-weight", args.style_weight, names)
    tv, tvs = _common_and_single("--tv-weight", args.tv_weight, names)
    temporal, temporals = _common_and_single("--temporal-weight", getattr(args, "temporal_weight", []), names)
    given = {
        "content": content,
        "style": style,
        "tv": tv,
        "temporal": temporal,
        "lattice": getattr(args, "lattice_weight", None),
        "structure": args.structure_weight,
    }
    weights = {name: weight for name, weight in given.items() if weight is not None}
    return LossWeights(**weights, contents=contents, styles=styles, tvs=tvs, temporals=temporals)


def _common_and_single(
    option: str, values: Sequence[tuple[str, float]], names: Collection[str]
) -> tuple[float | None, dict[str, float]]:
    """Returns the weight that was given without a name, if any, and those of single styles; of each the last."""
    single = {name: weight for name, weight in values if name}
    unknown = sorted(single.keys() - set(names))
    if unknown:
        raise UsageError(f"{option} {unknown[0]}=…: no such style here; there are: {', '.join(sorted(names))}")
    return next((weight for name, weight in reversed(values) if not name), None), single


def device_named(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
