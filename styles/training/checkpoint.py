"""Checkpoints: what a training was in the middle of, and whether the same command goes on from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from styles.support.atomic_file import atomic_path
from styles.training.loss_network import first_line


class CheckpointError(ValueError):
    """A checkpoint cannot be read."""


class SettingsError(ValueError):
    """A checkpoint was made by another command."""


def write_checkpoint(path: Path, state: Mapping[str, object]) -> None:
    """Writes a checkpoint, atomically: after a kill, the last one is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        torch.save(dict(state), partial)


def read_checkpoint(path: Path, device: torch.device, settings: Mapping[str, object], instead: str) -> dict[str, Any]:
    """Returns what a checkpoint holds.

    Args:
        path: the file.
        device: where its tensors go.
        settings: what must be equal for a training to go on as if it had not been interrupted.
        instead: what to do if something is not equal, for the error.

    Raises:
        CheckpointError: the file cannot be read.
        SettingsError: another command made it; the text names the first setting that differs.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as exc:  # a damaged pickle can raise anything
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {first_line(exc)}") from exc
    ours = _flat(settings)
    theirs = _flat({key: state.get(key) for key in settings})
    for name in sorted(ours.keys() | theirs.keys()):
        if theirs.get(name) != ours.get(name):
            raise SettingsError(
                f"{path} was made with other settings ({name}: {theirs.get(name)}, now {ours.get(name)}); {instead}"
            )
    return state


def _flat(settings: Mapping[str, object], group: str = "") -> dict[str, object]:
    """Returns the settings one by one, those of groups as "group.name"."""
    flat: dict[str, object] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{group}{name}.") if isinstance(value, dict) else {group + name: value}
    return flat
