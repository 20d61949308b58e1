"""`nst-train paint PHOTO STYLE -o OUT`: from the options to a painting by Gatys' slow method."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from styles.cli.common import check_style_scale, device_named, loss_weights
from styles.support.errors import UsageError
from styles.support.progress import progress_display
from styles.training.gatys import PictureLoss, noise_picture, paint_slowly
from styles.training.loss_network import SMALLEST_SIDE, load_loss_network
from styles.training.loss_network_file import find_loss_network
from styles.training.memory import keep_freed_memory
from styles.training.pictures import PICTURE_SUFFIXES, PictureError, read_picture, resize_short_side, write_picture
from styles.training.style_grams import style_grams


def run_paint(args: argparse.Namespace) -> str:
    """Paints, writes the picture and returns the losses before and after."""
    check_style_scale(args)
    device = device_named(args.device)
    if args.size < SMALLEST_SIDE:
        raise UsageError(f"--size {args.size}: the loss network looks at {SMALLEST_SIDE} pixels and up")
    _check_output(args)
    photo = resize_short_side(read_picture(args.photo), args.size)
    style, start = read_picture(args.style), _start(args, photo)
    keep_freed_memory()
    network = load_loss_network(find_loss_network(args.loss_network)).to(device)
    grams = style_grams(style, network, args.style_scale)
    loss = PictureLoss(photo, grams, network, loss_weights(args, [args.style.stem]).of(args.style.stem))
    with progress_display() as report:
        painting = paint_slowly(loss, start, args.steps, args.optimizer, report)
    write_picture(args.out, painting.picture)
    before, after = (_told(losses) for losses in (painting.losses_before, painting.losses_after))
    return f"{args.out}\nbefore: {before}\nafter:  {after}"


def _check_output(args: argparse.Namespace) -> None:
    """Raises UsageError where the painting could not be written after all the work."""
    if args.out.suffix.lower() not in PICTURE_SUFFIXES:
        raise UsageError(f"cannot write {args.out}; wanted a name ending in {', '.join(sorted(PICTURE_SUFFIXES))}")
    if not args.out.parent.is_dir():
        raise UsageError(f"cannot write {args.out}: there is no folder {args.out.parent}")
    if any(each.exists() and args.out.exists() and each.samefile(args.out) for each in (args.photo, args.style)):
        raise UsageError(f"cannot write {args.out}: it is the input itself; name another file")
    if args.out.is_dir() or not os.access(args.out if args.out.exists() else args.out.parent, os.W_OK):
        raise UsageError(f"cannot write {args.out}; wanted the name of a picture in a folder that can be written to")
    if args.out.exists() and not args.overwrite:
        raise UsageError(f"{args.out} is there already; to paint it anew, add -y, or name another file")


def _start(args: argparse.Namespace, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if args.init == "photo":
        return photo
    if args.init == "noise":
        return noise_picture(photo.shape[0], photo.shape[1], args.seed)
    start = resize_short_side(read_picture(Path(args.init)), args.size)
    if start.shape != photo.shape:
        sizes = [f"{picture.shape[1]} x {picture.shape[0]}" for picture in (start, photo)]
        raise PictureError(f"{args.init} has another shape than the photograph: {sizes[0]}, not {sizes[1]}")
    return start


def _told(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.6g}" for name, value in losses.items())
