"""The file of a style that was refined during a show: an ordinary style, with the facts of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realtime.backends import Vector
from realtime.frames import Pixels
from realtime.sinks.recorder import unused_path
from realtime.stylize.loaded_style import LoadedStyle
from styles.kept_picture import small_copy
from styles.registry import NETWORK_SHA256, is_picture, list_styles, network_sha256
from styles.training.loss_weights import LOSS_UNITS
from styles.weights import file_sha256, save_style


@dataclass(frozen=True)
class RefiningPlan:
    """How styles are refined.

    Args:
        minutes: for how long each.
        loss_network: the file of the loss network.
        folder: the user's own styles.
        photos: a folder of photographs to train on; None for frames of the show.
    """

    minutes: float
    loss_network: Path
    folder: Path
    photos: Path | None = None


@dataclass(frozen=True, eq=False)
class Refined:
    """What a refinement has made.

    Args:
        style: what was refined.
        vector: the best one, float32[K].
        picture: of the style, H x W x 3 uint8 RGB.
        steps: that were taken.
        minutes: that it took.
    """

    style: LoadedStyle
    vector: Vector
    picture: Pixels
    steps: int
    minutes: float


def save_refined(refined: Refined, plan: RefiningPlan) -> Path:
    """Writes a style into the user's own folder, under a name that is free there; returns its file.

    Raises OSError.
    """
    style, weights = refined.style, refined.style.net.weights
    assert weights is not None, "only a net of our own has vectors"
    source = "frames of a show" if plan.photos is None else str(plan.photos)
    facts = {
        "title": style.title,
        "artist": style.artist,
        "network": style.net.name,
        NETWORK_SHA256: network_sha256(weights),
        "command": f"refined by nst-live --refine for {refined.minutes:.1f} minutes on {source}",
        "steps": str(refined.steps),
        "minutes": f"{refined.minutes:.1f}",
        "loss_units": LOSS_UNITS,
        "loss_network_sha256": file_sha256(plan.loss_network),
    }
    folder = plan.folder / style.net.name
    folder.mkdir(parents=True, exist_ok=True)
    path = unused_path(folder, _free_name(style), ".safetensors")
    save_style(path, refined.vector, facts, small_copy(refined.picture))
    return path


def _free_name(style: LoadedStyle) -> str:
    """Returns a style's name without the suffix of its picture; it hides no other style of that name."""
    name = Path(style.name).stem if is_picture(Path(style.name)) else style.name
    return f"{name}-refined" if any(other.name == name for other in list_styles(style.net.name)) else name
