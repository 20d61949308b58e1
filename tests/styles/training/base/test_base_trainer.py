"""Base training: what a step works on, what it counts, and that interruptions change nothing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE, Drawer, Sizes
from styles.training.base.losses import (
    LEAST_LAYER_WEIGHTS,
    PAINTING_LAYER_WEIGHTS,
    distance_layer_weights,
    own_layer_weights,
    painting_layer_weights,
)
from styles.training.base.model import AveragedModel
from styles.training.base.trainer import BaseProgress, BaseTrainer, Length, Moment
from styles.training.checkpoint import CheckpointError, SettingsError
from styles.training.loss_weights import LossWeights
from styles.training.losses import relative_gram_errors, style_loss
from tests.styles.training.base.conftest import MakeTrainer, squares


class Stop(Exception):  # noqa: N818
    pass


def run_to(trainer: BaseTrainer, step: int, length: Length) -> None:
    """Trains up to this step and stops, as a kill would."""

    def report(progress: BaseProgress) -> None:
        if progress.step == step:
            raise Stop

    with pytest.raises(Stop):
        trainer.run(length, report)


def state_of(trainer: BaseTrainer) -> dict[str, torch.Tensor]:
    both = (("now", trainer.model), ("mean", trainer.averaged.model))
    return {f"{kind}.{name}": value.clone() for kind, model in both for name, value in model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# what a step works on -------------------------------------------------------------------------------------------------


def drawer(batch: int = 8, own: int = 3, styles: int = 4, crop: int = 32) -> Drawer:
    photos, paintings = squares(9, PHOTO_SIDE * crop, seed=0), squares(9, PAINTING_SIDE * crop, seed=30)
    return Drawer(photos, paintings, Sizes(batch, own, styles, crop), seed=1)


def test_a_step_draws_photographs_paintings_and_what_moves_from_both_halves() -> None:
    draw = drawer().draw(5)
    assert draw.photos.shape == (8, 3, 32, 32)
    assert draw.paintings.shape == (5, 3, 32, 32)
    assert draw.chosen.shape == (3,)
    assert draw.picked.tolist() == [0, 7]
    assert draw.moved.shape == (2, 3, 32, 32)
    for images in (draw.photos, draw.paintings, draw.moved):
        assert images.min() >= 0
        assert images.max() <= 1


def test_nothing_is_moved_where_steadiness_does_not_count(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(weights=LossWeights(temporal=0.0))
    draw = trainer._drawn()
    assert draw.moved.shape == (0, 3, 32, 32)
    trainer.run(Length(steps=1), lambda _: None)
    assert trainer.losses["small temporal"] == 0
    assert trainer.losses["small any style"] > 0


def test_the_same_step_draws_the_same_and_another_step_others() -> None:
    one, same, other = drawer().draw(2), drawer().draw(2), drawer().draw(3)
    assert torch.equal(one.photos, same.photos)
    assert torch.equal(one.paintings, same.paintings)
    assert torch.equal(one.moved, same.moved)
    assert not torch.equal(one.photos, other.photos)


def test_own_styles_take_turns() -> None:
    many = drawer(own=3, styles=4)
    chosen = [int(style) for step in range(8) for style in many.draw(step).chosen]
    for turn in range(0, len(chosen), 4):
        assert sorted(chosen[turn : turn + 4]) == [0, 1, 2, 3]
    assert Counter(chosen) == {0: 6, 1: 6, 2: 6, 3: 6}


def test_colours_of_paintings_vary_more_than_those_of_photographs() -> None:
    same = squares(1, PAINTING_SIDE * 32, seed=0)
    one = replace(same, pixels=same.pixels.repeat(9, 1, 1, 1) * torch.tensor([1.0, 0.6, 0.2])[:, None, None])
    one = replace(one, pixels=one.pixels.to(torch.uint8))
    draws = [Drawer(one, one, Sizes(8, 1, 2, 32), seed=0).draw(step) for step in range(6)]

    def strongest(images: list[torch.Tensor]) -> Counter[int]:
        return Counter(torch.cat(images).mean(dim=(2, 3)).argmax(dim=1).tolist())

    assert strongest([draw.photos for draw in draws]).keys() == {0}
    assert strongest([draw.paintings for draw in draws]).keys() == {0, 1, 2}


# what counts ----------------------------------------------------------------------------------------------------------


def test_own_styles_count_as_in_the_article_but_for_layers_that_it_hardly_counts() -> None:
    torch.manual_seed(0)
    grams = [torch.rand(2, 4, 4) * size for size in (1e-9, 300.0, 150.0, 1700.0, 1e-9)]
    painted = [torch.rand(2, 4, 4) * size for size in (1e-9, 300.0, 150.0, 1700.0, 1e-9)]
    weights, unit = LossWeights(style=50.0), 4e6
    layers = own_layer_weights(grams, weights, unit)
    assert layers.shape == (2, 5)
    torch.testing.assert_close(layers[:, 0], torch.full((2,), LEAST_LAYER_WEIGHTS[0] / 2))
    errors = relative_gram_errors(painted, grams)
    middle = slice(1, 4)
    ours = (layers.T[middle] * errors[middle]).sum(dim=0)
    theirs = weights.style * style_loss(painted[middle], grams[middle]) / unit
    torch.testing.assert_close(ours, theirs)


def test_all_paintings_count_alike_but_for_plain_parts() -> None:
    usual = torch.tensor([1.0, 100.0, 4.0, 9.0, 25.0])
    grams = [torch.full((3, 2, 2), float(size.sqrt())) for size in usual]
    for gram in grams:
        gram[1] *= 10
        gram[2] *= 0.1  # a hundredth of the usual size
    layers = painting_layer_weights(grams, LossWeights(style=200.0), usual)
    torch.testing.assert_close(layers[0], 2 * torch.tensor(PAINTING_LAYER_WEIGHTS))
    torch.testing.assert_close(layers[1], layers[0])
    torch.testing.assert_close(layers[2], layers[0] / 20)


@pytest.mark.parametrize(
    ("loss", "usual"),
    [
        ("content", 7.5),
        ("style", 100),
        ("tv", 200),
        ("temporal", 800),
        ("lattice", 1e7),
        ("structure", 5e6),
        ("fringes", 1e7),
        ("border", 6e6),
        ("flat", 2.5e6),
    ],
)
def test_each_loss_counts_by_its_weight(make_trainer: MakeTrainer, loss: str, usual: float) -> None:
    names = ("content", "style", "tv", "temporal", "lattice", "structure", "fringes", "border", "flat")

    def weights(weight: float) -> LossWeights:
        numbers = {name: weight if name == loss else 0.0 for name in names}
        return LossWeights(**numbers)  # type: ignore[arg-type]  # these fields are numbers

    totals = []
    for weight in (usual, 2 * usual):
        trainer = make_trainer(weights=weights(weight))
        trainer.prepare()
        draw = trainer._drawn()
        if loss == "fringes":
            trainer._own_chromas.zero_()
        if loss == "flat":  # walls, painted in one colour
            draw = replace(draw, photos=0.5 + 0.05 * (draw.photos - 0.5))
            for parameter in trainer.model.nets.parameters():
                parameter.data.zero_()
        with torch.no_grad():
            losses, total = trainer._losses(draw)
        totals.append(float(total - 0.1 * losses["statistics"]))
    assert totals[0] > 0
    assert totals[1] == pytest.approx(2 * totals[0], rel=1e-3)


def test_factors_count_for_the_style_that_they_name(make_trainer: MakeTrainer) -> None:
    plain = make_trainer()._factors["content"]
    factors = make_trainer(weights=LossWeights(contents={"wreck": 3.0}, temporals={"wave": 0.5}))._factors
    assert plain.tolist() == [1, 1, 1]
    assert factors["content"].tolist() == [1, 3, 1]  # the last is that of paintings
    assert factors["temporal"].tolist() == [0.5, 1, 1]


def test_losses_are_reported_for_own_styles_and_paintings_apart(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.run(Length(steps=1), lambda _: None)
    for net in ("small", "large"):
        names = {name.removeprefix(f"{net} ") for name in trainer.losses if name.startswith(net)}
        each = ("style", "content", "tv", "structure", "fringes", "border", "flat")
        both = {f"{part} {loss}" for part in ("own", "any") for loss in each}
        assert names == both | {"temporal", "lattice"}
    assert trainer.losses["statistics"] > 0


def test_everything_learns(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.run(Length(steps=2), lambda _: None)
    # a shift has no effect where an instance norm follows the norm before it
    still = [name for name, value in trainer.model.named_parameters() if torch.equal(value, before[name])]
    assert still == []


def test_the_encoder_can_learn_alone(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(encoder_alone=True)
    assert trainer._drawn().paintings.shape == (4, 3, 40, 40)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run(Length(steps=1), lambda _: None)
    assert {name.split()[0] for name in trainer.losses} == {"small", "statistics"}
    trainer.run(Length(steps=2), lambda _: None)
    assert {name.split()[0] for name in trainer.losses} == {"small", "large", "statistics"}
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    learns = {name for name, _ in trainer.model.named_parameters() if ".net." not in name and "vectors" not in name}
    assert changed == learns
    assert not any(name.split()[1] == "own" for name in trainer.losses if name != "statistics")


def test_an_encoder_alone_counts_how_much_of_the_way_to_a_painting_is_left() -> None:
    torch.manual_seed(0)
    photos, paintings = ([torch.rand(2, 4, 4) * size for size in (1, 300, 150, 1700, 9)] for _ in range(2))
    weights = LossWeights(style=50.0)
    layers = distance_layer_weights(paintings, photos, weights)
    torch.testing.assert_close((layers.T * relative_gram_errors(photos, paintings)).sum(dim=0), torch.full((2,), 6.0))
    halfway = [(photo + painting) / 2 for photo, painting in zip(photos, paintings, strict=True)]
    torch.testing.assert_close((layers.T * relative_gram_errors(halfway, paintings)).sum(dim=0), torch.full((2,), 1.5))


def test_the_loss_falls(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(learning_rate=5e-3)
    found: list[float] = []
    trainer.run(Length(steps=40), lambda progress: found.append(progress.losses["large any style"]))
    assert np.mean(found[-5:]) < 0.9 * np.mean(found[:5])


# interruptions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [Length(steps=6), Length(steps=3, finish=3), Length(finish=6)])
def test_a_resumed_training_gives_bit_identical_weights(
    make_trainer: MakeTrainer, tmp_path: Path, length: Length
) -> None:
    whole = make_trainer()
    whole.run(length, lambda _: None)
    assert whole.now.step == 6
    first = make_trainer()
    run_to(first, 4, length)
    first.save(tmp_path / "c.pt")
    resumed = make_trainer()
    resumed.load(tmp_path / "c.pt")
    assert resumed.now.step == 4
    resumed.run(length, lambda _: None)
    assert equal(state_of(resumed), state_of(whole))
    assert resumed.losses == whole.losses
    assert resumed.finish_from is not None
    assert whole.finish_from is not None
    assert resumed.finish_from.step == whole.finish_from.step


def test_the_rate_falls_over_the_last_steps_alone(make_trainer: MakeTrainer) -> None:
    trainer, length = make_trainer(learning_rate=1e-3), Length(steps=100, finish=4)
    trainer.now = Moment(100, 1.0)
    rates = []
    while not trainer._is_done(length):
        rates.append(trainer._rate(length))
        trainer.now = Moment(trainer.now.step + 1, 1.0)
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
    trainer.now = Moment(49, 1.0)
    trainer.finish_from = None
    assert trainer._rate(length) == pytest.approx(0.5e-3)  # still warming up


def test_a_finished_training_goes_on_when_it_is_asked_to(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    for length, end in (
        (Length(steps=2), 2),
        (Length(steps=2), 2),
        (Length(steps=3, finish=1), 4),
        (Length(steps=3, finish=1), 4),
        (Length(steps=5, finish=1), 6),
        (Length(steps=7), 7),
        (Length(finish=2), 9),
        (Length(finish=2), 9),
    ):
        trainer.run(length, lambda _: None)
        assert trainer.now.step == end, length


@pytest.mark.parametrize(
    ("length", "now", "finish_from", "done"),
    [
        (Length(), Moment(50, 100.0), None, 0),
        (Length(steps=100), Moment(50, 100.0), None, 0.5),
        (Length(steps=100, finish=100), Moment(50, 100.0), None, 0.25),
        (Length(steps=100, finish=100), Moment(150, 300.0), Moment(100, 200.0), 0.75),
        (Length(minutes=10), Moment(5, 300.0), None, 0.5),
        (Length(minutes=10, finish=10), Moment(5, 300.0), None, 0.25),
        (Length(finish=10), Moment(105, 105.0), Moment(100, 100.0), 105 / 110),
        (Length(steps=7), Moment(7, 1.0), None, 1),
    ],
)
def test_how_much_is_done(length: Length, now: Moment, finish_from: Moment | None, done: float) -> None:
    assert length.fraction(now, finish_from) == pytest.approx(done)


def test_a_checkpoint_of_another_training_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer()
    trainer.run(Length(steps=1), lambda _: None)
    trainer.save(tmp_path / "c.pt")
    expected = rf"\(plan\.batch: 4, now 6\); type the same command, or .* --init {re.escape(str(tmp_path))}"
    with pytest.raises(SettingsError, match=expected):
        make_trainer(batch=6).load(tmp_path / "c.pt")
    state = torch.load(tmp_path / "c.pt", weights_only=True)
    torch.save({**state, "model": {}}, tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match="is of another version"):
        make_trainer().load(tmp_path / "old.pt")


def test_a_step_without_a_finite_gradient_changes_nothing(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.run(Length(steps=1), lambda _: None)
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer._next = 1, replace(trainer._drawer.draw(1), photos=torch.full((4, 3, 32, 32), torch.nan))
    trainer.run(Length(steps=2), lambda _: None)
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.named_parameters())
    assert all(np.isfinite(value) for value in trainer.losses.values())


def test_the_average_forgets_the_beginning(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    model = trainer.model
    averaged = AveragedModel(model)
    vectors = dict(model.named_nets())["small"].vectors
    vectors.data.fill_(7.0)
    for step in range(1, 400):
        averaged.update(model, step)
    torch.testing.assert_close(dict(averaged.model.named_nets())["small"].vectors, vectors.data)
    assert not any(parameter.requires_grad for parameter in averaged.model.parameters())
