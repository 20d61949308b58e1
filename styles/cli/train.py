"""`nst-train STYLE.jpg …`: from the options to a training."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from styles.architecture import CONFIGS
from styles.cli.common import check_style_scale, device_named, loss_weights
from styles.cli.evaluate import UNPAINTED
from styles.registry import (
    SHIPPED_FOLDER,
    StylePicture,
    UnknownStyleError,
    known_picture,
    list_networks,
    network_path,
    user_folder,
)
from styles.support.errors import UsageError
from styles.training.loss_network import SMALLEST_SIDE
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.run import Result, TrainingJob, check, train
from styles.training.trainer import TrainingPlan

_NAME = re.compile(r"\w[\w.-]*")
# How long a training takes when nothing is said, and its learning rate: for a vector, and for a net.
_VECTOR_MINUTES, _DEDICATED_MINUTES = 10.0, 40.0
_VECTOR_LEARNING_RATE, _NET_LEARNING_RATE = 1e-2, 2e-3


def run_train(args: argparse.Namespace) -> str:
    job = _job(args)
    check(job)
    loss_network = find_loss_network(args.loss_network)
    keep_freed_memory()
    return str(train(job, loss_network))


def _job(args: argparse.Namespace) -> TrainingJob:
    """Returns what the command line asks for. Raises UsageError where its options do not go together."""
    device = device_named(args.device)
    result = _result(args)
    check_style_scale(args)
    if args.crop < SMALLEST_SIDE:
        raise UsageError(f"--crop {args.crop}: the loss network looks at pictures of {SMALLEST_SIDE} pixels and up")
    pictures = _described_pictures(args)
    name = args.name or args.pictures[0].stem
    for each in (name, *(picture.name for picture in pictures.values())):
        _check_name(each)
    shipped = (SHIPPED_FOLDER / f"{name}.safetensors").is_file()
    if shipped and result is not Result.VECTOR and args.output is None:
        raise UsageError(f"{name!r} is a net that comes with nst-live, and yours would hide it; wanted another --name")
    minutes = args.minutes if args.minutes or args.steps else _default_minutes(result)
    learning_rate = _VECTOR_LEARNING_RATE if result is Result.VECTOR else _NET_LEARNING_RATE
    plan = TrainingPlan(
        steps=args.steps,
        minutes=minutes,
        batch=args.batch,
        crop=args.crop,
        learning_rate=args.learning_rate or learning_rate,
        seed=args.seed,
        style_scale=args.style_scale,
        zoom_style=args.zoom_style,
        far=args.far,
        weights=loss_weights(args, [picture.name for picture in pictures.values()]),
    )
    return TrainingJob(
        result=result,
        name=name,
        net=_net_name(args, result),
        pictures=pictures,
        photos=args.photos,
        output=args.output or user_folder(),
        plan=plan,
        command=args.command,
        init=_style_file(args.init) if result is Result.VECTOR else _net_file(args.init),
        device=device,
        max_photos=args.max_photos,
        checkpoint_minutes=args.checkpoint_minutes,
        resume=args.resume,
        overwrite=args.overwrite,
        keep_picture=not args.no_picture,
    )


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name == UNPAINTED or Path(name).suffix in {".safetensors", ".onnx"}:
        raise UsageError(
            f"{name!r} cannot be the name of a style; wanted letters, digits, '_', '-' and '.', no file's ending and "
            f"not {UNPAINTED!r}: --name NAME, or another name for the picture"
        )


def _result(args: argparse.Namespace) -> Result:
    if len(args.pictures) == 1:
        return Result.DEDICATED if args.dedicated else Result.VECTOR
    if args.dedicated:
        raise UsageError("--dedicated makes a net for one picture; several pictures make a net of their own without it")
    if not args.name:
        raise UsageError("several pictures make a net of their own, which needs a name: --name NAME")
    return Result.SHARED


def _described_pictures(args: argparse.Namespace) -> dict[Path, StylePicture]:
    """Returns each style picture's file and what the metadata shall say of it."""
    names = [path.stem for path in args.pictures]
    if len(names) == 1 and args.name:
        names = [args.name]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two pictures are called {twice[0]!r}; a style is named by its picture's file name")
    given = {
        fact: value for fact in ("title", "artist", "year", "license") if (value := getattr(args, fact)) is not None
    }
    if given and len(names) > 1:
        raise UsageError(f"--{next(iter(given))} can describe one picture, not {len(names)}")
    pictures = [known_picture(path) if path.is_file() else None for path in args.pictures]
    known = [replace(picture or StylePicture("", "", "", "", ""), **given) for picture in pictures]
    return {
        path: replace(picture, name=name, title=picture.title or name)
        for path, name, picture in zip(args.pictures, names, known, strict=True)
    }


def _net_name(args: argparse.Namespace, result: Result) -> str:
    if result is not Result.VECTOR and args.init is not None and not args.net:
        return ""
    net: str = args.net or "fast"
    if result is Result.VECTOR and net in CONFIGS and net not in list_networks():
        raise UnknownStyleError(
            f"no net called {net!r} is trained yet (there are: {', '.join(list_networks()) or 'none'}); "
            "--dedicated trains one of that kind"
        )
    if result is not Result.VECTOR and net not in CONFIGS:
        raise UnknownStyleError(f"no kind of net called {net!r}; there are: {', '.join(CONFIGS)}")
    return net


def _net_file(init: Path | None) -> Path | None:
    """Returns the file to begin with; a word that names no file may name a net."""
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
