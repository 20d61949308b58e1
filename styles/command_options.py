"""What the subcommands of `nst-train` make of the options that several of them have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import torch

from styles.training import LossWeights


class UsageError(ValueError):
    """The options do not go together."""


def loss_weights(args: argparse.Namespace, names: Iterable[str]) -> LossWeights:
    styles = {name: weight for name, weight in args.style_weight if name}
    unknown = sorted(styles.keys() - set(names))
    if unknown:
        raise UsageError(f"--style-weight {unknown[0]}=…: no such style here; there are: {', '.join(sorted(names))}")
    given = {
        "content": args.content_weight,
        "style": next((weight for name, weight in reversed(args.style_weight) if not name), None),
        "tv": args.tv_weight,
        "temporal": getattr(args, "temporal_weight", None),
        "lattice": getattr(args, "lattice_weight", None),
    }
    return LossWeights(**{name: weight for name, weight in given.items() if weight is not None}, styles=styles)


def device_named(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
