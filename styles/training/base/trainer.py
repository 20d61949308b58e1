"""Trains base nets and their encoder together, against the loss network.

One step: a batch of photographs. One part of them is painted in the nets' own styles, whose vectors are learned; the
other part like random paintings, whose vectors the encoder predicts. All nets paint the same photographs, and the loss
network looks at all paintings at once. The losses are those of `styles.training.base.losses`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from styles.training.base.draw import Draw, Drawer, Sizes
from styles.training.base.losses import (
    Measures,
    Paintings,
    Targets,
    distance_layer_weights,
    gram_sizes,
    mean,
    own_layer_weights,
    painting_layer_weights,
    painting_losses,
    style_statistics,
    weighted_total,
)
from styles.training.base.model import AveragedModel, BaseModel, BaseNet
from styles.training.base.ranks import ALONE, Ranks
from styles.training.base.squares import Squares
from styles.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from styles.training.loss_network import Features, LossNetwork, first_line
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS, LossWeights
from styles.training.losses import edge_chroma
from styles.training.precision import autocast, memory_format

_WARM_UP_STEPS = 100
# Vectors learn so many times as fast as the rest.
_VECTOR_RATE = 3.0
_MOST_NORM = 10.0
# The weight of the encoder's second reading (`BaseModel.statistics`).
_STATISTICS_WEIGHT = 0.1
# This many steps in a row without a finite gradient are no accident.
_MOST_LOST_STEPS = 50
# Losses are smoothed over about this many steps.
_SMOOTHING_STEPS = 50
# From how many pictures the usual content and the usual statistics are measured, and how many are looked at at once.
_MEASURED_PHOTOS, _MEASURED_PAINTINGS, _AT_ONCE = 32, 64, 4


@dataclass(frozen=True)
class BasePlan:
    """With what base nets are trained. How long is not a part of it: a training can always go on.

    Args:
        batch: photographs in each step.
        own_share: how many of them are painted in the nets' own styles, 0..1.
        encoder_alone: the nets and the vectors of their own styles stay as they are, and no photograph is painted in
            them, whatever `own_share` says. The nets take turns, one a step: the encoder sees more pictures in an hour.
        crop: the side of the training pictures, in pixels.
        learning_rate: Adam's, of all but the vectors.
        seed: of all random numbers.
        style_scale: the short side of the style pictures in pixels, None for their own size.
        weights: of the losses.
    """

    batch: int = 4
    own_share: float = 0.5
    encoder_alone: bool = False
    crop: int = 256
    learning_rate: float = 6e-4
    seed: int = 0
    style_scale: int | None = None
    weights: LossWeights = DEFAULT_LOSS_WEIGHTS

    @property
    def own(self) -> int:
        """How many photographs of a step are painted in the nets' own styles."""
        return 0 if self.encoder_alone else round(self.batch * self.own_share)


@dataclass(frozen=True)
class Moment:
    """A point of a training: steps taken, and seconds over all runs."""

    step: int
    elapsed_s: float


@dataclass(frozen=True)
class Length:
    """How long to train; without any limit, until it is stopped.

    Args:
        steps: over all runs.
        minutes: over all runs.
        finish: after that, take this many steps, over which the learning rate falls to nothing. Without `steps` and
            `minutes` they begin at once.
    """

    steps: int | None = None
    minutes: float | None = None
    finish: int = 0

    def is_over(self, now: Moment) -> bool:
        """Returns whether it is time for `finish`, or for the end."""
        if self.steps is None and self.minutes is None:
            return bool(self.finish)
        steps_are = self.steps is not None and now.step >= self.steps
        return steps_are or (self.minutes is not None and now.elapsed_s >= 60 * self.minutes)

    def fraction(self, now: Moment, finish_from: Moment | None) -> float:
        """Returns how much is done, 0..1, if steps go on taking as long as so far; 0 if there is no limit."""
        pace_s = now.elapsed_s / max(1, now.step)
        if finish_from is not None:
            left_s = (finish_from.step + self.finish - now.step) * pace_s
        else:
            limits_s = [(self.steps - now.step) * pace_s] if self.steps is not None else []
            limits_s += [60 * self.minutes - now.elapsed_s] if self.minutes is not None else []
            left_s = max(0.0, min(limits_s, default=math.inf)) + self.finish * pace_s
        return now.elapsed_s / (now.elapsed_s + left_s) if now.elapsed_s else 0.0


