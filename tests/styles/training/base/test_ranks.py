"""Several processes train together what one trains alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE, Drawer, Sizes
from styles.training.base.ranks import ALONE, Ranks, ranks_here
from tests.conftest import ROOT
from tests.styles.training.base.conftest import MakeTrainer, squares

STEPS = 20


def test_the_shares_of_a_draw_are_all_of_it(make_trainer: MakeTrainer) -> None:
    photos, paintings = squares(9, PHOTO_SIDE * 32, seed=0), squares(9, PAINTING_SIDE * 32, seed=30)
    draw = Drawer(photos, paintings, Sizes(8, 4, 2, 32), seed=1).draw(2)
    shares = [draw.share(index, 4) for index in range(4)]
    assert [len(share.photos) for share in shares] == [2, 2, 2, 2]
    assert torch.equal(torch.cat([share.photos[:1] for share in shares]), draw.photos[:4])
    assert torch.equal(torch.cat([share.photos[1:] for share in shares]), draw.photos[4:])
    assert torch.equal(torch.cat([share.chosen for share in shares]), draw.chosen)
    assert torch.equal(torch.cat([share.paintings for share in shares]), draw.paintings)
    # the first photograph and the last are seen again
    assert [share.picked.tolist() for share in shares] == [[0], [], [], [1]]
    assert torch.equal(torch.cat([share.moved for share in shares]), draw.moved)
    assert {share.pairs for share in shares} == {0.5}

    # and the mean of their losses is its loss
    trainer = make_trainer(batch=8)
    trainer.prepare()
    trainer.model.encoder.eval()
    with torch.no_grad():
        whole, total = trainer._losses(draw)
        parts = [trainer._losses(share) for share in shares]
    assert float(total) == pytest.approx(sum(float(part) for _, part in parts) / 4, rel=1e-4)
    for name, value in whole.items():
        assert float(value) == pytest.approx(sum(float(part[name]) for part, _ in parts) / 4, rel=1e-4), name


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert ranks_here() == ALONE
    for name, value in (("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert ranks_here() == Ranks(5, 8, 1)
    assert ranks_here().device(torch.device("cuda")) == torch.device("cuda", 1)
    assert ranks_here().device(torch.device("cpu")) == torch.device("cpu")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def train(folder: Path, ranks: int, *words: object) -> None:
    """Runs rank.py in so many processes at once."""
    folder.mkdir(exist_ok=True)
    place = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "tests.styles.training.base.rank", *map(str, words)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(ranks)
    ]
    assert [process.wait(300) for process in processes] == [0] * ranks


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_processes_with_half_of_the_batch_have_the_losses_of_one(
    pictures_folder: Path, loss_network_file: Path, tmp_path: Path
) -> None:
    one, two, changing = (tmp_path / name for name in ("one", "two", "changing"))
    # sums in another order differ in their last bit, which in bfloat16 is half a percent, and steps add that up
    train(one, 1, pictures_folder, loss_network_file, one, STEPS, "float32")
    train(two, 2, pictures_folder, loss_network_file, two, STEPS, "float32")
    losses = [json.loads((folder / f"losses-{STEPS}.json").read_text()) for folder in (one, two)]
    assert len(losses[0]) == len(losses[1]) == STEPS
    for ours, theirs in zip(*losses, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)

    # begun by two, gone on with by one, and then by two again
    for number, (ranks, steps) in enumerate([(2, 8), (1, 14), (2, STEPS)]):
        train(changing, ranks, pictures_folder, loss_network_file, changing, steps, "float32")
        assert len(json.loads((changing / f"losses-{steps}.json").read_text())) == [8, 6, 6][number]
    last = json.loads((changing / f"losses-{STEPS}.json").read_text())[-1]
    assert last == pytest.approx(losses[0][-1], rel=1e-3)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("words", [(), ("alone",)], ids=["everything", "an encoder alone"])
def test_two_processes_begin_as_one_does_in_the_precision_of_this_machine(
    words: tuple[str, ...], pictures_folder: Path, loss_network_file: Path, tmp_path: Path
) -> None:
    for ranks in (1, 2):
        train(tmp_path / str(ranks), ranks, pictures_folder, loss_network_file, tmp_path / str(ranks), 4, *words)
    one, two = (json.loads((tmp_path / str(ranks) / "losses-4.json").read_text()) for ranks in (1, 2))
    for ours, theirs in zip(one, two, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)
