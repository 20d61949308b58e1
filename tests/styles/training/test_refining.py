"""Refining a vector: only what is better on photographs that are held out is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from styles.evaluation.evaluation import evaluate
from styles.evaluation.painter import network_painter
from styles.registry import SHIPPED_FOLDER
from styles.training.loss_network import load_loss_network
from styles.training.pictures import PictureError, write_picture
from styles.training.refining import refine
from styles.training.refining_task import Picture, RefiningNews, RefiningTask
from styles.training.style_grams import style_reference
from styles.weights import load_network, load_style
from tests.styles.conftest import textured

FAST = SHIPPED_FOLDER / "fast.safetensors"


class EnoughError(Exception):
    """Ends a training."""


def task(loss_network: Path, photos: Path | None = None, minutes: float = 60.0) -> RefiningTask:
    vector = load_style(FAST.with_suffix("") / "wave.safetensors").vector
    return RefiningTask(FAST, vector, textured(60, 80, 9, grain=1.5), minutes, loss_network, photos)


def test_vectors_are_reported_that_are_better_than_all_before(loss_network_file: Path) -> None:
    frames = iter(range(100))

    def incoming() -> Sequence[Picture]:
        return [textured(48, 64, next(frames, 0))]

    told: list[RefiningNews] = []

    def report(news: RefiningNews) -> None:
        told.append(news)
        if sum(each.vector is not None for each in told) == 2 or len(told) > 200:
            raise EnoughError

    with pytest.raises(EnoughError):
        refine(task(loss_network_file), incoming, report)
    better = [news for news in told if news.vector is not None]
    assert len(better) == 2
    assert 0 < better[0].gain < better[1].gain < 1
    assert [news.steps for news in told] == sorted(news.steps for news in told)
    first = task(loss_network_file).vector
    assert all(news.vector is not None and np.abs(news.vector - first).max() > 1e-3 for news in better)


def test_it_ends_with_its_time_and_takes_photographs_from_a_folder(loss_network_file: Path, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no photographs in"):
        refine(task(loss_network_file, tmp_path), list, lambda _news: None)
    for seed in range(3):
        write_picture(tmp_path / f"{seed}.png", textured(200, 220, seed))
    told: list[RefiningNews] = []
    refine(task(loss_network_file, tmp_path, minutes=0.003), list, told.append)
    assert (told[0].share < 1, told[-1].share) == (True, 1.0)
    assert told[-1].steps >= 1


def test_it_learns_more_than_the_frames_of_a_show(loss_network_file: Path) -> None:
    # a covered camera shows nothing that a vector could learn on
    told: list[RefiningNews] = []

    def report(news: RefiningNews) -> None:
        told.append(news)
        if news.vector is not None or len(told) > 200:
            raise EnoughError

    with pytest.raises(EnoughError):
        refine(task(loss_network_file), lambda: [np.zeros((48, 64, 3), np.uint8)], report)
    vector = told[-1].vector
    assert vector is not None

    network = load_loss_network(loss_network_file)
    weights = load_network(FAST)
    style = style_reference(task(loss_network_file).picture, network)
    photos = [textured(64, 64, 50 + seed) for seed in range(4)]
    before, after = (
        evaluate(network_painter(weights, each, torch.device("cpu")), photos, style, network).total
        for each in (task(loss_network_file).vector, vector)
    )
    assert before is not None
    assert after is not None
    assert after < before


def test_nobody_waits_for_photographs_that_nobody_wants_to_send(loss_network_file: Path) -> None:
    def gone() -> Iterator[Picture]:
        raise EnoughError

    with pytest.raises(EnoughError):
        refine(task(loss_network_file), gone, lambda _news: None)  # type: ignore[arg-type]
