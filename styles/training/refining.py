"""Trains a predicted style vector further, in little time and beside other work: few steps, each of which must count.

Each step paints one photograph, or frame of a show, and compares it as `nst-train` does. Some photographs are held out
of the training: only a vector whose paintings of them have a smaller loss, the article's own, is an improvement.

Frames of one show are all alike, and what is learned on them alone holds for them alone. So every other picture is
drawn by chance (`dead_leaves`), among those that are trained on and among those that are held out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from styles.network import TransformNet, network_from_weights
from styles.training.dead_leaves import dead_leaves
from styles.training.loss_network import LossNetwork, load_loss_network
from styles.training.loss_weights import DEFAULT_LOSS_WEIGHTS
from styles.training.losses import content_loss, style_loss, total_variation_loss
from styles.training.memory import keep_freed_memory
from styles.training.pictures import PhotoSet, centre_square, load_photos, planes, resize_short_side, to_tensor
from styles.training.refining_task import Picture, RefiningNews, RefiningTask
from styles.training.trainer import Progress, Trainer, TrainingPlan, style_target
from styles.weights import load_network

# The sides of the squares that are trained on, and that are judged by: what the article measured at. The smaller ones
# give nearly twice as many steps in the same time.
_CROP, _JUDGED = 192, 256
# Photographs are kept as large as that, so that crops differ.
_SHORT_SIDE = _CROP * 5 // 4
_LEARNING_RATE = 4e-2
_WARM_UP_STEPS = 4
# Steps are noisy, each with one photograph: what counts is a mean over about the last fourth of them, at least of four.
_AVERAGED_SHARE, _LEAST_AVERAGED = 0.25, 4
# The photographs that improvements are measured on, and how many others are kept at most; of frames, half of all.
_HELD_OUT, _MOST_PHOTOS = 2, 24
# Measuring may take this share of the time.
_MEASURING_SHARE = 0.12
# A vector must be better by this share to be shown, but for the last one.
_LEAST_GAIN = 0.01
_POLL_S = 0.1


def prepare_process() -> None:
    """Makes a process ready that does nothing but refine: the other cores are left to the show."""
    torch.set_num_threads(1)
    keep_freed_memory()


def refine(
    task: RefiningTask, incoming: Callable[[], Sequence[Picture]], report: Callable[[RefiningNews], None]
) -> None:
    """Refines a vector until its time is over.

    Args:
        task: what is to be refined.
        incoming: returns the photographs that came since it was called last, H x W x 3 uint8 RGB with sides of at least
            32 pixels; raises to end the training.
        report: called after every step, and with each better vector.

    Raises:
        WeightsError, LossNetworkError, PictureError: a file cannot be used.
    """
    loss_network = load_loss_network(task.loss_network)
    net = network_from_weights(load_network(task.network))
    photos = _Photos(incoming, frames=task.photos is None)
    if task.photos is not None:
        loaded = load_photos([task.photos], _CROP, _HELD_OUT + _MOST_PHOTOS).photos
        photos.add([photo.permute(1, 2, 0).numpy() for photo in loaded])
    photos.wait_for_enough()
    _Refinement(task, net, loss_network, photos, report).run()


class _Photos:
    """The photographs so far: the first ones in turn are held out, the others trained on.

    Of more than are kept, which stay is a matter of chance, the same for all that ever came.

    Args:
        incoming: returns those that came since it was called last.
        frames: they are frames of a show, each of which is accompanied by a picture that is drawn by chance.
    """

    def __init__(self, incoming: Callable[[], Sequence[Picture]], frames: bool) -> None:
        self.held_out: list[Tensor] = []
        self._trained: list[Tensor] = []
        self._drawn: list[Tensor] = []
        self._incoming, self._frames, self._count = incoming, frames, 0
        self._dice = np.random.default_rng(0)

    def wait_for_enough(self) -> None:
        """Returns when there are photographs to train on and to measure with."""
        self.follow()
        while self._count < 2 * _HELD_OUT - 1:
            time.sleep(_POLL_S)
            self.follow()

    def follow(self) -> bool:
        """Takes in what came; returns whether that changes what is trained on."""
        return self.add(self._incoming())

    def add(self, pictures: Sequence[Picture]) -> bool:
        changed = False
        for picture in pictures:
            if self._count % 2 == 0 and self._count < 2 * _HELD_OUT:
                self.held_out.append(to_tensor(centre_square(picture, _JUDGED)))
                if self._frames:
                    self.held_out.append(to_tensor(dead_leaves(_JUDGED, seed=self._count)))
            else:
                changed |= self._keep(picture)
            self._count += 1
        return changed

    def _keep(self, picture: Picture) -> bool:
        photo = planes(resize_short_side(picture, _SHORT_SIDE))
        if len(self._trained) < _MOST_PHOTOS:
            self._trained.append(photo)
            if self._frames:
                self._drawn.append(planes(dead_leaves(_SHORT_SIDE, seed=self._count)))
            return True
        place = int(self._dice.integers(self._count))
        if place < _MOST_PHOTOS:
            self._trained[place] = photo
        return place < _MOST_PHOTOS

    @property
    def trained(self) -> PhotoSet:
        return PhotoSet((*self._trained, *self._drawn), _SHORT_SIDE)


class _Refinement(Trainer):
    """A training by the clock: what is between two steps counts, too."""

    def __init__(
        self,
        task: RefiningTask,
        net: TransformNet,
        loss_network: LossNetwork,
        photos: _Photos,
        report: Callable[[RefiningNews], None],
    ) -> None:
        # a second picture for steadiness would halve the number of steps, and the net has learned that
        weights = replace(DEFAULT_LOSS_WEIGHTS, temporal=0.0)
        plan = TrainingPlan(minutes=task.minutes, batch=1, crop=_CROP, learning_rate=_LEARNING_RATE, weights=weights)
        self._began_s = time.monotonic()
        super().__init__(
            net=net,
            vectors=torch.from_numpy(task.vector)[None],
            targets=[style_target("style", task.picture, loss_network, plan)],
            photos=photos.trained,
            loss_network=loss_network,
            plan=plan,
            frozen=True,
        )
        self._arriving, self._tell = photos, report
        self._mean = self.vectors.detach().clone()
        self._judge = _Judge(photos.held_out, [layer[0, :1] for layer in self.grams], net, loss_network)
        self._first: float = self._judge.loss(self._mean)
        self._best = self._first

    @property
    def fraction(self) -> float:
        """How much of the time is over, 0..1."""
        assert self.plan.minutes is not None
        return min(1.0, (time.monotonic() - self._began_s) / (60 * self.plan.minutes))

    def _learning_rate(self) -> float:
        return self.plan.learning_rate * min(1.0, (self.step + 1) / _WARM_UP_STEPS) * math.sqrt(1 - self.fraction)

    def run(self, report: Callable[[Progress], None] = lambda _progress: None) -> None:
        """Trains to the end of the time, which begins now."""
        self._began_s = time.monotonic()
        self._tell(RefiningNews(self.fraction, 0))
        next_s = time.monotonic()

        def after_step(progress: Progress) -> None:
            nonlocal next_s
            averaged = max(_LEAST_AVERAGED, _AVERAGED_SHARE * progress.step)
            self._mean += (self.vectors.detach() - self._mean) / min(progress.step, averaged)
            if self._arriving.follow():
                self.photos, self._next = self._arriving.trained, None
            self._tell(RefiningNews(self.fraction, progress.step, self._gain))
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + self._measure(_LEAST_GAIN) / _MEASURING_SHARE
            report(progress)

        super().run(after_step)
        self._measure(least_gain=0.0)
        self._tell(RefiningNews(1.0, self.step, self._gain))

    @property
    def _gain(self) -> float:
        return 1 - self._best / self._first

    def _measure(self, least_gain: float) -> float:
        """Reports the vector if it is better than all before by that share; returns how long that took, in seconds."""
        began_s = time.monotonic()
        loss = self._judge.loss(self._mean)
        if loss < self._best * (1 - least_gain):
            self._best = loss
            vector = self._mean[0].float().numpy().copy()
            self._tell(RefiningNews(self.fraction, self.step, self._gain, vector))
        return time.monotonic() - began_s


class _Judge:
    """The article's loss on photographs that are not trained on."""

    def __init__(
        self, photos: Sequence[Tensor], grams: Sequence[Tensor], net: TransformNet, network: LossNetwork
    ) -> None:
        self._photos, self._grams, self._net, self._network = photos, grams, net, network
        with torch.no_grad():
            self._content = [network(photo, grams=False).content for photo in photos]

    def loss(self, vector: Tensor) -> float:
        """Returns the mean loss of a vector's paintings; vector: 1 x K."""
        weights, total = DEFAULT_LOSS_WEIGHTS, 0.0
        for photo, content in zip(self._photos, self._content, strict=True):
            with torch.no_grad():
                painted = self._net(photo, vector)
                seen = self._network(painted)
            total += weights.style * float(style_loss(seen.grams, self._grams))
            total += weights.content * float(content_loss(seen.content, content))
            total += weights.tv * float(total_variation_loss(painted))
        return total / len(self._photos)
