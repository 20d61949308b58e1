"""One training, from pictures to files in a style folder: checkpoints, previews, resuming, stopping."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from styles.kept_picture import small_copy
from styles.registry import NETWORK_SHA256, StylePicture
from styles.support.progress import progress_display
from styles.training.interrupts import TrainingStopped, stop_signals
from styles.training.job import CropError, Result, ResultError, TrainingJob
from styles.training.loss_network import load_loss_network
from styles.training.loss_weights import LOSS_UNITS
from styles.training.pictures import PhotoSet, centre_crop, load_photos, read_picture, write_picture
from styles.training.start import TRAINED_STYLES, start_of
from styles.training.trainer import Progress, Trainer, preview_sheet, style_target
from styles.weights import (
    file_sha256,
    read_metadata,
    save_network,
    save_style,
)

_log = logging.getLogger(__name__)


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


def _trainer(job: TrainingJob, loss_network_file: Path) -> tuple[Trainer, str]:
    """Returns the trainer at step 0 and the sha256 of the net's file ('' for a new net)."""
    pictures = {path: read_picture(path) for path in job.pictures}
    loss_network = load_loss_network(loss_network_file).to(job.device)
    start = start_of(job)
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
