"""One training, from pictures to files in a style folder: checkpoints, previews, resuming, stopping."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from styles.architecture import CONFIGS
from styles.kept_picture import small_copy
from styles.network import TransformNet, network_from_weights
from styles.registry import NETWORK_SHA256, StylePicture, network_path
from styles.support.progress import progress_display
from styles.training.growth import grown
from styles.training.interrupts import TrainingStopped, stop_signals
from styles.training.loss_network import load_loss_network
from styles.training.loss_weights import LOSS_UNITS
from styles.training.pictures import PhotoSet, centre_crop, load_photos, picture_paths, read_picture, write_picture
from styles.training.trainer import Progress, Trainer, TrainingPlan, preview_sheet, style_target
from styles.weights import (
    NetworkWeights,
    WeightsError,
    file_sha256,
    load_network,
    load_style,
    read_metadata,
    save_network,
    save_style,
)

_log = logging.getLogger(__name__)

# The metadata key with the names of the styles that a net was trained with, as JSON.
TRAINED_STYLES = "styles"


class UnfinishedTrainingError(ValueError):
    """There is a checkpoint, and the user did not say whether to go on from it."""


class ResultError(ValueError):
    """The result of a training cannot be written: it exists already, or its folder cannot be written to."""


class CropError(ValueError):
    """The net cannot paint pictures of the size of the crop."""


class Result(Enum):
    """What a training makes."""

    VECTOR = "a style of an existing net"
    DEDICATED = "a net with one style inside"
    SHARED = "a net that several styles share"


@dataclass(frozen=True)
class TrainingJob:
    """What to train, from what, and where the result goes.

    Args:
        result: what the training makes.
        name: of the style, or of the net that several styles share.
        net: a name in CONFIGS; with Result.VECTOR the name of a trained net; "" keeps the shape of `init`.
        pictures: what is known about the style pictures, by file.
        photos: folders of photographs.
        output: the style folder of the result.
        plan: how long and with what to train.
        command: the command line, for the metadata.
        device: what computes.
        init: the weights to begin with, which grow into a `net`; with Result.VECTOR the style to begin with.
        max_photos: how many photographs are kept in memory; None for all.
        checkpoint_minutes: the time between checkpoints.
        resume: go on from a checkpoint, if there is one.
        overwrite: replace a result that exists.
        keep_picture: keep a small copy of the picture in the files of styles.
    """

    result: Result
    name: str
    net: str
    pictures: Mapping[Path, StylePicture]
    photos: Sequence[Path]
    output: Path
    plan: TrainingPlan
    command: str
    device: torch.device
    init: Path | None = None
    max_photos: int | None = None
    checkpoint_minutes: float = 2.0
    resume: bool = False
    overwrite: bool = False
    keep_picture: bool = True

    @property
    def result_path(self) -> Path:
        """The file that the training makes; of several, that of the net."""
        folder = self.output / self.net if self.result is Result.VECTOR else self.output
        return folder / f"{self.name}.safetensors"

    @property
    def checkpoint_path(self) -> Path:
        return self.result_path.with_suffix(".training") / "checkpoint.pt"

    @property
    def preview_path(self) -> Path:
        return self.result_path.with_suffix(".training") / "preview.png"


@dataclass(frozen=True)
class _Start:
    """Where a training begins: float32[S x K] vectors, one row a style; `sha256` is that of the net's file, if any."""

    net: TransformNet
    vectors: Tensor
    sha256: str = ""


