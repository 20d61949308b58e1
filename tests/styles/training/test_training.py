"""Training: the same command gives the same weights, interrupted or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from styles.architecture import NetworkConfig, Stage
from styles.network import TransformNet
from styles.training.checkpoint import CheckpointError, SettingsError
from styles.training.loss_network import LossNetwork
from styles.training.loss_weights import LossWeights
from styles.training.pictures import load_photos, read_picture
from styles.training.trainer import (
    Progress,
    Trainer,
    TrainingPlan,
    from_afar,
    preview_sheet,
    style_target,
)
from tests.styles.conftest import textured

SMALL = NetworkConfig("small", down=(Stage(4, 3, 2, blocks=1),), up=(Stage(4, 3, 1),), head_kernel=3, head_scale=2)
PLAN = TrainingPlan(steps=6, crop=32, batch=2, style_scale=48)


MakeTrainer = Callable[..., Trainer]


class Stop(Exception):  # noqa: N818
    pass


@pytest.fixture
def make_trainer(photos_folder: Path, pictures_folder: Path, loss_network: LossNetwork) -> MakeTrainer:
    """Returns `make_trainer(plan, frozen=False)`: a new trainer on two styles."""
    photos = load_photos([photos_folder], PLAN.crop)
    pictures = [(name, read_picture(pictures_folder / f"{name}.png")) for name in ("wave", "wreck")]

    def make(plan: TrainingPlan = PLAN, frozen: bool = False) -> Trainer:
        torch.manual_seed(7)
        net = TransformNet(SMALL)
        return Trainer(
            net=net,
            vectors=net.plain_style().repeat(2, 1),
            targets=[style_target(name, picture, loss_network, plan) for name, picture in pictures],
            photos=photos,
            loss_network=loss_network,
            plan=plan,
            frozen=frozen,
        )

    return make


def test_from_afar_a_mesh_of_single_pixels_is_gone_and_strokes_remain() -> None:
    mesh = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(32, 32).expand(1, 3, 64, 64)
    strokes = torch.tensor([0.0, 1.0]).repeat_interleave(8).repeat(4).expand(1, 3, 64, 64)
    assert from_afar(mesh, 0.5).shape == (1, 3, 32, 32)
    assert from_afar(mesh, 0.5).std() < 0.02
    assert from_afar(strokes, 0.5).std() > 0.4
    assert from_afar(mesh, 1.0) is mesh


def test_a_style_picture_is_seen_at_its_own_size_and_only_there(loss_network: LossNetwork) -> None:
    picture = textured(50, 70, seed=0)
    target = style_target("mine", picture, loss_network, TrainingPlan(steps=1))
    assert target.picture is picture
    assert [layer.shape[0] for layer in target.grams] == [1] * 5
    assert style_target("mine", picture, loss_network, PLAN).picture.shape == (48, 67, 3)


def test_zoom_and_distances_are_there_for_who_asks(make_trainer: MakeTrainer) -> None:
    plain, near, far = (
        make_trainer(replace(PLAN, zoom_style=zoom_style, far=far, crop=64))
        for zoom_style, far in ((False, False), (True, False), (False, True))
    )
    assert {plain._draw(step).scale for step in range(20)} == {1.0}
    assert all(not plain._draw(step).zooms.any() for step in range(20))
    assert len({int(zoom) for step in range(20) for zoom in near._draw(step).zooms}) > 2
    draws = [far._draw(step) for step in range(20)]
    assert {draw.scale for draw in draws} == {1.0, 0.6}
    assert len({(draw.scale, int(zoom)) for draw in draws for zoom in draw.zooms}) == 2


def test_the_loss_of_structure_is_trained_with_where_it_has_a_weight(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(replace(PLAN, weights=LossWeights(0, 0, 0, temporal=0, lattice=0, structure=5e6)))
    losses, total = trainer._losses(trainer._draw(0))
    torch.testing.assert_close(total, 5e6 * losses["structure"])
    assert "structure" not in make_trainer()._losses(trainer._draw(0))[0]


def run_to(trainer: Trainer, step: int) -> None:
    """Trains up to this step and stops, as a kill would."""

    def report(progress: Progress) -> None:
        if progress.step == step:
            raise Stop

    with pytest.raises(Stop):
        trainer.run(report)


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {
        **{name: value.clone() for name, value in trainer.net.state_dict().items()},
        "": trainer.vectors.data.clone(),
    }


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_training_gives_bit_identical_weights(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    whole = make_trainer()
    whole.run(lambda _: None)
    first = make_trainer()
    run_to(first, 3)
    first.save(tmp_path / "c.pt")
    resumed = make_trainer()
    resumed.load(tmp_path / "c.pt")
    assert resumed.step == 3
    resumed.run(lambda _: None)
    assert equal(weights_of(resumed), weights_of(whole))
    assert resumed.losses == whole.losses


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(make_trainer: MakeTrainer) -> None:
    trainers = [make_trainer(replace(PLAN, steps=2, seed=seed)) for seed in (1, 1, 2)]
    for trainer in trainers:
        trainer.run(lambda _: None)
    one, same, other = map(weights_of, trainers)
    assert equal(one, same)
    assert not equal(one, other)


def test_a_frozen_net_keeps_its_weights_and_its_styles_learn(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(replace(PLAN, steps=2), frozen=True)
    before = weights_of(trainer)
    trainer.run(lambda _: None)
    after = weights_of(trainer)
    vectors_before, vectors_after = before.pop(""), after.pop("")
    assert equal(before, after)
    assert (vectors_after != vectors_before).any(dim=1).all()


def test_training_lowers_the_style_loss(make_trainer: MakeTrainer) -> None:
    seen: list[float] = []
    trainer = make_trainer(replace(PLAN, steps=100, learning_rate=5e-3))
    trainer.run(lambda progress: seen.append(progress.losses["style"]))
    assert seen[-1] < 0.8 * seen[0]


def test_a_gradient_without_end_changes_nothing(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    assert trainer.net.head.bias is not None
    endless = trainer.net.head.bias.register_hook(lambda gradient: gradient * math.inf)  # type: ignore[no-untyped-call]
    before = {name: value.clone() for name, value in trainer.net.state_dict().items()}
    trainer._train_one_step()
    assert equal(before, trainer.net.state_dict())
    endless.remove()
    trainer._train_one_step()
    assert not equal(before, trainer.net.state_dict())
    assert all(bool(value.isfinite().all()) for value in trainer.net.state_dict().values())


def test_without_its_weight_there_is_no_temporal_loss(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(replace(PLAN, steps=1, weights=LossWeights(temporal=0)))
    trainer.run(lambda _: None)
    assert sorted(trainer.losses) == ["content", "lattice", "style", "tv"]


def test_the_weight_of_a_style_is_its_own(make_trainer: MakeTrainer) -> None:
    common = LossWeights(content=5, style=2, tv=3, temporal=10)
    weights = replace(common, contents={"wave": 2}, styles={"wreck": 3}, tvs={"wreck": 5}, temporals={"wave": 4})
    trainer = make_trainer(replace(PLAN, weights=weights))
    assert {loss: values.tolist() for loss, values in trainer.weights.items()} == {
        "content": [10, 5],
        "style": [2, 6],
        "tv": [3, 15],
        "temporal": [40, 10],
    }


def test_a_checkpoint_of_other_settings_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer().save(tmp_path / "c.pt")
    with pytest.raises(
        SettingsError, match=r"made with other settings \(plan.seed: 0, now 9\); give the same command, or delete"
    ):
        make_trainer(replace(PLAN, seed=9)).load(tmp_path / "c.pt")


def test_a_half_checkpoint_is_refused(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    make_trainer().save(tmp_path / "c.pt")
    data = (tmp_path / "c.pt").read_bytes()
    (tmp_path / "c.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r"c\.pt cannot be read as a checkpoint"):
        make_trainer().load(tmp_path / "c.pt")


def test_a_training_that_blows_up_says_so(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.vectors.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="loss became nan at step 0; lower --learning-rate"):
        trainer.run(lambda _: None)


@pytest.mark.parametrize(("steps", "minutes"), [(None, None), (1, 1.0)])
def test_a_plan_has_one_length(make_trainer: MakeTrainer, steps: int | None, minutes: float | None) -> None:
    with pytest.raises(ValueError, match="needs either steps or minutes"):
        make_trainer(replace(PLAN, steps=steps, minutes=minutes))


def test_a_plan_in_minutes_ends_by_the_clock(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(replace(PLAN, steps=None, minutes=0.5 / 60))
    trainer.run(lambda _: None)
    assert trainer.step >= 1
    assert trainer.elapsed_s >= 0.5


def test_the_preview_shows_photograph_painting_and_style_for_each_style(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    photo = trainer.photos.photos[0][:, :32, :32].permute(1, 2, 0).numpy()
    sheet = preview_sheet(trainer, photo)
    assert sheet.shape == (2 * 32, 3 * 32, 3)
    assert (sheet[:32, :32] == photo).all()
    assert (sheet[32:, 32:64] == trainer.paint(photo, 1)).all()


def test_a_training_that_finds_no_gradient_ends(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(replace(PLAN, steps=100))
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(torch.nan))
    before = weights_of(trainer)
    with pytest.raises(FloatingPointError, match="no finite gradient in 50 steps up to step 49: photographs of one"):
        trainer.run(lambda _: None)
    assert equal(weights_of(trainer), before)
