"""From a job to a trainer at step 0: the nets to begin with, the pictures, the loss network."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from styles.support.progress import progress_display
from styles.training.base.draw import PAINTING_SIDE, PHOTO_SIDE
from styles.training.base.files import Start, new_start, read_start
from styles.training.base.job import BaseJob
from styles.training.base.losses import style_statistics
from styles.training.base.model import BaseModel
from styles.training.base.squares import Squares, load_squares, select_pictures
from styles.training.base.trainer import BaseTrainer
from styles.training.loss_network import load_loss_network
from styles.training.losses import edge_chroma
from styles.training.style_grams import style_grams
from styles.weights import file_sha256

_log = logging.getLogger(__name__)


def make_trainer(job: BaseJob, pictures: Mapping[str, NDArray[np.uint8]], loss_network_file: Path) -> BaseTrainer:
    """Returns the trainer of a job, at step 0.

    Args:
        job: what to train.
        pictures: of the own styles by name, H x W x 3 uint8.
        loss_network_file: the file of the loss network.
    """
    loss_network = load_loss_network(loss_network_file).to(job.device)
    grams = {name: style_grams(picture, loss_network, job.plan.style_scale) for name, picture in pictures.items()}
    torch.manual_seed(job.plan.seed)
    names = list(pictures)
    start = read_start(job.init, job.kinds, names) if job.init else new_start(job.kinds, names)
    model = BaseModel(start.nets, start.encoder, style_statistics(next(iter(grams.values()))).shape[1])
    _predict_missing(model, start, pictures)
    photos, paintings = _load_pictures(job)
    return BaseTrainer(
        model=model,
        styles=grams,
        style_chromas=[_edge_chroma(picture) for picture in pictures.values()],
        photos=photos,
        paintings=paintings,
        loss_network=loss_network,
        plan=job.plan,
        origin={
            "nets": " ".join(job.kinds),
            "loss_network_sha256": file_sha256(loss_network_file),
            "photos": photos.fingerprint,
            "paintings": paintings.fingerprint,
            **{f"picture of {picture.name}": file_sha256(path) for path, picture in job.pictures.items()},
        },
        history=start.history,
        ranks=job.ranks,
    )


def _edge_chroma(picture: NDArray[np.uint8]) -> float:
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    return float(edge_chroma(image, image))


def _predict_missing(model: BaseModel, start: Start, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
    """Lets own styles that the start does not hold begin with what the encoder predicts."""
    model.eval()
    for index, name in enumerate(pictures):
        if name in start.predicted:
            predicted = model.predict(pictures[name])
            for kind, net in model.named_nets():
                net.vectors.data[index] = predicted[kind][0]


def _load_pictures(job: BaseJob) -> tuple[Squares, Squares]:
    """Returns the photographs and the paintings."""
    crop = job.plan.crop
    found = []
    for what, folders, side, unlike in (
        ("photographs", job.photos, PHOTO_SIDE, ()),
        # the own styles are not among those that the encoder learns on
        ("paintings", job.paintings, PAINTING_SIDE, tuple(job.pictures)),
    ):
        paths = select_pictures(folders, job.without, unlike)
        with progress_display("picture") if job.ranks.is_first else nullcontext(lambda *_: None) as report:
            squares = load_squares(paths, folders, round(crop * side), job.folder / what, report)
        skipped = f", {len(squares.skipped)} skipped (the first: {squares.skipped[0]})" if squares.skipped else ""
        if job.ranks.is_first:
            _log.info("%d %s%s", len(squares), what, skipped)
        found.append(squares)
    return found[0], found[1]