def check(job: TrainingJob) -> None:
    """Refuses what can be refused before any long work: UnfinishedTrainingError, ResultError, PictureError."""
    if job.checkpoint_path.exists() and not job.resume:
        raise UnfinishedTrainingError(
            f"{job.checkpoint_path} is from an unfinished training; go on from it with --resume, or delete it"
        )
    if job.result_path.exists() and not job.overwrite and not job.checkpoint_path.exists():
        raise ResultError(f"{job.result_path} exists already; to train it again, add -y, or name another with --name")
    for path in job.pictures:
        read_picture(path)
    picture_paths(job.photos)
    place = next(parent for parent in job.checkpoint_path.absolute().parents if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ResultError(f"cannot write into {place}; expected a folder for the result: --output DIR")


def train(job: TrainingJob, loss_network: Path) -> Path:
    """Runs a job to its end and returns the file that it made.

    Args:
        job: what to train.
        loss_network: the file of the loss network.

    Raises:
        TrainingStopped: on Ctrl-C.
        PictureError, LossNetworkError, WeightsError, UnknownStyleError, CheckpointError, SettingsError, ResultError,
            FileNotFoundError: before any training.
    """
    trainer, sha256 = _trainer(job, loss_network)
    history = _history(job)
    copies = [small_copy(read_picture(file)) if job.keep_picture else None for file in job.pictures]
    try:
        job.checkpoint_path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ResultError(f"cannot write into {job.checkpoint_path.parent}: {exc.strerror or exc}") from exc
    if job.resume and job.checkpoint_path.exists():
        trainer.load(job.checkpoint_path)
        _log.info("resuming at step %d", trainer.step)
    elif job.resume:
        _log.info("no checkpoint at %s yet: starting at step 0", job.checkpoint_path)
    _run(trainer, job)
    path = _save_result(trainer, job, sha256, history, copies)
    _write_preview(trainer, job)
    job.checkpoint_path.unlink(missing_ok=True)
    return path


def starting_vector(network: Path) -> Tensor:
    """Returns the vector that a new style starts from, float32[K]: the mean of those that the net was trained with.

    Styles that the user added later are left out, so that the same command gives the same style again.
    """
    weights = load_network(network)
    names = json.loads(weights.metadata.get(TRAINED_STYLES, "[]"))
    vectors = [vector for name in names if (vector := trained_vector(network, weights, name)) is not None]
    if weights.vector is not None:
        vectors.append(weights.vector)
    if not vectors:
        return TransformNet(weights.config).plain_style()
    return torch.from_numpy(np.mean(vectors, axis=0))


def trained_vector(network: Path, weights: NetworkWeights, name: str) -> NDArray[np.float32] | None:
    """Returns the vector of that style in the net's folder, if there is one and it belongs to this training of it."""
    path = network.with_suffix("") / f"{name}.safetensors"
    if not path.is_file() or read_metadata(path).get(NETWORK_SHA256) != weights.sha256:
        return None
    return load_style(path).vector


def _start(job: TrainingJob) -> _Start:
    if job.result is Result.VECTOR:
        return _start_of_vector(job)
    if job.init is not None:
        return _start_from_weights(job, job.init)
    torch.manual_seed(job.plan.seed)
    net = TransformNet(CONFIGS[job.net])
    return _Start(net, net.plain_style().repeat(len(job.pictures), 1))


def _start_of_vector(job: TrainingJob) -> _Start:
    beside = job.output / f"{job.net}.safetensors"
    path = beside if beside.is_file() else network_path(job.net)
    weights = load_network(path)
    if weights.vector is not None:
        raise WeightsError(
            f"the net {job.net!r} was trained for one style alone and takes no other; "
            "expected fast, full, or a net that you trained from several pictures"
        )
    net = network_from_weights(weights)
    vector = torch.from_numpy(load_style(job.init).vector) if job.init else starting_vector(path)
    if vector.shape != (net.style_size,):
        raise WeightsError(
            f"{job.init} is a style of {len(vector)} numbers; the net {job.net!r} takes {net.style_size}"
        )
    return _Start(net, vector[None], weights.sha256)


def _start_from_weights(job: TrainingJob, init: Path) -> _Start:
    """Styles of the same name go on from their vectors, others from the mean of them all."""
    weights = load_network(init)
    mean = starting_vector(init)
    vectors = [trained_vector(init, weights, picture.name) for picture in job.pictures.values()]
    rows = torch.stack([mean if vector is None else torch.from_numpy(vector) for vector in vectors])
    net = network_from_weights(weights)
    if job.net:
        torch.manual_seed(job.plan.seed)
        net, rows = grown(net, rows, CONFIGS[job.net])
    return _Start(net, rows)


def _trainer(job: TrainingJob, loss_network_file: Path) -> tuple[Trainer, str]:
    """Returns the trainer at step 0 and the sha256 of the net's file ('' for a new net)."""
    pictures = {path: read_picture(path) for path in job.pictures}
    loss_network = load_loss_network(loss_network_file).to(job.device)
    start = _start(job)
    crop, multiple = job.plan.crop, start.net.config.size_multiple
    if crop % multiple:
        raise CropError(
            f"--crop {crop}: the net {start.net.config.name!r} takes multiples of {multiple}; "
            f"the next is {crop + -crop % multiple}"
        )
    photos = _load_photos(job)
    targets = [
        style_target(job.pictures[path].name, picture, loss_network, job.plan) for path, picture in pictures.items()
    ]
    origin = {
        "result": job.result.name,
        "net": job.net,
        "net_sha256": start.sha256,
        "init_sha256": file_sha256(job.init) if job.init else "",
        "loss_network_sha256": file_sha256(loss_network_file),
        "photos": photos.fingerprint,
        **{f"picture of {picture.name}": file_sha256(path) for path, picture in job.pictures.items()},
    }
    trainer = Trainer(
        net=start.net,
        vectors=start.vectors,
        targets=targets,
        photos=photos,
        loss_network=loss_network,
        plan=job.plan,
        frozen=job.result is Result.VECTOR,
        origin=origin,
    )
    return trainer, start.sha256


def _load_photos(job: TrainingJob) -> PhotoSet:
    with progress_display("photograph") as report:
        photos = load_photos(job.photos, job.plan.crop, job.max_photos, report)
    skipped = f", {len(photos.skipped)} skipped (the first: {photos.skipped[0]})" if photos.skipped else ""
    _log.info("%d photographs%s", len(photos.photos), skipped)
    return photos


def _run(trainer: Trainer, job: TrainingJob) -> None:
    """Trains to the end of the plan. A checkpoint and a preview are written every few minutes, and on Ctrl-C."""
    saved_at_s = time.monotonic()
    with stop_signals() as stop, progress_display() as show:

        def report(progress: Progress) -> None:
            nonlocal saved_at_s
            show(progress.step, progress.fraction, progress.losses)
            if stop.is_set():
                trainer.save(job.checkpoint_path)
                raise TrainingStopped(
                    f"stopped at step {progress.step}; go on with the same command and --resume (checkpoint: "
                    f"{job.checkpoint_path})"
                )
            if time.monotonic() - saved_at_s >= 60 * job.checkpoint_minutes:
                trainer.save(job.checkpoint_path)
                _write_preview(trainer, job)
                saved_at_s = time.monotonic()

        trainer.run(report)


def _write_preview(trainer: Trainer, job: TrainingJob) -> None:
    photo = trainer.photos.photos[0].permute(1, 2, 0).cpu().numpy()
    job.preview_path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(job.preview_path, preview_sheet(trainer, centre_crop(photo, job.plan.crop)))


def _save_result(
    trainer: Trainer,
    job: TrainingJob,
    network_sha256: str,
    history: Mapping[str, str],
    copies: Sequence[bytes | None],
) -> Path:
    """Writes the net, the style or both; `copies` are the small copies of the style pictures, in the job's order."""
    facts = _facts(trainer, job)
    vectors = trainer.vectors.detach().float().cpu().numpy()
    state = trainer.net.state_dict()
    arrays = {name: tensor.float().cpu().contiguous().numpy() for name, tensor in state.items()}
    config, path = trainer.net.config, job.result_path
    pictures = list(job.pictures.values())
    if job.result is Result.DEDICATED:
        metadata = {**described(pictures[0]), **facts, **history}
        save_network(path, config, arrays, metadata, vectors[0], picture=copies[0])
        return path
    folder = path.parent
    if job.result is Result.SHARED:
        names = json.dumps([picture.name for picture in pictures])
        network_sha256 = save_network(path, config, arrays, {TRAINED_STYLES: names, **facts, **history})
        folder = path.with_suffix("")
    else:
        facts |= history
    for picture, vector, copy in zip(pictures, vectors, copies, strict=True):
        metadata = {**described(picture), **facts, NETWORK_SHA256: network_sha256}
        save_style(folder / f"{picture.name}.safetensors", vector, metadata, copy)
    return path


def described(picture: StylePicture) -> dict[str, str]:
    """Returns what the metadata of a style say about its picture."""
    return {key: value for key, value in asdict(picture).items() if key != "name"}


def _history(job: TrainingJob) -> dict[str, str]:
    """Returns, for what began with the result of another training, the commands of all before it, one a line."""
    if job.init is None:
        return {}
    before = read_metadata(job.init)
    last = f"{before.get('steps', '?')} steps: {before.get('command', 'unknown')}"
    return {"history": "\n".join(line for line in (before.get("history"), last) if line)}


def _facts(trainer: Trainer, job: TrainingJob) -> dict[str, str]:
    """Returns the metadata that every file of the training gets: how to make it again, and what was used."""
    return {
        "network": job.net if job.result is Result.VECTOR else job.name,
        "command": job.command,
        "steps": str(trainer.step),
        "minutes": f"{trainer.elapsed_s / 60:.1f}",
        "seed": str(job.plan.seed),
        "loss_weights": json.dumps(asdict(job.plan.weights)),
        "loss_units": LOSS_UNITS,
        "style_scale": str(job.plan.style_scale or "the picture's own"),
        "loss_network_sha256": trainer.origin["loss_network_sha256"],
    }
