"""Trains a transform net, or a style vector on a frozen one, against the loss network.

One step: a few photographs, each painted in another style; the article's content, style and total-variation losses of
the paintings; and the temporal loss between up to half of them and the paintings of the same photographs after a small
camera motion.
All random numbers of a step follow from (seed, step) alone, so a resumed run goes on exactly as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from styles.network import TransformNet
from styles.training.checkpoint import read_checkpoint, write_checkpoint
from styles.training.loss_network import SMALLEST_SIDE, LossNetwork
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS, LossWeights
from styles.training.losses import (
    content_loss,
    lattice_loss,
    structure_loss,
    style_loss,
    temporal_loss,
    total_variation_loss,
)
from styles.training.motion import Motion, camera_noise, random_motion
from styles.training.pictures import MAX_ZOOM, PhotoSet, to_picture, to_tensor
from styles.training.precision import autocast, memory_format
from styles.training.style_grams import style_grams, style_size

_WARM_UP_STEPS = 50
# This many steps in a row without a finite gradient are no accident.
_MOST_LOST_STEPS = 50
# Zooms for which the style pictures' Gram matrices are kept; a photograph uses the nearest.
_ZOOMS = (0.5, 0.7, 1.0, 1.25, 1.6, MAX_ZOOM)
# From how far paintings and style pictures are compared, at random: 0.5 is twice as far. From near alone, a mesh of
# single pixels passes for brush strokes; from further away it is gone, and only strokes are left to be alike.
_DISTANCES = (1.0, 1.0, 1.0, 0.6)
# About the content loss of an empty painting, in the article's units. The optimiser sees losses divided by it, so that
# only the first steps and accidents reach the limit of the gradient's norm.
_LOSS_UNIT = 4e6


@dataclass(frozen=True)
class TrainingPlan:
    """How long and with what to train. Either `steps` or `minutes` ends it.

    Args:
        steps: the length of the training.
        minutes: the length of the training, without interruptions.
        batch: photographs in each step.
        crop: the side of the training pictures, in pixels.
        learning_rate: Adam's, at its highest.
        seed: of all random numbers.
        style_scale: the short side of the style pictures in pixels, None for their own size.
        zoom_style: if a photograph is seen from nearer, so is the style picture.
        far: one step in four compares both from further away.
        weights: of the losses.
    """

    steps: int | None = None
    minutes: float | None = None
    batch: int = 3
    crop: int = 256
    learning_rate: float = 2e-3
    seed: int = 0
    style_scale: int | None = None
    zoom_style: bool = False
    far: bool = False
    weights: LossWeights = DEFAULT_LOSS_WEIGHTS

    @property
    def zooms(self) -> tuple[float, ...]:
        """The zooms at which style pictures are looked at."""
        return _ZOOMS if self.zoom_style or self.far else (1.0,)


@dataclass(frozen=True)
class StyleTarget:
    """A style to be learned: its name, its picture (H x W x 3 uint8 RGB) and its Gram matrices.

    grams: one a layer, Z x C x C, for the picture at each of the plan's zooms.
    """

    name: str
    picture: NDArray[np.uint8]
    grams: tuple[Tensor, ...]


@dataclass(frozen=True)
class Progress:
    """Where a training stands; the losses are smoothed over about the last 50 steps and unweighted."""

    step: int
    fraction: float
    elapsed_s: float
    losses: Mapping[str, float]


def style_target(name: str, picture: NDArray[np.uint8], network: LossNetwork, plan: TrainingPlan) -> StyleTarget:
    """Returns the target for a style picture, at the sizes that the plan wants."""
    sized = style_size(picture, plan.style_scale)
    side = min(sized.shape[:2])
    grams = [
        style_grams(sized, network, None if zoom == 1 else max(SMALLEST_SIDE, round(side * zoom)))
        for zoom in plan.zooms
    ]
    return StyleTarget(name, sized, tuple(torch.cat(layer) for layer in zip(*grams, strict=True)))


@dataclass(frozen=True)
class _Draw:
    """The random part of a step: photographs, the style of each; a camera motion of the first ones, and these after it.

    `scale` is that at which the loss network looks; `zooms` are places in the plan's, of the pictures as it sees them.
    """

    photos: Tensor
    scale: float
    zooms: Tensor
    chosen: Tensor
    motion: Motion
    moved: Tensor


class Trainer:
    """A training in progress: `run` goes on to the end of the plan, `save` and `load` keep it across runs.

    Args:
        net: what is trained, unless it is `frozen`.
        vectors: one row for each style, float32[S x K].
        targets: the styles, in the order of the vectors.
        photos: what is painted.
        loss_network: what judges the paintings.
        plan: how long and with what to train.
        frozen: train the vectors alone.
        origin: what else must be the same when a training is resumed: its start, the loss network, the photographs.
    """

    def __init__(
        self,
        *,
        net: TransformNet,
        vectors: Tensor,
        targets: Sequence[StyleTarget],
        photos: PhotoSet,
        loss_network: LossNetwork,
        plan: TrainingPlan,
        frozen: bool = False,
        origin: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        if (plan.steps is None) == (plan.minutes is None):
            raise ValueError("a training plan needs either steps or minutes")
        self.device = next(loss_network.buffers()).device
        self.net = net.to(self.device).requires_grad_(not frozen)
        self.memory_format = memory_format(self.device)
        for module in (self.net, loss_network):
            module.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
        self.vectors = nn.Parameter(vectors.to(self.device).clone())
        self.targets, self.photos, self.loss_network, self.plan = targets, photos.to(self.device), loss_network, plan
        self.origin = origin
        trained = [self.vectors] if frozen else [self.vectors, *net.parameters()]
        loss_network.prepare_training()
        self.optimizer = torch.optim.Adam(trained, lr=plan.learning_rate)
        # one a layer: S x Z x C x C
        self.grams = [torch.stack(layer) for layer in zip(*(target.grams for target in targets), strict=True)]
        weights = [plan.weights.of(target.name) for target in targets]
        # by loss, one of each style
        self.weights = {
            loss: torch.tensor([getattr(each, loss) for each in weights], device=self.device)
            for loss in ("content", "style", "tv", "temporal")
        }
        self.step, self.elapsed_s = 0, 0.0
        self.losses: dict[str, float] = {}
        self._lost_steps = 0
        self._next: tuple[int, _Draw] | None = None

    @property
    def fraction(self) -> float:
        """How much of the plan is done, 0..1."""
        if self.plan.steps is not None:
            return min(1.0, self.step / self.plan.steps)
        assert self.plan.minutes is not None
        return min(1.0, self.elapsed_s / (60 * self.plan.minutes))

    def run(self, report: Callable[[Progress], None]) -> None:
        """Trains to the end of the plan; `report` is called after every step and may raise to stop."""
        while self.fraction < 1:
            started_s = time.monotonic()
            self._train_one_step()
            self.step += 1
            self.elapsed_s += time.monotonic() - started_s
            report(Progress(self.step, self.fraction, self.elapsed_s, dict(self.losses)))

    def paint(self, photo: NDArray[np.uint8], style: int) -> NDArray[np.uint8]:
        """Returns the photograph (H x W x 3 uint8) painted as the nets are now."""
        with torch.no_grad():
            return to_picture(self.net(to_tensor(photo).to(self.device), self.vectors[style : style + 1]))

    def save(self, path: Path) -> None:
        """Writes a checkpoint, atomically."""
        state = {
            **self._settings(),
            "net": self.net.state_dict(),
            "vectors": self.vectors.data,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "losses": self.losses,
        }
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint. Raises CheckpointError, or SettingsError if another command made it."""
        instead = "give the same command, or delete the checkpoint to start again"
        state = read_checkpoint(path, self.device, self._settings(), instead)
        self.net.load_state_dict(state["net"])
        self.vectors.data.copy_(state["vectors"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s, self.losses = state["step"], state["elapsed_s"], state["losses"]

    def _settings(self) -> dict[str, object]:
        """What must be equal for a training to go on as if it had not been interrupted."""
        return {
            "plan": asdict(self.plan),
            "styles": [target.name for target in self.targets],
            "origin": dict(self.origin),
        }

    def _learning_rate(self) -> float:
        warm_up = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        return self.plan.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * self.fraction))

    def _train_one_step(self) -> None:
        losses, total = self._losses(self._drawn())
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total / _LOSS_UNIT)
        norm = nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], 10.0)
        # before anything is read back, so that a GPU has work while the next photographs are drawn
        self._next = self.step + 1, self._draw(self.step + 1)
        # a crop of one colour has no variance, and dividing by it in layer after layer no end
        if torch.isfinite(norm):
            self.optimizer.step()
            self._lost_steps = 0
        else:
            self._lose_step()
        self._smooth(losses)

    def _lose_step(self) -> None:
        self._lost_steps += 1
        if self._lost_steps == _MOST_LOST_STEPS:
            raise FloatingPointError(
                f"no finite gradient in {_MOST_LOST_STEPS} steps up to step {self.step}: photographs of one colour "
                "give none, and a --learning-rate that is too high ends so"
            )

    def _drawn(self) -> _Draw:
        """Returns the draw of this step, which is made while the one before it runs."""
        step, draw = self._next or (-1, None)
        return draw if draw is not None and step == self.step else self._draw(self.step)

    def _draw(self, step: int) -> _Draw:
        plan = self.plan
        rng = np.random.default_rng((plan.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        photos, zooms = self.photos.batch(plan.batch, plan.crop, rng)
        scales = [scale for scale in _DISTANCES if scale == 1 or (plan.far and scale * plan.crop >= SMALLEST_SIDE)]
        scale = scales[rng.integers(len(scales))]
        seen_zooms = scale * (zooms if plan.zoom_style else np.ones_like(zooms))
        nearest = np.abs(np.log(seen_zooms[:, None] / np.array(plan.zooms))).argmin(axis=1)
        photos = photos.contiguous(memory_format=self.memory_format)
        chosen = torch.from_numpy(spread_choice(rng, len(self.targets), plan.batch)).to(self.device)
        count = max(1, plan.batch // 2)
        motion = random_motion(count, plan.crop, plan.crop, generator)
        motion = Motion(motion.grid.to(self.device), motion.valid.to(self.device))
        moved = camera_noise(motion.move(photos[:count]), generator) if plan.weights.temporal else photos[:0]
        return _Draw(photos, scale, torch.from_numpy(nearest).to(self.device), chosen, motion, moved)

    def _losses(self, draw: _Draw) -> tuple[dict[str, Tensor], Tensor]:
        """Returns the unweighted losses by name and their weighted sum."""
        weights = self.plan.weights
        vectors = self.vectors[draw.chosen]
        with autocast(self.device):
            with torch.no_grad():
                photos = self.loss_network(from_afar(draw.photos, draw.scale), grams=False)
            # One pass for both: the pictures before and after the motion.
            vectors = torch.cat([vectors, vectors[: len(draw.moved)]])
            both = self.net(torch.cat([draw.photos, draw.moved]), vectors).float()
            painted, painted_moved = both[: self.plan.batch], both[self.plan.batch :]
            seen = self.loss_network(from_afar(painted, draw.scale))
        targets = [layer[draw.chosen, draw.zooms] for layer in self.grams]
        per_picture = {
            "content": content_loss(seen.content.float(), photos.content.float()),
            "style": style_loss(seen.grams, targets),
            "tv": total_variation_loss(painted),
        }
        if len(painted_moved):
            moved_painted = draw.motion.move(painted[: len(painted_moved)])
            per_picture["temporal"] = temporal_loss(painted_moved, moved_painted, draw.motion.valid)
        losses = {name: values.mean() for name, values in per_picture.items()}
        total = torch.stack(
            [(self.weights[name][draw.chosen[: len(values)]] * values).mean() for name, values in per_picture.items()]
        ).sum()
        losses["lattice"] = lattice_loss(painted, self.net.config.size_multiple)
        total = total + weights.lattice * losses["lattice"]
        if weights.structure:
            losses["structure"] = structure_loss(seen.structure, photos.structure).mean()
            total = total + weights.structure * losses["structure"]
        return losses, total

    def _smooth(self, losses: Mapping[str, Tensor]) -> None:
        share = max(0.02, 1 / (self.step + 1))
        for name, now in zip(losses, torch.stack([value.detach() for value in losses.values()]).tolist(), strict=True):
            if not math.isfinite(now):
                raise FloatingPointError(
                    f"the {name} loss became {now} at step {self.step}; lower --learning-rate "
                    f"(now {self.plan.learning_rate})"
                )
            self.losses[name] = (1 - share) * self.losses.get(name, now) + share * now


def from_afar(images: Tensor, scale: float) -> Tensor:
    """Returns N x 3 x H x W images at `scale` of their size, without aliases."""
    if scale == 1:
        return images
    size = [round(side * scale) for side in images.shape[2:]]
    return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)


def spread_choice(rng: np.random.Generator, styles: int, batch: int) -> NDArray[np.int64]:
    """Returns `batch` style indices in which no style comes twice before every other came once."""
    rounds = [rng.permutation(styles) for _ in range(-(-batch // styles))]
    return np.concatenate(rounds)[:batch]


def preview_sheet(trainer: Trainer, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns rows of photograph, painting, style picture, one row a style; H x W x 3 uint8."""
    height, width = photo.shape[:2]
    rows = []
    for index, target in enumerate(trainer.targets):
        side = F.interpolate(to_tensor(target.picture), size=(height, width), mode="area")
        rows.append(np.hstack([photo, trainer.paint(photo, index), to_picture(side)]))
    return np.vstack(rows)