@dataclass(frozen=True)
class BaseProgress:
    """Where a training stands.

    Args:
        step: how many were taken.
        fraction: how much is done, 0..1; 0 if there is no limit.
        elapsed_s: seconds over all runs.
        losses: smoothed and unweighted, by net, part and name, e.g. "fast own style".
    """

    step: int
    fraction: float
    elapsed_s: float
    losses: Mapping[str, float]


class BaseTrainer:
    """A base training in progress: `run` goes on until it is long enough, `save` and `load` keep it across runs.

    Args:
        model: what is trained.
        styles: the Gram matrices of the nets' own styles by name, five of 1 x C x C each, in the order of the vectors.
        style_chromas: of the pictures of those styles, as `edge_chroma` finds it.
        photos: what is painted.
        paintings: what the encoder learns on.
        loss_network: what judges the paintings.
        plan: with what to train.
        origin: what else must be the same when a training is resumed: the nets, the loss network, the pictures.
        history: the commands of the trainings before, one a line.
        ranks: the processes that train together; of each step's draw, this one takes its share.

    `is_stop_asked` is asked after each step; `stopping` is set once one of the processes is asked to stop.
    """

    def __init__(
        self,
        *,
        model: BaseModel,
        styles: Mapping[str, Sequence[Tensor]],
        style_chromas: Sequence[float],
        photos: Squares,
        paintings: Squares,
        loss_network: LossNetwork,
        plan: BasePlan,
        origin: Mapping[str, str] = MappingProxyType({}),
        history: str = "",
        ranks: Ranks = ALONE,
    ) -> None:
        self.device = next(loss_network.buffers()).device
        self.memory_format = memory_format(self.device)
        self.model = model.to(self.device).train()
        if plan.encoder_alone:
            self.model.freeze_nets()
        for module in (self.model, loss_network):
            module.to(memory_format=self.memory_format)  # type: ignore[call-overload]  # torch's stubs lack it
        self.averaged = AveragedModel(self.model)
        self.loss_network, self.plan, self.origin, self.styles = loss_network, plan, origin, tuple(styles)
        self.photos, self.paintings = (
            replace(squares, pixels=squares.pixels.to(self.device)) for squares in (photos, paintings)
        )
        self.history, self.ranks = history, ranks
        self.is_stop_asked: Callable[[], bool] = lambda: False
        self.stopping = False
        self.own_grams = [torch.cat(layer) for layer in zip(*styles.values(), strict=True)]
        self._own_chromas = torch.tensor(style_chromas, device=self.device)
        self._drawer = Drawer(
            self.photos,
            self.paintings,
            Sizes(plan.batch, plan.own, len(styles), plan.crop, moves=plan.weights.temporal > 0),
            plan.seed,
            plan.encoder_alone,
        )
        loss_network.prepare_training()
        self.optimizer = torch.optim.Adam(
            [{"params": self.model.other_parameters()}, {"params": self.model.vector_parameters()}],
            lr=plan.learning_rate,
        )
        self._factors = self._style_factors()
        self.measures: Measures | None = None
        self.now = Moment(0, 0.0)
        self.finish_from: Moment | None = None
        self.losses: dict[str, float] = {}
        self._lost_steps = 0
        self._next: tuple[int, Draw] | None = None
        self._step: nn.Module | None = None

    @torch.no_grad()
    def prepare(self) -> None:
        """Measures what the loss network sees in photographs and paintings, unless it is known from a checkpoint."""
        if self.measures is not None:
            return
        with autocast(self.device):
            photos = [
                self.loss_network(batch, grams=False).content.float().square().mean()
                for batch in self._evenly(self.photos, _MEASURED_PHOTOS)
            ]
            paintings = [self.loss_network(batch).grams for batch in self._evenly(self.paintings, _MEASURED_PAINTINGS)]
        statistics = torch.cat([style_statistics(grams) for grams in paintings])
        content = torch.stack(photos).mean()
        sizes = torch.cat([gram_sizes(grams) for grams in paintings]).mean(dim=0)
        usual, deviation = statistics.mean(dim=0), statistics.std(dim=0, correction=0).clamp(min=1e-3)
        self.ranks.of_first([content, sizes, usual, deviation])
        self.measures = Measures(float(content), sizes, usual, deviation)

    def run(self, length: Length, report: Callable[[BaseProgress], None]) -> None:
        """Trains until it is long enough; `report` is called after every step and may raise to stop."""
        self.prepare()
        # here all processes are at the same point
        self._step = self.ranks.wrapped(_Step(self.model, self._losses), self.plan.encoder_alone)
        if not length.finish or (self.finish_from and not length.is_over(self.finish_from)):
            self.finish_from = None
        try:
            while not self._is_done(length):
                started_s = time.monotonic()
                with self.ranks.noticed_loss():
                    self._train_one_step(self._rate(length))
                    elapsed_s = self.now.elapsed_s + time.monotonic() - started_s
                    elapsed_s, self.stopping = self.ranks.agreed(elapsed_s, self.is_stop_asked(), self.device)
                self.now = Moment(self.now.step + 1, elapsed_s)
                self.averaged.update(self.model, self.now.step)
                fraction = length.fraction(self.now, self.finish_from)
                report(BaseProgress(self.now.step, fraction, self.now.elapsed_s, dict(self.losses)))
        finally:
            self._step = None  # it holds the connection to the other processes

    def save(self, path: Path) -> None:
        """Writes a checkpoint, atomically."""
        assert self.measures is not None
        state = {
            **self._settings(),
            "now": asdict(self.now),
            "finish_from": asdict(self.finish_from) if self.finish_from else None,
            "losses": self.losses,
            "model": self.model.state_dict(),
            "averaged": self.averaged.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "measures": asdict(self.measures),
            "history": self.history,
        }
        write_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint. Raises CheckpointError, or SettingsError if another command made it."""
        instead = f"type the same command, or begin in another folder with --init {path.parent}"
        state = read_checkpoint(path, self.device, self._settings(), instead)
        try:
            self.model.load_state_dict(state["model"])
            self.averaged.model.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.now, self.losses, self.history = Moment(**state["now"]), state["losses"], state["history"]
            self.finish_from = Moment(**state["finish_from"]) if state["finish_from"] else None
            self.measures = Measures(**state["measures"])
        except (KeyError, TypeError, ValueError, RuntimeError) as exc:
            raise CheckpointError(f"{path} is of another version: {first_line(exc)}; {instead}") from exc

    def _settings(self) -> dict[str, object]:
        """What must be equal for a training to go on as if it had not been interrupted."""
        return {"plan": asdict(self.plan), "styles": list(self.styles), "origin": dict(self.origin)}

    def _is_done(self, length: Length) -> bool:
        if self.finish_from is None and length.is_over(self.now):
            self.finish_from = self.now
        return self.finish_from is not None and self.now.step >= self.finish_from.step + length.finish

    def _rate(self, length: Length) -> float:
        """Returns the learning rate of the next step."""
        warm_up = min(1.0, (self.now.step + 1) / _WARM_UP_STEPS)
        finished = (self.now.step - self.finish_from.step) / length.finish if self.finish_from else 0.0
        return self.plan.learning_rate * warm_up * (1 - finished)

    def _evenly(self, squares: Squares, count: int) -> Iterator[Tensor]:
        """Yields the middles of about `count` squares, as large as a crop, a few at once."""
        start = (squares.side - self.plan.crop) // 2
        chosen = squares.pixels[:: max(1, len(squares) // count)]
        middle = chosen[:, :, start : start + self.plan.crop, start : start + self.plan.crop]
        for first in range(0, len(middle), _AT_ONCE):
            batch = middle[first : first + _AT_ONCE]
            yield (batch.float() / 255).contiguous(memory_format=self.memory_format)

    def _style_factors(self) -> dict[str, Tensor]:
        """Returns the factors of the losses by name: of each own style, and last of any painting; float32[S + 1]."""
        common = replace(self.plan.weights, contents={}, styles={}, tvs={}, temporals={})
        each = [*(self.plan.weights.of(name) for name in self.styles), common]
        return {
            loss: torch.tensor(
                [getattr(one, loss) / getattr(common, loss) if getattr(common, loss) else 1.0 for one in each],
                device=self.device,
            )
            for loss in ("content", "style", "tv", "temporal")
        }

    def _train_one_step(self, rate: float) -> None:
        assert self._step is not None
        losses, total = self._step(self._drawn())
        others, vectors = self.optimizer.param_groups
        others["lr"], vectors["lr"] = rate, _VECTOR_RATE * rate
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), _MOST_NORM)
        # before anything is read back, so that a GPU has work while the next pictures are drawn
        self._next = self.now.step + 1, self._share(self.now.step + 1)
        # a crop of one colour has no variance, and dividing by it in layer after layer has no end
        if torch.isfinite(norm):
            self.optimizer.step()
            self._smooth(losses)
            self._lost_steps = 0
        else:
            self._lose_step()

    def _lose_step(self) -> None:
        self._lost_steps += 1
        if self._lost_steps == _MOST_LOST_STEPS:
            raise FloatingPointError(
                f"no finite gradient in {_MOST_LOST_STEPS} steps up to step {self.now.step}: photographs of one colour "
                "give none, and a --learning-rate that is too high ends like this"
            )

    def _drawn(self) -> Draw:
        """Returns the draw of this step, which is made while the one before it runs."""
        step, draw = self._next or (-1, None)
        return draw if draw is not None and step == self.now.step else self._share(self.now.step)

    def _share(self, step: int) -> Draw:
        """Returns what this process works on in a step."""
        draw = self._drawer.draw(step)
        return draw if self.ranks.count == 1 else draw.share(self.ranks.index, self.ranks.count)

    def _losses(self, draw: Draw) -> tuple[dict[str, Tensor], Tensor]:
        """Returns the unweighted losses by net, part and name, and the weighted sum of all."""
        assert self.measures is not None
        photos, moved, styles = (
            images.contiguous(memory_format=self.memory_format) for images in (draw.photos, draw.moved, draw.paintings)
        )
        with autocast(self.device):
            with torch.no_grad():
                seen_photos = self.loss_network(photos, grams=self.plan.encoder_alone)
                seen_styles = self.loss_network(styles)
            code = self.model.encoder(styles)
            both = torch.cat([photos, moved]).contiguous(memory_format=self.memory_format)
            nets = self._painting_nets()
            painted = [net(both, self._vectors(net, draw, code)).float() for _, net in nets]
            count = len(photos)
            seen = self.loss_network(torch.cat([each[:count] for each in painted]))
        targets = self._targets(draw, seen_photos, seen_styles)
        losses: dict[str, Tensor] = {}
        totals = []
        for index, (name, net) in enumerate(nets):
            part = slice(index * count, (index + 1) * count)
            paintings = Paintings(
                painted=painted[index][:count],
                moved=painted[index][count:],
                seen=_part(seen, part),
                size_multiple=net.net.config.size_multiple,
            )
            one = painting_losses(paintings, targets, draw, self.measures)
            totals.append(weighted_total(one, targets, draw, self.plan.weights, self.measures))
            losses |= {f"{name} {loss}": value for loss, value in _by_part(one, draw).items()}
        statistics = self._statistics_loss(code, seen_styles)
        losses["statistics"] = statistics
        return losses, torch.stack(totals).sum() + _STATISTICS_WEIGHT * statistics

    def _painting_nets(self) -> list[tuple[str, BaseNet]]:
        """Returns the nets that paint in this step, with their names."""
        nets = list(self.model.named_nets())
        return [nets[self.now.step % len(nets)]] if self.plan.encoder_alone else nets

    def _vectors(self, net: BaseNet, draw: Draw, code: Tensor) -> Tensor:
        """Returns the vectors of all photographs of a step, and of those after the motion."""
        with torch.autocast(self.device.type, enabled=False):
            predicted = net.head(code)
        vectors = torch.cat([net.vectors[draw.chosen], predicted])
        return torch.cat([vectors, vectors[draw.picked]])

    def _targets(self, draw: Draw, photos: Features, styles: Features) -> Targets:
        assert self.measures is not None
        weights, unit = self.plan.weights, self.measures.unit
        own = own_layer_weights(self.own_grams, weights, unit)[draw.chosen]
        if self.plan.encoder_alone:
            others = distance_layer_weights(styles.grams, photos.grams, weights)
        else:
            others = painting_layer_weights(styles.grams, weights, self.measures.gram_sizes)
        # the last factor is that of any painting
        rows = torch.cat([draw.chosen, draw.chosen.new_full((len(draw.paintings),), len(self.styles))])
        return Targets(
            photos=photos,
            grams=[torch.cat([a[draw.chosen], b]) for a, b in zip(self.own_grams, styles.grams, strict=True)],
            layer_weights=torch.cat([own, others]),
            factors={loss: factors[rows] for loss, factors in self._factors.items()},
            style_chroma=torch.cat([self._own_chromas[draw.chosen], edge_chroma(draw.paintings, draw.paintings)]),
        )

    def _statistics_loss(self, code: Tensor, styles: Features) -> Tensor:
        assert self.measures is not None
        wanted = (style_statistics(styles.grams) - self.measures.statistics_mean) / self.measures.statistics_deviation
        with torch.autocast(self.device.type, enabled=False):
            return F.smooth_l1_loss(self.model.statistics(code), wanted)

    def _smooth(self, losses: Mapping[str, Tensor]) -> None:
        share = max(1 / _SMOOTHING_STEPS, 1 / (self.now.step + 1))
        for name, now in self.ranks.means(losses).items():
            self.losses[name] = (1 - share) * self.losses.get(name, now) + share * now


class _Step(nn.Module):
    """What a step computes, as a module, so that its gradients can be shared.

    Args:
        model: whose parameters get the gradients.
        losses: computes the losses of a draw with it.
    """

    def __init__(self, model: BaseModel, losses: Callable[[Draw], tuple[dict[str, Tensor], Tensor]]) -> None:
        super().__init__()
        self.model, self.losses = model, losses

    def forward(self, draw: Draw) -> tuple[dict[str, Tensor], Tensor]:
        return self.losses(draw)


def _by_part(losses: Mapping[str, Tensor], draw: Draw) -> dict[str, Tensor]:
    """Returns the means of the losses: of style, content and structure in own styles and like paintings apart."""
    found: dict[str, Tensor] = {}
    for loss, values in losses.items():
        if loss == "temporal":
            found[loss] = mean(values) * draw.pair_share
        elif values.dim():
            parts = {"own": values[: draw.own], "any": values[draw.own :]}
            found |= {f"{part} {loss}": each.mean() for part, each in parts.items() if len(each)}
        else:
            found[loss] = values
    return found


def _part(features: Features, part: slice) -> Features:
    """Returns what the loss network sees in some of the images."""
    first, second = features.structure
    return Features((first[part], second[part]), tuple(gram[part] for gram in features.grams))
