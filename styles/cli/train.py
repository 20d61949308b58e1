"""`nst-train STYLE.jpg …`: from the options to a training."""

from __future__ import annotations

from pathlib import Path

from styles.architecture import CONFIGS
from styles.cli.common import check_name, check_style_scale, describe_pictures, device_named, loss_weights
from styles.cli.options import CommandLine, MachineOptions, TrainingLossOptions, TrainOptions
from styles.registry import (
    ENCODER_NAME,
    SHIPPED_FOLDER,
    StylePicture,
    UnknownStyleError,
    list_networks,
    network_path,
    user_folder,
)
from styles.support.errors import UsageError
from styles.training.job import Result, TrainingJob, check
from styles.training.loss_network import SMALLEST_SIDE
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.run import train
from styles.training.trainer import TrainingPlan

# How long a training takes by default, its learning rate, and the photographs of a step: for a vector, and for a net. A
# vector learns faster from many small steps.
_VECTOR_MINUTES, _DEDICATED_MINUTES = 10.0, 40.0
_VECTOR_LEARNING_RATE, _NET_LEARNING_RATE = 5e-2, 2e-3
_VECTOR_BATCH, _NET_BATCH = 1, 3


def run_train(line: CommandLine) -> str:
    """Trains and returns the path of the result."""
    job = _job(line)
    check(job)
    loss_network = find_loss_network(line.of(TrainingLossOptions).loss_network)
    keep_freed_memory()
    return str(train(job, loss_network))


def _job(line: CommandLine) -> TrainingJob:
    """Returns what the command line asks for. Raises UsageError if its options do not go together."""
    options, losses = line.of(TrainOptions), line.of(TrainingLossOptions)
    device = device_named(line.of(MachineOptions).device)
    result = _result(options)
    check_style_scale(losses.style_scale)
    if options.crop < SMALLEST_SIDE:
        raise UsageError(f"--crop {options.crop}: the loss network looks at pictures of {SMALLEST_SIDE} pixels and up")
    pictures = _described_pictures(options)
    name = options.name or options.pictures[0].stem
    check_name(name)
    if result is not Result.VECTOR:
        _check_name_of_net(name, options)
    plan = _plan(options, losses, result)
    return TrainingJob(
        result=result,
        name=name,
        net=_net_name(options, result),
        pictures=pictures,
        photos=options.photos,
        output=options.output or user_folder(),
        plan=plan,
        command=line.recorded,
        init=_style_file(options.init) if result is Result.VECTOR else _net_file(options.init),
        device=device,
        max_photos=options.max_photos,
        checkpoint_minutes=options.checkpoint_minutes,
        resume=options.resume,
        overwrite=options.overwrite,
        keep_picture=not options.no_picture,
    )


def _plan(options: TrainOptions, losses: TrainingLossOptions, result: Result) -> TrainingPlan:
    minutes = options.minutes if options.minutes or options.steps else _default_minutes(result)
    is_vector = result is Result.VECTOR
    learning_rate = _VECTOR_LEARNING_RATE if is_vector else _NET_LEARNING_RATE
    names = [picture.name for picture in _described_pictures(options).values()]
    return TrainingPlan(
        steps=options.steps,
        minutes=minutes,
        batch=options.batch or (_VECTOR_BATCH if is_vector else _NET_BATCH),
        crop=options.crop,
        learning_rate=options.learning_rate or learning_rate,
        seed=options.seed,
        style_scale=losses.style_scale,
        zoom_style=options.zoom_style,
        far=options.far,
        weights=loss_weights(losses, names),
    )


def _check_name_of_net(name: str, options: TrainOptions) -> None:
    if name == ENCODER_NAME:
        raise UsageError(f"{name!r} is the file of the style encoder; expected another --name")
    if (SHIPPED_FOLDER / f"{name}.safetensors").is_file() and options.output is None:
        raise UsageError(
            f"{name!r} is a net that comes with nst-live, and yours would hide it; expected another --name"
        )


def _result(options: TrainOptions) -> Result:
    if len(options.pictures) == 1:
        return Result.DEDICATED if options.dedicated else Result.VECTOR
    if options.dedicated:
        raise UsageError("--dedicated makes a net for one picture; several pictures make a net of their own without it")
    if not options.name:
        raise UsageError("several pictures make a net of their own, which needs a name: --name NAME")
    return Result.SHARED


def _described_pictures(options: TrainOptions) -> dict[Path, StylePicture]:
    """Returns, for the file of each style picture, what the metadata will say about it."""
    names = [path.stem for path in options.pictures]
    if len(names) == 1 and options.name:
        names = [options.name]
    facts = {
        fact: value for fact in ("title", "artist", "year", "license") if (value := getattr(options, fact)) is not None
    }
    if facts and len(names) > 1:
        raise UsageError(f"--{next(iter(facts))} can describe one picture, not {len(names)}")
    return describe_pictures(options.pictures, names, facts)


def _net_name(options: TrainOptions, result: Result) -> str:
    if result is not Result.VECTOR and options.init is not None and not options.net:
        return ""
    net: str = options.net or "fast"
    if result is Result.VECTOR and net in CONFIGS and net not in list_networks():
        raise UnknownStyleError(
            f"no net called {net!r} is trained yet (there are: {', '.join(list_networks()) or 'none'}); "
            "--dedicated trains one of that kind"
        )
    if result is not Result.VECTOR and net not in CONFIGS:
        raise UnknownStyleError(f"no kind of net called {net!r}; there are: {', '.join(CONFIGS)}")
    return net


def _net_file(init: Path | None) -> Path | None:
    """Returns the file to begin with; a word that is not the path of a file may be the name of a net."""
    if init is None or init.is_file() or init.suffix == ".safetensors":
        return init
    return network_path(str(init))


def _style_file(init: Path | None) -> Path | None:
    if init is not None and not init.exists() and str(init) in list_networks():
        raise UsageError(
            f"--init {init} is a net; a style of a net begins with a style's FILE.safetensors, "
            "and --dedicated trains a net on from another"
        )
    return init


def _default_minutes(result: Result) -> float:
    if result is Result.SHARED:
        raise UsageError("say how long to train a net of several pictures: --minutes M or --steps N")
    return _VECTOR_MINUTES if result is Result.VECTOR else _DEDICATED_MINUTES
